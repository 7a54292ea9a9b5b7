"""Runs as the engine tells them, small and large, good and bad, to make reports of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from network_stand import Cluster

from qcluster.events import (
    CommandRan,
    Event,
    HostFinished,
    HostStarted,
    HostTally,
    PlayStarted,
    Progress,
    RunFinished,
    RunStarted,
    TaskStarted,
)
from qcluster.network.dialogue import Dialogue
from qcluster.network.document import document
from qcluster.network.topology import without_plan
from qcluster.network.verify import Wishes, verify
from qcluster.report.startups import ORDER
from qcluster.result import Status, TaskResult

START = 1000.0
OOM = "d-0 on d ended with exit code 1 after `weights`\ncause: HBM <is> exhausted\nremedy: lower max-model-len"


@cache
def network(hosts: int, broken: bool) -> dict[str, Any]:
    """What verify-network would have found on so many hosts."""
    cluster: Any = Cluster(hosts, 16, (lambda source, target: source == (1, 5)) if broken else (lambda *_: False))
    variables = {name: {"ip": f"10.0.0.{i + 1}"} for i, name in enumerate(cluster.names)}
    return document(verify(without_plan(variables), Dialogue(cluster.transports, lambda: START, print_not), Wishes()))


def print_not(event: Event) -> None:
    """Nobody listens to the check itself."""


def task(uid: str, module: str, role: str, times: dict[str, tuple[float, float]], **result: Any) -> Iterator[Event]:
    """One task: begun and ended on each host at the given seconds."""
    name = f"{role} : {module}"
    yield TaskStarted(START, "play", name, uid, "x:1", module, role)
    for host, (begin, end) in times.items():
        told = {"status": Status.OK, "elapsed": end - begin, **result}
        yield HostStarted(START + begin, "play", name, uid, host)
        yield HostFinished(START + end, "play", name, uid, host, TaskResult(host, **told))


def start(host: str, instance: str, steps: Sequence[str], at: float) -> Iterator[Event]:
    for place, milestone in enumerate(steps):
        data = {"milestone": milestone}
        yield Progress(START + at + place, host, instance, "milestone", milestone, data=data)


def finding(found: dict[str, Any]) -> Event:
    return Progress(START + 3, found["hosts"][0], "network", "finding", found["summary"], data=found)


def up(hosts: int = 2, broken: bool = False, dies: bool = False) -> list[Event]:
    """An `up` over so many hosts. `broken`: an NPU reaches nobody; `dies`: the last host's engine fails."""
    report = network(hosts, broken)
    names = [host["name"] for host in report["hosts"]]
    first, last = names[0], names[-1]
    events: list[Event] = [
        RunStarted(START, "up", "up.yaml", "i.yaml", tuple(names)),
        PlayStarted(START, "play", tuple(names)),
    ]
    events += task("t0", "host_facts", "preflight", {name: (0.0, 1.0 + 0.1 * i) for i, name in enumerate(names)})
    failed = {"status": Status.FAILED, "message": "the network does not pass"} if broken else {}
    events += [finding(one) for one in report["findings"]]
    events += task("t1", "verify_network", "network", {first: (4.0, 6.0)}, values=report, **failed)
    if not broken:
        changed = {"status": Status.CHANGED}
        events += task("t2", "engine_container", "engine", dict.fromkeys(names, (7.0, 8.0)), **changed)
        for name in names:
            reached = list(ORDER)[:5] if dies and name == last else list(ORDER)
            events += start(name, f"{name}-0", reached, 9.0)
        died = {f"{last}-0": "ended with exit code 1"} if dies else {}
        failed = {"status": Status.FAILED, "message": OOM} if dies else {}
        events += task(
            "t3", "engine_watch", "engine", {first: (8.0, 21.0)}, values={"failed_instances": died}, **failed
        )
        events += (
            task("t4", "end_run", "", {first: (21.0, 21.5)}, **({**failed, "message": OOM.splitlines()[0]}))
            if dies
            else []
        )
    events += [CommandRan(START + 1, name, "sh -s -- 'a b'", 0, 0.5, 'echo "$1" <&0\n') for name in names]
    events.append(CommandRan(START + 2, last, "docker ps -a", 1, 0.01))
    tally = {name: HostTally(ok=3, failed=int((broken or dies) and name == first)) for name in names}
    return [*events, RunFinished(START + 22, int(broken or dies), tally, 22.0)]
