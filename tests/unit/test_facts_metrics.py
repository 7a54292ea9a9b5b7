"""vLLM's `/metrics` as values, the lab's page against the real one, and the names that the dashboard uses.

`tests/cases/metrics/vllm-VERSION.txt` were written by vLLM's own PrometheusStatLogger of that version, after it
recorded two finished requests, three running and two waiting.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from qcluster.errors import UnreadableOutput
from qcluster.export.grafana import PANELS
from qcluster.facts.metrics import Reading, Timed, load, parse
from qcluster.lab.tools.engine.counters import Counters

PAGES = {path.stem: path.read_text() for path in (Path(__file__).parents[1] / "cases" / "metrics").glob("*.txt")}
REAL = PAGES["vllm-0.23.0"]


@pytest.mark.parametrize("name", PAGES)
def test_a_real_page_is_a_reading(name: str) -> None:
    assert parse(PAGES[name]) == Reading(
        running=3,
        waiting=2,
        kv_cache=0.41,
        prompt_tokens=1500.0,
        generated_tokens=600.0,
        finished=2.0,
        first_token=Timed(2.0, 0.6000000000000001),
        per_token=Timed(2.0, 0.0566),
    )


def test_a_single_reading_has_means_and_no_rates() -> None:
    told = load(parse(REAL))
    assert (told.running, told.waiting, told.kv_cache_percent, told.finished) == (3, 2, 41.0, 2)
    assert (told.ttft_ms, told.tpot_ms) == (300.0, 28.3)
    assert told.prompt_tokens_per_second is None


def test_two_readings_are_what_happened_between_them() -> None:
    before = parse(REAL)
    later = REAL.replace('generation_tokens_total{engine="0",model_name="qwen3.5"} 600.0',
                         'generation_tokens_total{engine="0",model_name="qwen3.5"} 1100.0')  # fmt: skip
    later = re.sub(r"(first_token_seconds_count\{[^}]*\}) 2.0", r"\1 4.0", later)
    later = re.sub(r"(first_token_seconds_sum\{[^}]*\}) [\d.]+", r"\1 1.0", later)
    told = load(parse(later), before, 10.0)
    assert (told.generated_tokens_per_second, told.prompt_tokens_per_second) == (50.0, 0.0)
    assert (told.ttft_ms, told.tpot_ms) == (200.0, None)


def test_an_engine_that_counts_from_nothing_again_has_no_rates() -> None:
    fresh = parse(REAL.replace(" 1500.0", " 10.0"))
    assert load(fresh, parse(REAL), 10.0).prompt_tokens_per_second is None


def test_engines_behind_one_port_are_counted_together() -> None:
    more = "\n".join(line.replace('engine="0"', 'engine="1"').replace(" 0.41", " 0.9") for line in REAL.splitlines())
    told = parse(f"{REAL}\n{more}\n")
    assert (told.running, told.kv_cache, told.first_token.count) == (6, 0.9, 4.0)


@pytest.mark.parametrize(
    "text", ["", "<html>", 'vllm:num_requests_running{engine="0} 3', "vllm:num_requests_running x"]
)
def test_what_is_not_vllms_page_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableOutput):
        parse(text)


def shape(text: str) -> dict[str, object]:
    """Everything of a page but its numbers: families with type and help, and the labels of each sample."""
    return {
        family.name: (family.type, family.documentation, [(one.name, one.labels) for one in family.samples])
        for family in text_string_to_metric_families(text)
    }


def test_the_labs_page_is_the_real_one_to_the_letter() -> None:
    counters = Counters("qwen3.5", 32768, 100_000)
    ticket = counters.begin(200)
    for _ in range(3):
        ticket.token()
    counters.served(ticket, "stop", remote=False, limit=16)
    made = counters.text()
    assert shape(made) == shape(REAL)
    assert [line for line in made.splitlines() if line[0] == "#"] == [
        line for line in REAL.splitlines() if line[0] == "#"
    ]
    told = parse(made)
    assert (told.running, told.finished, told.prompt_tokens, told.generated_tokens) == (1, 1.0, 200.0, 3.0)
    assert told.kv_cache == 203 / 100_000
    counters.end(ticket)
    assert parse(counters.text()).running == 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_panel_asks_for_what_vllm_has(panel: object, name: str) -> None:
    samples = {one.name for family in text_string_to_metric_families(PAGES[name]) for one in family.samples}
    asked = set(re.findall(r"vllm:\w+", str(panel)))
    assert asked
    assert asked <= samples
