"""Playbooks mean what they mean to ansible-core 2.19: its recorded answers are in tests/golden/engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qcluster import engine, inventory
from qcluster.command import Command
from qcluster.engine import RunOptions
from qcluster.errors import ConnectionRefused
from qcluster.events import Event, HostFinished, RunFinished
from qcluster.result import Outcome, Status
from qcluster.transport.base import OnOutput
from qcluster.transport.local import LocalTransport

CASES = Path(__file__).parents[1] / "cases" / "engine"
GOLDEN = Path(__file__).parents[1] / "golden" / "engine"
PLAYBOOKS = sorted(CASES.glob("*.yml"))
OPTIONS = {"--tags": "tags", "--skip-tags": "skip_tags", "--start-at-task": "start_at_task"}


class Dead(LocalTransport):
    """A host that nobody reaches."""

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        raise ConnectionRefused(self.host, "connection refused")


def run_options(playbook: Path, work: Path) -> RunOptions:
    first = playbook.read_text(encoding="utf-8").partition("\n")[0]
    words = first.removeprefix("# args:").split() if first.startswith("# args:") else []
    given: dict[str, Any] = {"extra_vars": {"work": str(work)}}
    while words:
        word = words.pop(0)
        if word == "--check":
            given["check"] = True
        elif word == "-e":
            name, _, value = words.pop(0).partition("=")
            given["extra_vars"][name] = value
        else:
            value = words.pop(0)
            given[OPTIONS[word]] = tuple(value.split(",")) if word != "--start-at-task" else value
    return RunOptions(**given)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_a_playbook_means_what_it_means_to_ansible(playbook: Path, tmp_path: Path) -> None:
    hosts = inventory.load(CASES / "inventory.yaml")
    fleet = {name: (Dead if host.variables.get("dead") else LocalTransport)(name) for name, host in hosts.hosts.items()}
    events: list[Event] = []
    code = engine.run(engine.load(playbook), hosts, fleet, run_options(playbook, tmp_path), events.append)
    golden = json.loads((GOLDEN / f"{playbook.stem}.json").read_text(encoding="utf-8"))
    assert tasks(events) == golden["tasks"]
    assert recap(events) == golden["recap"]
    assert code == golden["exit"]


def tasks(events: list[Event]) -> dict[str, list[list[Any]]]:
    told: dict[str, list[list[Any]]] = {}
    for event in events:
        if isinstance(event, HostFinished):
            status = status_of(event)
            row = [event.task, status]
            told.setdefault(event.host, []).append([*row, message(event)] if status in ("ok", "changed") else row)
    return told


def status_of(event: HostFinished) -> str:
    ignored = event.result.ignored and event.result.status is Status.FAILED
    return "ignored" if ignored else event.result.status.value


def message(event: HostFinished) -> Any:
    return json.loads(json.dumps(event.result.values.get("msg"), default=str))


def recap(events: list[Event]) -> dict[str, Any]:
    end = next(event for event in events if isinstance(event, RunFinished))
    return {host: vars(tally) for host, tally in end.recap.items()}
