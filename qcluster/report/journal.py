"""The journal of a run, on the controller: `.qcluster/runs/<time>-<verb>/`.

events.ndjson   every event, remote commands among them
run.json        verb, target, inventory, deployment; when the run is over also exit code, recap and timings
plan.json       the plan the run carried out, where there was one
ways.json       how its hosts were reached, but for secrets: `down` finds those that the inventory has lost since
hosts/NAME.log  each host's own story; what concerns no single host is in hosts/all.log
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from qcluster.events import CommandRan, Event, HostFinished, Progress, RunFinished, RunStarted, TaskStarted
from qcluster.report.lines import VALIDATE
from qcluster.report.serialise import event_line, event_record, plain
from qcluster.report.timings import Expected, Timings, expected

EVERYBODY = "all"
"""The log of what concerns no single host, such as the network check."""


class Journal:
    """Writes as it goes, so a killed run leaves what it knew."""

    def __init__(self, folder: Path):
        (folder / "hosts").mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._events: IO[str] = (folder / "events.ndjson").open("a", encoding="utf-8")
        self._hosts: dict[str, IO[str]] = {}
        self._head: dict[str, Any] = {}
        self._deployment = ""
        self._timings = Timings()
        self._checks: set[str] = set()
        """Tasks that only check the arguments of a role: a host's story is told without them, where they pass."""

    def __call__(self, event: Event) -> None:
        self._timings.take(event)
        self._events.write(event_line(event) + "\n")
        self._events.flush()
        if isinstance(event, RunStarted):
            self._head = {**event_record(event), "deployment": self._deployment}
            self._write({**self._head, "exit": None})
        elif isinstance(event, RunFinished):
            told = {key: value for key, value in plain(event).items() if key != "at"}
            self._write({**self._head, **told, "timings": self._timings.document()})
        elif isinstance(event, TaskStarted) and event.module == VALIDATE:
            self._checks.add(event.uid)
        elif isinstance(event, HostFinished | CommandRan | Progress) and not self._is_routine(event):
            self._tell(event)

    def _is_routine(self, event: Event) -> bool:
        return isinstance(event, HostFinished) and event.uid in self._checks and not event.result.bad

    def save_plan(self, plan: dict[str, Any]) -> None:
        self._deployment = plan["deployment"]
        _save(self.folder / "plan.json", plan)

    def save_ways(self, ways: Mapping[str, Mapping[str, Any]]) -> None:
        _save(self.folder / "ways.json", {name: dict(way) for name, way in ways.items()})

    def close(self) -> None:
        for stream in (self._events, *self._hosts.values()):
            stream.close()

    def _write(self, summary: dict[str, Any]) -> None:
        _save(self.folder / "run.json", {key: value for key, value in summary.items() if key != "event"})

    def _tell(self, event: HostFinished | CommandRan | Progress) -> None:
        name = event.host.replace("/", "_") or EVERYBODY
        if name not in self._hosts:
            self._hosts[name] = (self.folder / "hosts" / f"{name}.log").open("a", encoding="utf-8")
        at = time.strftime("%H:%M:%S", time.localtime(event.at))
        self._hosts[name].write(f"{at}.{int(event.at % 1 * 1000):03} {_sentence(event)}\n")
        self._hosts[name].flush()


def _save(path: Path, document: dict[str, Any]) -> None:
    """Whole or not at all: a full disk, or a kill, must leave no half document to later runs."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def _sentence(event: HostFinished | CommandRan | Progress) -> str:
    if isinstance(event, CommandRan):
        return f"exit {event.exit} in {event.elapsed:.3f} s: {event.line}"
    if isinstance(event, Progress):
        return f"{event.subject}: {event.text}"
    message = f": {event.result.message}" if event.result.message else ""
    return f"{event.result.status} {event.task}{message}"


def runs(root: Path) -> list[Path]:
    """The journals below `root`, newest last."""
    return sorted(path for path in root.glob("*-*") if (path / "run.json").exists())


def summary(folder: Path) -> dict[str, Any]:
    """What `run.json` says; `exit` is None for a run that was killed, and where the file cannot be read."""
    path = folder / "run.json"
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        loaded = None
    if isinstance(loaded, dict):
        return loaded
    return {"at": path.stat().st_mtime, "exit": None, "inventory": f"{path} cannot be read"}


def expectation(root: Path, verb: str, deployment: str) -> Expected:
    """What earlier runs of this verb took where the deployment has the same name."""
    told = (summary(folder) for folder in runs(root) if folder.name.endswith(f"-{verb}"))
    return expected([one for one in told if deployment and one.get("deployment") == deployment])


def logs(folder: Path) -> dict[str, list[str]]:
    """Each host's story, line by line."""
    found = sorted((folder / "hosts").glob("*.log"))
    return {path.stem: path.read_text(encoding="utf-8").splitlines() for path in found}


def failed_hosts(root: Path, target: str, inventory: str) -> tuple[str, ...] | None:
    """Who failed or was unreachable in the newest finished run of `target` over `inventory`; None where none was."""
    for folder in reversed(runs(root)):
        told = summary(folder)
        same = (told.get("target"), told.get("inventory")) == (target, inventory)
        if same and told.get("recap") is not None:
            return tuple(host for host, tally in told["recap"].items() if tally["failed"] or tally["unreachable"])
    return None


def plan_of(folder: Path) -> dict[str, Any]:
    """The plan that a run carried out. Raises ValueError where it has none that can be read."""
    try:
        loaded = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(str(error)) from error
    if not isinstance(loaded, dict):
        raise ValueError(f"{folder / 'plan.json'} is no plan")
    return loaded


def ways_of(folder: Path) -> dict[str, dict[str, Any]]:
    """How the hosts of a run were reached; empty where that was not kept."""
    try:
        loaded = json.loads((folder / "ways.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def standing(root: Path) -> list[Path]:
    """For each deployment that `up` started, however it ended, and no `down` has stopped since: its newest `up`."""
    found: dict[str, Path] = {}
    for folder in runs(root):
        try:
            told = summary(folder)
            deployment = str(plan_of(folder).get("deployment")) if told.get("verb") in ("up", "down") else ""
        except ValueError:  # cut off while it was written
            continue
        if told.get("verb") == "up":
            found[deployment] = folder
        elif told.get("verb") == "down" and told.get("exit") == 0:
            found.pop(deployment, None)
    return list(found.values())
