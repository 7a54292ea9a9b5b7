"""The HTML report of a run: one self-contained file that opens from disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qcluster.events import CommandRan, Event
from qcluster.report.collect import Collector
from qcluster.report.timeline import Bar, bars, milestones, stages

VERDICTS = {
    0: ("good", "done"),
    1: ("bad", "a task failed"),
    2: ("bad", "bad input; nothing was changed"),
    3: ("bad", "a host was unreachable"),
    4: ("bad", "it runs, but does not serve correctly"),
    130: ("warn", "interrupted; what runs on the hosts goes on"),
    None: ("warn", "unfinished: the run was killed"),
}


class HtmlReport(Collector):
    """Listens to a run and renders it when asked. Also fed from a journal (`qcluster report RUN`)."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: dict[str, list[CommandRan]] = {}

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, CommandRan):
            self.commands.setdefault(event.host, []).append(event)

    def render(self, plan: Mapping[str, Any] | None = None, picture: str = "") -> str:
        """The page. `plan` is the plan's JSON form, `picture` an SVG of its topology."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        loader = PackageLoader("qcluster.report", "templates")
        environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        return environment.get_template("run.html.j2").render(**self._page(plan, picture))

    def _page(self, plan: Mapping[str, Any] | None, picture: str) -> dict[str, Any]:
        run = self.run
        found = bars(run.plays, run.started)
        length = max([run.elapsed, *(bar.end for bar in found)], default=0.0) or 1.0
        kind, sentence = VERDICTS.get(run.exit, ("bad", f"exit {run.exit}"))
        return {
            "run": run,
            "verdict": kind,
            "sentence": sentence,
            "plan": plan,
            "picture": picture,
            "rows": _rows(found),
            "length": length,
            "stages": stages(found),
            "milestones": milestones(run.progress, run.started),
            "failures": _failures(run.plays),
            "findings": [moved for moved in run.progress if moved["kind"] == "finding"],
            "commands": self.commands,
        }


def _rows(found: Iterable[Bar]) -> dict[str, list[Bar]]:
    rows: dict[str, list[Bar]] = {}
    for bar in found:
        if bar.status != "skipped":
            rows.setdefault(bar.host, []).append(bar)
    return rows


def _failures(plays: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"host": host, "task": task["task"], "role": task["role"], **result}
        for play in plays
        for task in play["tasks"]
        for host, result in task["hosts"].items()
        if result["status"] in ("failed", "unreachable") and not (result["ignored"] or result["rescued"])
    ]


def write(path: Path, page: str) -> None:
    """Write the page whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(page, encoding="utf-8")
    beside.replace(path)
