"""Who downloads and who gets it from whom: the decision, and the whole way over folders that stand for hosts."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from qcluster.command import Command
from qcluster.engine.dressed import Dress, Dressed
from qcluster.events import Event, Progress
from qcluster.facts.weights import Source
from qcluster.modules.base import Action, Call, Reach, Report
from qcluster.modules.spread import Route, Seen, chain, routes
from qcluster.modules.weights import weights, why
from qcluster.modules.weights_agree import weights_agree
from qcluster.modules.weights_found import weights_found
from qcluster.modules.weights_route import weights_route
from qcluster.result import Outcome
from qcluster.transport.base import Transport
from qcluster.transport.local import LocalTransport


def seen(**hosts: str) -> dict[str, Seen]:
    """`whole`, `tool` (the hub's), `bare` (no server), `on=X` (the folder of X), one word or more a host."""
    found = {}
    for name, text in hosts.items():
        words = text.split()
        disk = next((word[3:] for word in words if word.startswith("on=")), name)
        found[name] = Seen("whole" in words, disk, "tool" in words, "bare" not in words)
    return found


@pytest.mark.parametrize(
    ("hosts", "options", "wanted"),
    [
        ({"p1": "tool", "d1": "tool"}, {}, {"p1": "fetch", "d1": "stream p1"}),
        ({"p1": "", "d1": "tool", "d2": "tool"}, {}, {"p1": "stream d1", "d1": "fetch", "d2": "stream p1"}),
        ({"p1": "tool", "d1": "tool"}, {"spread": "each"}, {"p1": "fetch", "d1": "fetch"}),
        ({"p1": "tool", "d1": "tool whole"}, {}, {"p1": "stream d1", "d1": "have"}),
        ({"p1": "tool", "d1": "tool on=p1", "d2": ""}, {}, {"p1": "fetch", "d1": "wait p1", "d2": "stream p1"}),
        ({"p1": "", "d1": "tool on=p1"}, {"spread": "each"}, {"p1": "wait d1", "d1": "fetch"}),
        ({"p1": "tool bare", "d1": ""}, {}, {"p1": "fetch", "d1": "later p1"}),
        ({"p1": "tool", "d1": ""}, {"origin": "d1"}, {"p1": "stream d1", "d1": "fetch"}),
        ({"p1": "whole tool", "d1": "whole", "d2": ""}, {}, {"p1": "have", "d1": "have", "d2": "stream d1"}),
    ],
)
def test_routes(hosts: Mapping[str, str], options: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    found = routes(seen(**hosts), **options)
    assert {host: f"{route.how} {route.source}".strip() for host, route in found.items()} == wanted


def test_a_chain_is_the_same_when_it_has_got_further() -> None:
    begun = chain(seen(p1="", d1="tool", d2="tool"))
    assert begun == ["d1", "p1", "d2"]
    assert chain(seen(p1="", d1="tool whole", d2="tool")) == begun
    assert chain(seen(p1="whole", d1="tool whole", d2="tool")) == begun
    assert routes(seen(p1="whole", d1="tool whole", d2="tool"))["d2"] == Route("stream", "p1")


MODELSCOPE = """\
echo "$HOST $*" >>"$STATE/calls"
while [ $# -gt 1 ]; do [ "$1" = --local_dir ] && out=$2; shift; done
mkdir -p "$out"
printf '{"weight_map": {"a": "model-1.safetensors"}}' >"$out/model.safetensors.index.json"
[ -e "$out/model-1.safetensors" ] || head -c 300000 /dev/zero >"$out/model-1.safetensors"
: >"$out/empty.py"
"""


@dataclass
class Fleet:
    """Folders of this machine as hosts, through the real scripts."""

    folder: Path
    hosts: tuple[str, ...] = ("p1", "d1", "d2")
    shared: tuple[str, ...] = ()
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    play: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        tool = self.folder / "bin" / "modelscope"
        tool.parent.mkdir()
        tool.write_text("#!/bin/sh\n" + MODELSCOPE)
        tool.chmod(0o755)
        for host in self.hosts:
            plan = {"address": "127.0.0.1", "weights_shared": host in self.shared}
            self.facts[host] = {"qcluster_host": plan}

    def path(self, host: str) -> Path:
        return self.folder / ("all" if host in self.shared else host) / "Org" / "Model"

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def transports(self) -> dict[str, Transport]:
        env = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "STATE": str(self.folder)}
        return {host: Dressed(LocalTransport(host), Dress(env={**env, "HOST": host})) for host in self.hosts}

    def do(self, action: Action, host: str, **args: Any) -> Report:
        fleet = self.transports()
        defaults = {name: option.default for name, option in action.spec.options.items()}
        place = {"path": str(self.path(host)), "job_dir": str(self.folder / host / "jobs"), "id": "Org/Model"}
        given = {name: value for name, value in place.items() if name in action.spec.options}
        reach = Reach(fleet[host], fleet, self.facts.__getitem__, self.hosts, self.events.append, time.sleep, time.time)
        report = action.run(Call(host, {**defaults, **given, **args}, self.facts[host]), reach)
        self.facts[host].update(report.facts)
        for name, facts in report.facts_for.items():
            self.facts[name].update(facts)
        return report

    def up(self, source: str = "modelscope", **more: Any) -> dict[str, Report]:
        """What the role does: look, decide, fetch everywhere at once."""
        for host in self.play or self.hosts:
            self.do(weights_found, host, source=source)
        decided = self.do(weights_route, (self.play or self.hosts)[0], source=source, **more)
        if decided.failed:
            return {(self.play or self.hosts)[0]: decided}
        reports: dict[str, Report] = {}

        def one(host: str) -> None:
            route = self.facts[host]["qcluster_weights_route"]
            reports[host] = self.do(weights, host, source=source, route=route)

        threads = [threading.Thread(target=one, args=(host,)) for host in (self.play or self.hosts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return reports

    def said(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Progress)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder for hosts; servers that nobody has told that everything arrived are ended with it."""
    yield tmp_path
    for file in tmp_path.glob("*/jobs/*/pid"):
        if not file.with_name("exit").exists():
            os.killpg(int(file.read_text().split()[0]), signal.SIGKILL)


def failures(reports: Mapping[str, Report]) -> dict[str, str]:
    return {host: report.failed for host, report in reports.items() if report.failed}


def test_one_host_downloads_and_the_others_get_the_same_from_it(place: Path) -> None:
    fleet = Fleet(place)
    assert failures(fleet.up()) == {}
    assert [call.split()[0] for call in fleet.calls] == ["p1"]
    assert "p1 downloads; d1 gets them from p1; d2 gets them from d1" in fleet.said()
    assert (fleet.path("d2") / "model-1.safetensors").stat().st_size == 300000
    assert fleet.do(weights_agree, "p1").failed == ""
    again = fleet.up()
    assert failures(again) == {} and not any(report.changed for report in again.values())
    damaged = fleet.path("d1") / "model-1.safetensors"
    damaged.write_bytes(b"\1" * 300000)
    os.utime(damaged, (1, 1))
    healed = fleet.up()
    assert failures(healed) == {} and healed["d1"].changed and not healed["p1"].changed
    assert len(fleet.calls) == 1, "what a peer has is never downloaded again"


def test_a_host_that_joins_gets_them_from_one_that_serves(place: Path) -> None:
    fleet = Fleet(place, ("p1", "d1"), play=("p1",))
    assert failures(fleet.up()) == {}
    plan = {
        "hosts": [
            {"name": host, "state_dir": str(place / host), "containers": [], "address": "127.0.0.1"}
            for host in ("p1", "d1")
        ],
        "instances": [{"host": host, "argv": ["vllm", "serve", str(fleet.path(host))]} for host in ("p1", "d1")],
        "model": {"name": "a model of no recipe"},
    }
    for facts in fleet.facts.values():
        facts["qcluster_plan"] = plan
    fleet.facts["p1"].pop("qcluster_weights")
    fleet.play = ("d1",)
    assert failures(fleet.up()) == {}
    assert [call.split()[0] for call in fleet.calls] == ["p1"]


def test_a_shared_folder_is_proven_and_filled_once(place: Path) -> None:
    fleet = Fleet(place, shared=("p1", "d1"))
    assert failures(fleet.up()) == {}
    assert len(fleet.calls) == 1
    assert "p1 downloads; d1 shares the folder of p1; d2 gets them from p1" in fleet.said()
    assert not list(place.rglob(".qcluster-seen-*"))


def test_a_folder_that_is_not_shared_after_all_is_said_before_anything_is_downloaded(place: Path) -> None:
    fleet = Fleet(place)
    fleet.facts["p1"]["qcluster_host"]["weights_shared"] = fleet.facts["d2"]["qcluster_host"]["weights_shared"] = True
    refused = fleet.up()["p1"].failed
    assert "weights_shared is true, but d2 cannot see in" in refused and "mount the same folder" in refused
    assert fleet.calls == []


def test_a_host_of_the_deployment_may_be_the_source(place: Path) -> None:
    fleet = Fleet(place, ("p1", "d1"))
    fleet.path("d1").mkdir(parents=True)
    (fleet.path("d1") / "model.safetensors").write_text("x")
    assert failures(fleet.up("from d1")) == {}
    assert (fleet.path("p1") / "model.safetensors").read_text() == "x"
    assert fleet.calls == []


def test_a_source_that_is_no_host_is_refused(place: Path) -> None:
    fleet = Fleet(place, ("p1", "d1"))
    assert "from d9: no such host among p1, d1" in fleet.up("from d9")["p1"].failed
    assert fleet.calls == []


def test_where_nothing_can_be_sent_each_downloads_itself(place: Path) -> None:
    fleet = Fleet(place, ("p1", "d1"))
    fleet.facts["p1"]["qcluster_host"]["address"] = "192.0.2.1"
    assert failures(fleet.up()) == {}
    assert sorted(call.split()[0] for call in fleet.calls) == ["d1", "p1"]
    assert any("d1 downloads itself: p1 cannot send" in text for text in fleet.said())


def test_a_file_that_differs_between_hosts_is_named(place: Path) -> None:
    fleet = Fleet(place, ("p1", "d1"))
    for host, text in (("p1", "x"), ("d1", "y")):
        fleet.path(host).mkdir(parents=True)
        (fleet.path(host) / "model.safetensors").write_text(text)
    assert failures(fleet.up("path")) == {}
    assert "model.safetensors on d1" in fleet.do(weights_agree, "p1").failed
    assert not (fleet.path("p1") / ".qcluster-manifest").exists(), "a folder that was given is left as it is"


def test_a_pinned_manifest_holds_or_names_what_does_not(place: Path) -> None:
    fleet = Fleet(place, ("p1",))
    fleet.path("p1").mkdir(parents=True)
    (fleet.path("p1") / "model.safetensors").write_text("x")
    pinned = place / "pinned"
    sum_of_x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    pinned.write_text(f"# model 1\n{sum_of_x}  model.safetensors\n")
    assert fleet.do(weights, "p1", source="path", manifest=str(pinned)).failed == ""
    pinned.write_text(f"{sum_of_x} 2 model.safetensors\n{'0' * 64} *config.json\n")
    failed = fleet.do(weights, "p1", source="path", manifest=str(pinned)).failed
    assert "model.safetensors has 1 bytes, not 2, config.json is missing" in failed
    pinned.write_text("nonsense\n")
    refused = fleet.do(weights_found, "p1", source="path", manifest=str(pinned))
    assert refused.fatal == 2 and f"{pinned}:1: not `SHA256 SIZE NAME`" in refused.failed


@pytest.mark.parametrize(
    ("said", "code", "wanted"),
    [
        ("requests.exceptions.ConnectionError: Max retries exceeded", 1, "the hub cannot be reached (proxy variables"),
        ("huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error", 1, "no such model, or wants a token"),
        ("neither modelscope nor an image to run it in", 127, "pip install modelscope"),
        (
            "bytes 5\nno space left for the weights: 9 bytes are wanted in /w, 1 are free",
            74,
            "9 bytes are wanted in /w",
        ),
        ("OSError: [Errno 28] No space left on device", 1, "the disk is full"),
        ("", 124, "not complete in time"),
        ("bytes 17\nsomething nobody knows", 1, "could not be had (exit 1)\nsomething nobody knows"),
    ],
)
def test_a_failure_says_what_to_do(said: str, code: int, wanted: str) -> None:
    source = Source("modelscope", "Org/Model", "/w/Org/Model", "/w/m")
    assert wanted in why(source, Outcome(Command(("x",)), code, said.encode()))
