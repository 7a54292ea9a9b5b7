"""A run as one document, built from its events: what `-o json`, `-o junit` and the HTML report are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qcluster.events import (
    Event,
    HostFinished,
    HostStarted,
    ItemFinished,
    PlayStarted,
    Progress,
    RunFinished,
    RunStarted,
    TaskStarted,
)
from qcluster.report.serialise import plain


@dataclass
class Run:
    """The run so far. `plays[i]["tasks"][j]["hosts"][name]` is what came of one task on one host."""

    verb: str = ""
    target: str = ""
    inventory: str = ""
    started: float = 0.0
    elapsed: float = 0.0
    exit: int | None = None
    check: bool = False
    hosts: list[str] = field(default_factory=list)
    plays: list[dict[str, Any]] = field(default_factory=list)
    progress: list[dict[str, Any]] = field(default_factory=list)
    recap: dict[str, Any] = field(default_factory=dict)


class Collector:
    """Listens to a run; `run` is the document at any moment."""

    def __init__(self) -> None:
        self.run = Run()
        self._tasks: dict[str, dict[str, Any]] = {}
        self._begun: dict[tuple[str, str], float] = {}

    def __call__(self, event: Event) -> None:
        handler = getattr(self, f"_on_{type(event).__name__}", None)
        if handler:
            handler(event)

    def _on_RunStarted(self, event: RunStarted) -> None:
        run = self.run
        run.verb, run.target, run.inventory = event.verb, event.target, event.inventory
        run.started, run.check, run.hosts = event.at, event.check, list(event.hosts)

    def _on_PlayStarted(self, event: PlayStarted) -> None:
        self.run.plays.append({"play": event.play, "hosts": list(event.hosts), "started": event.at, "tasks": []})
        self._tasks = {}

    def _on_TaskStarted(self, event: TaskStarted) -> None:
        task = {
            "task": event.task,
            "module": event.module,
            "role": event.role,
            "where": event.where,
            "handler": event.handler,
            "hosts": {},
        }
        self._tasks[event.uid] = task
        self.run.plays[-1]["tasks"].append(task)

    def _on_HostStarted(self, event: HostStarted) -> None:
        self._begun[event.uid, event.host] = event.at

    def _on_ItemFinished(self, event: ItemFinished) -> None:
        """Items are part of the task's own result (`results`)."""

    def _on_HostFinished(self, event: HostFinished) -> None:
        task = self._tasks.get(event.uid)
        if task is None:
            self._on_TaskStarted(TaskStarted(event.at, event.play, event.task, event.uid, "", ""))
            task = self._tasks[event.uid]
        begun = self._begun.get((event.uid, event.host), event.at - event.result.elapsed)
        task["hosts"][event.host] = {**plain(event.result), "started": begun, "finished": event.at}

    def _on_Progress(self, event: Progress) -> None:
        self.run.progress.append(plain(event))

    def _on_RunFinished(self, event: RunFinished) -> None:
        self.run.exit, self.run.elapsed, self.run.recap = event.exit, event.elapsed, plain(event.recap)
