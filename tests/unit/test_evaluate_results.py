"""What the tools wrote, read; and what that is worth.

The files in tests/cases/evaluate with a version in their names were written by the real tools; the two without one were
written by hand in the form of vllm/benchmarks/latency.py and throughput.py at 0.27.1.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from browser import measured

from qcluster.errors import UnreadableOutput
from qcluster.evaluate import chart, results, store
from qcluster.evaluate.compare import Limits, Reference, chance, comparable, regressions, verdict
from qcluster.evaluate.model import (
    Evaluation,
    Load,
    Measured,
    Offline,
    Point,
    Remark,
    Request,
    Score,
    Spread,
    Subject,
    Workload,
    as_json,
)
from qcluster.events import HostFinished, HostStarted, HostTally, PlayStarted, RunFinished, RunStarted, TaskStarted
from qcluster.modules.evaluation_verdict import before, judged, references
from qcluster.report.evaluation_html import charts, evaluation_page
from qcluster.report.evaluation_text import evaluation_lines, result_row
from qcluster.report.html import HtmlReport
from qcluster.report.schemas import all_schemas
from qcluster.result import Status, TaskResult

CASES = Path(__file__).parents[1] / "cases" / "evaluate"
SUBJECT = Subject("d", "sha256:1", "v0.23.0", "Qwen3.5-27B-w8a8", "a3", "2 prefill + 2 decode")


def case(name: str) -> bytes:
    return (CASES / name).read_bytes()


def at(level: int, throughput: float, failed: int = 0) -> Measured:
    spread = Spread(20.0 + level, 20.0 + level, 40.0 + level)
    load = Load(10 - failed, failed, 1.0, 100, 80, 10.0, throughput, 2 * throughput, spread, spread, spread, spread)
    return Measured(Point(f"concurrency-{level}", "p1", "proxy", level), 1000.0, "vllm bench serve", load)


def asked(*levels: int, kind: str = "serve", tool: str = "vllm") -> Request:
    points = tuple(Point(f"concurrency-{level}", "p1", "proxy", level) for level in levels)
    return Request(kind, tool, SUBJECT, Workload(input_len=200, output_len=128, requests=10), points)


def scored(value: float, samples: int = 1319, metric: str = "accuracy") -> Measured:
    score = Score("gsm8k", metric, value, samples=samples)
    return Measured(Point("concurrency-32", "p1", "proxy", 32), 1000.0, "ais_bench", scores=(score,))


def test_vllm_bench_serve() -> None:
    load = results.read("serve", "vllm", {"result.json": case("vllm-serve-0.27.1.json")}).load
    assert load is not None
    assert (load.completed, load.failed, load.input_tokens, load.output_tokens) == (8, 0, 570, 128)
    assert load.output_throughput == pytest.approx(394.3546)
    assert load.ttft is not None and load.ttft.median == pytest.approx(46.69, abs=0.01)
    assert load.e2el is not None and load.e2el.p99 == pytest.approx(84.63, abs=0.01)


def test_vllm_bench_latency_and_throughput() -> None:
    latency = results.read("latency", "vllm", {"result.json": case("vllm-latency.json")}).offline
    assert latency is not None and latency.latency is not None and latency.percentiles["p50"] > 0
    assert set(latency.percentiles) == {"p10", "p25", "p50", "p75", "p90", "p99"}
    throughput = results.read("throughput", "vllm", {"result.json": case("vllm-throughput.json")}).offline
    assert throughput is not None and throughput.total_throughput is not None
    assert throughput.request_throughput is not None and throughput.request_throughput > 0


def test_lm_eval_gives_a_score_a_filter_in_percent() -> None:
    scores = results.read("eval", "lm_eval", {"result.json": case("lm_eval-0.4.13.json")}).scores
    assert [(one.dataset, one.metric, round(one.value, 2), one.samples) for one in scores] == [
        ("gsm8k", "exact_match (strict-match)", 96.67, 60),
        ("gsm8k", "exact_match (flexible-extract)", 96.67, 60),
    ]
    assert scores[0].stderr == pytest.approx(2.337, abs=0.001)


def test_aisbench_performance() -> None:
    files = {f"performance.{end}": case(f"aisbench-3.1-performance.{end}") for end in ("json", "csv")}
    load = results.read("serve", "aisbench", files).load
    assert load is not None
    assert (load.completed, load.failed) == (6, 14)
    assert load.duration == pytest.approx(0.2736852)
    assert load.tpot == Spread(2.2, 2.2, 2.3)
    assert load.output_throughput == 350.768


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("dataset,version,metric,mode,m\ngsm8k,50861a,accuracy,gen,96.74\n", Score("gsm8k", "accuracy", 96.74)),
        (
            "dataset,version,metric,mode,total_count,m\ngsm8k,-,accuracy,gen,1319,96.74 (1276/1319)\n",
            Score("gsm8k", "accuracy", 96.74, samples=1319),
        ),
    ],
)
def test_aisbench_accuracy(text: str, score: Score) -> None:
    assert results.read("eval", "aisbench", {"summary.csv": text.encode()}).scores == (score,)


@pytest.mark.parametrize(
    ("kind", "tool", "name", "text"),
    [
        ("serve", "vllm", "result.json", "{}"),
        ("serve", "vllm", "result.json", '{"completed": 8, "dura'),
        ("serve", "vllm", "result.json", "[]"),
        ("latency", "vllm", "result.json", '{"avg_latency": null, "percentiles": {}}'),
        ("eval", "lm_eval", "result.json", '{"results": {"gsm8k": {"alias": "gsm8k"}}}'),
        ("eval", "aisbench", "summary.csv", "dataset,version,metric,mode,m\ngsm8k,-,-,-,-\n"),
        ("eval", "aisbench", "summary.csv", ""),
    ],
)
def test_what_cannot_be_read_is_no_result(kind: str, tool: str, name: str, text: str) -> None:
    with pytest.raises(UnreadableOutput, match="cannot be understood"):
        results.read(kind, tool, {name: text.encode()})


def bad(remarks: tuple[Remark, ...]) -> list[str]:
    return [remark.text for remark in remarks if remark.bad]


def test_failed_requests_are_bad() -> None:
    found = verdict([at(1, 100), at(2, 180, failed=3)], asked(1, 2), Limits(), (), None)
    assert [line.partition(";")[0] for line in bad(found)] == ["concurrency-2: 3 of 10 requests failed"]
    assert "concurrency-2: no request was answered" in bad(verdict([at(2, 0, failed=10)], asked(2), Limits(), (), None))


def test_the_seeds_score_holds_for_aisbench_and_its_model_only() -> None:
    known = references("Qwen3.5-27B-w8a8")
    assert [(one.tool, one.dataset, one.value) for one in known] == [("aisbench", "gsm8k", 96.74)]
    assert references("Qwen3.6-27B-w8a8") == () == references("somebody's own")
    aisbench, harness = asked(32, kind="eval", tool="aisbench"), asked(32, kind="eval", tool="lm_eval")
    assert not bad(verdict([scored(94.75)], aisbench, Limits(), known, None))
    (said,) = bad(verdict([scored(94.73)], aisbench, Limits(), known, None))
    assert "94.73 is below the reference 96.74 − 2.00" in said
    (remark,) = verdict([scored(50, metric="exact_match")], harness, Limits(), known, None)
    assert not remark.bad and "not judged" in remark.text
    assert bad(verdict([scored(50, metric="exact_match")], harness, Limits(reference=90), known, None))


def test_few_questions_widen_the_margin() -> None:
    assert chance(96.74, 1319, 1319) == pytest.approx(1.355, abs=0.001)
    assert chance(96.74, 1319, 40) == pytest.approx(5.586, abs=0.001)
    known = (Reference("gsm8k", "accuracy", 96.74, "aisbench", 1319, "seed"),)
    request = asked(32, kind="eval", tool="aisbench")
    assert not bad(verdict([scored(92.5, samples=40)], request, Limits(), known, None))
    assert bad(verdict([scored(90.0, samples=40)], request, Limits(), known, None))


def evaluation(name: str, *points: Measured, complete: bool = True) -> Evaluation:
    request = asked(*(one.point.concurrency or 1 for one in points))
    return Evaluation(name, request, 1000.0, complete, points)


def test_a_throughput_that_fell_is_bad_and_one_that_rose_is_told() -> None:
    earlier = evaluation("before", at(1, 100), at(2, 200))
    slower = tuple(regressions([at(1, 110), at(2, 150), at(4, 1)], earlier, Limits(max_regression=20)))
    assert [remark.bad for remark in slower] == [False, True]
    assert slower[1].text == "concurrency-2: output tokens/s 150, -25.0 % against 200 of before"
    assert not any(one.bad for one in regressions([at(2, 150)], earlier, Limits(max_regression=30)))
    batch = Point("latency", "p1", "p1-0")
    then = Evaluation("b", asked(), 0.0, True, (Measured(batch, 0.0, "", offline=Offline(latency=1.0)),))
    (longer,) = regressions([Measured(batch, 0.0, "", offline=Offline(latency=1.5))], then, Limits())
    assert longer.bad and "+50.0 %" in longer.text


def test_what_can_be_compared() -> None:
    one = asked(1, 2)
    assert comparable(one, asked(4))
    assert comparable(one, replace(one, subject=replace(SUBJECT, digest="sha256:2", release="v0.24.0")))
    assert not comparable(one, replace(one, subject=replace(SUBJECT, hardware="a2")))
    assert not comparable(one, replace(one, workload=Workload(input_len=400, output_len=128)))
    assert not comparable(one, asked(1, tool="aisbench"))


def test_an_interrupted_evaluation_is_gone_on_with(tmp_path: Path) -> None:
    request = asked(1, 2)
    folder = store.create(tmp_path, "20260101-000000", request)
    assert store.unfinished(tmp_path, request) == folder
    store.keep(folder, at(2, 180), {"result.json": b"{}"})
    (folder / "points" / ".concurrency-1.json.new").write_text("{ half")
    assert [one.point.name for one in store.measured_in(folder)] == ["concurrency-2"]
    assert not store.evaluation_in(folder).complete
    assert store.unfinished(tmp_path, asked(1, 4)) is None
    store.keep(folder, at(1, 100), {})
    found = judged(folder, Limits())
    assert found.complete and [one.point.name for one in found.points] == ["concurrency-1", "concurrency-2"]
    store.save(folder / "result.json", as_json(found))
    assert store.unfinished(tmp_path, request) is None
    assert store.create(tmp_path, "20260101-000000", request).name == "20260101-000000.2-serve"


def test_a_result_is_compared_with_the_last_good_one(tmp_path: Path) -> None:
    for stamp, throughput, failed in (("1", 100, 0), ("2", 90, 5), ("3", 95, 0)):
        folder = store.create(tmp_path, f"2026010{stamp}-000000", asked(1))
        store.keep(folder, at(1, throughput, failed), {})
        found = judged(folder, Limits())
        store.save(folder / "result.json", as_json(found))
        jsonschema.validate(json.loads((folder / "result.json").read_text()), all_schemas()["evaluation.json"])
    earlier = before(folder, asked(1))
    assert earlier is not None and earlier.id == "20260101-000000-serve"
    assert [remark.text for remark in found.remarks] == [
        "concurrency-1: output tokens/s 95, -5.0 % against 100 of 20260101-000000-serve"
    ]


def test_nothing_measured_leaves_nothing(tmp_path: Path) -> None:
    folder = store.create(tmp_path, "20260101-000000", asked(1))
    store.discard(folder)
    assert not folder.exists()
    folder = store.create(tmp_path, "20260101-000000", asked(1))
    store.keep(folder, at(1, 1), {})
    store.discard(folder)
    assert folder.exists()


def test_what_another_version_wrote_is_left_alone(tmp_path: Path) -> None:
    mine = store.create(tmp_path, "20260101-000000", asked(1))
    other = store.create(tmp_path, "20260102-000000", asked(1))
    (other / "request.json").write_text('{"kind": "dance"}')
    assert store.folders(tmp_path) == [mine]
    assert store.unfinished(tmp_path, asked(1)) == mine


def test_the_table_and_the_row() -> None:
    found = replace(evaluation("e", at(1, 100), at(16, 900)), remarks=(Remark(True, "it is slow"),))
    lines = evaluation_lines(found)
    assert lines[0] == "e · Qwen3.5-27B-w8a8 on a3 · 2 prefill + 2 decode · vllm serve"
    assert lines[2].split()[:4] == ["point", "requests", "failed", "req/s"]
    assert lines[4].split()[:5] == ["concurrency-16", "10", "0", "10.00", "900.0"]
    assert lines[-1] == "bad: it is slow"
    assert "bad" in result_row(found) and "900.0 output tok/s at best" in result_row(found)
    assert "unfinished: 1 of 1" in evaluation_lines(evaluation("e", at(1, 1), complete=False))[-1]


def test_axes_end_at_a_round_number_above_the_values() -> None:
    assert [chart.ceiling(value) for value in (0, 1, 3.3, 41, 700, 99_999)] == [1, 1, 4, 60, 800, 100_000]
    scale = chart.Scale((1.0, 4.0, 16.0), 100.0)
    assert scale.x(4.0) == (scale.x(1.0) + scale.x(16.0)) / 2
    assert scale.y(0) > scale.y(50) > scale.y(100)


def test_a_sweep_is_drawn_beside_the_one_before() -> None:
    newest, earlier = evaluation("now", at(1, 100), at(8, 500)), evaluation("then", at(1, 90), at(8, 450))
    throughput, first, *_ = charts([newest, earlier])
    assert throughput.count("<circle") == 4 and "this run" in throughput and ">then<" in throughput
    assert "p99" in first
    assert charts([evaluation("one", at(1, 100))]) == []


def test_the_page_opens_from_disk_in_both_themes(tmp_path: Path) -> None:
    points = [at(level, 100.0 * level, failed=level == 8) for level in (1, 2, 4, 8)]
    remarks = (Remark(True, "concurrency-8: <1> of 10 requests failed"), Remark(False, "the rest is as before"))
    newest = replace(evaluation("20260102-000000-serve", *points), remarks=remarks)
    seen = measured(tmp_path, evaluation_page([newest, evaluation("20260101-000000-serve", *points)]))
    assert (seen.console, seen.measured["requests"]) == ([], [])
    for theme in ("light", "dark"):
        told = seen.measured[theme]
        assert told["texts"] > 60
        assert (told["weak"], told["faint"]) == ([], []), theme
    assert seen.measured["wider"] <= 0
    assert "&lt;1&gt; of 10" in seen.dom and seen.dom.count('class="chart"') == 4


def test_the_page_of_the_run_shows_what_it_measured() -> None:
    report = HtmlReport()
    values = {"evaluation": as_json(evaluation("20260102-000000-serve", at(1, 100), at(8, 500)))}
    for event in (
        RunStarted(100.0, "bench", "bench.yaml", "inv.yml", ("p1",)),
        PlayStarted(100.0, "Measure", ("p1",)),
        TaskStarted(100.0, "Measure", "Judge", "t1", "x:1", "evaluation_verdict", role="evaluation"),
        HostStarted(100.0, "Measure", "Judge", "t1", "p1"),
        HostFinished(101.0, "Measure", "Judge", "t1", "p1", TaskResult("p1", Status.OK, values)),
        RunFinished(101.0, 0, {"p1": HostTally(ok=1)}, 1.0),
    ):
        report(event)
    page = report.render()
    assert page.count('class="chart"') == 4 and "concurrency-8" in page


def test_a_long_legend_goes_on_in_the_next_row() -> None:
    named = [chart.Series(f"s{host}-standalone-0 of the plan", ((1.0, 1.0), (2.0, 2.0))) for host in range(4)]
    drawn = chart.chart("Requests", "a second", named)
    rows = {float(found) for found in re.findall(r'<text x="[\d.]+" y="([\d.]+)" class="tick">', drawn)}
    assert len(rows) == 2 and max(rows) < float(re.findall(r'y1="([\d.]+)"[^>]*class="grid"', drawn)[-1])
    ends = [
        float(x) + chart.WORD * len(word)
        for x, word in re.findall(r'<text x="([\d.]+)"[^>]*class="tick">([^<]+)', drawn)
    ]
    assert max(ends) <= chart.WIDTH
