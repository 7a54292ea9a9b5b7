"""The HTML report of a run: one self-contained file that opens from disk."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcluster.events import Event, HostTally
from qcluster.report import page, timeline
from qcluster.report.collect import Collector, Run
from qcluster.report.commands import Commands
from qcluster.report.evaluation_html import of_run
from qcluster.report.foremost import MANY, foremost
from qcluster.report.network_html import heat
from qcluster.report.recap import shared
from qcluster.report.startups import LABELS, PHASES, startups

VERDICTS = {
    0: ("good", "✓ done"),
    1: ("bad", "✕ a task failed"),
    2: ("bad", "✕ bad input; nothing was changed"),
    3: ("bad", "✕ a host was unreachable"),
    4: ("bad", "✕ it runs, but does not serve correctly"),
    130: ("warn", "! interrupted; what runs on the hosts goes on"),
    129: ("warn", "! ended by SIGHUP; what runs on the hosts goes on"),
    141: ("warn", "! its output was closed; what runs on the hosts goes on"),
    143: ("warn", "! ended by SIGTERM; what runs on the hosts goes on"),
    None: ("warn", "! unfinished: the run was killed, or still goes on"),
}


@dataclass
class Failure:
    """One message, and all hosts that said it."""

    task: str
    message: str
    hosts: list[str] = field(default_factory=list)


class HtmlReport(Collector):
    """Listens to a run and renders it when asked. Also fed from a journal (`qcluster report RUN`)."""

    def __init__(self) -> None:
        super().__init__()
        self.commands = Commands()

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        self.commands.take(event)

    def render(self, plan: Mapping[str, Any] | None = None, picture: str = "") -> str:
        """The page. `plan` is the plan's JSON form, `picture` an SVG of its topology."""
        run = self.run
        found = timeline.bars(run.plays, run.started)
        length = max([run.elapsed, *(bar.end for bar in found)], default=0.0) or 1.0
        kind, sentence = VERDICTS.get(run.exit, ("bad", f"✕ exit {run.exit}"))
        report = network_report(run)
        return page.render(
            "run.html.j2",
            run=run,
            began=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started)),
            verdict=kind,
            sentence=sentence,
            plan=plan,
            picture=picture,
            stages=timeline.stages(found),
            rows=foremost(timeline.by_host(found, run.hosts).items(), timeline.weight),
            slowest=timeline.slowest(found),
            length=length,
            startups=foremost(startups(run.plays, run.progress, run.started), lambda one: one.weight),
            phases=PHASES,
            labels=LABELS,
            failures=failures(run.plays),
            findings=list(findings(run)),
            evaluation=of_run(run.plays),
            network=report,
            heat=heat(report) if report else None,
            recap=shared({host: HostTally(**tally) for host, tally in run.recap.items()}),
            commands=foremost(self.commands.by_host().items(), lambda row: sum(one.failed for one in row[1])),
            scripts=self.commands.scripts,
            many_rows=MANY,
            unfinished=self.commands.unfinished(),
            texts=list(self.commands.numbered()),
        )


def network_report(run: Run) -> Mapping[str, Any] | None:
    """What verify-network registered, where this run was or had one (docs/schemas/verify-network.json)."""
    for play in run.plays:
        for task in play["tasks"]:
            for result in task["hosts"].values():
                if task["module"] == "verify_network" and "matrix" in result["values"]:
                    values: Mapping[str, Any] = result["values"]
                    return values
    return None


def failures(plays: Iterable[Mapping[str, Any]]) -> list[Failure]:
    """What failed for good. A rescue that ends the run repeats a failure that was told already."""
    told: dict[str, Failure] = {}
    for task, host, result in _bad_results(plays):
        message = result["message"] or str(result["values"].get("stderr", "")) or "(no message)"
        known = next(
            (one for text, one in told.items() if task["module"] == "end_run" and _repeats(text, message)), None
        )
        failure = known or told.setdefault(message, Failure(task["task"], message))
        if host not in failure.hosts:
            failure.hosts.append(host)
    return list(told.values())


def _bad_results(plays: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """The rescued too: they are why a rescue ended the run."""
    for play in plays:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                if result["status"] in timeline.BAD and not result["ignored"]:
                    yield task, host, result


def _repeats(told: str, message: str) -> bool:
    return bool(told) and message.startswith(told.splitlines()[0])


def findings(run: Run) -> Iterator[dict[str, str]]:
    """Everything that was found on the way, each once, the worst first: what, what was seen, what to do."""
    rank = ("fail", "unknown", "advisory")
    each = {(card["summary"], card["remedy"]): card for card in map(_card, _found(run.progress))}
    return iter(sorted(each.values(), key=lambda card: rank.index(card["verdict"])))


def _found(progress: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (moved for moved in progress if moved["kind"] == "finding")


def _card(moved: Mapping[str, Any]) -> dict[str, str]:
    """A finding as templates/matrix.html.j2 shows one. Those of preflight and of the start watcher are notes."""
    data = moved["data"]
    place = moved["host"] if moved["subject"] == moved["host"] else f"{moved['subject']} on {moved['host']}"
    empty = dict.fromkeys(("seen", "remedy", "id", "cause", "source"), "")
    if "verdict" in data:  # one of verify-network, which names its hosts itself
        return {**empty, **{key: data[key] for key in ("verdict", "summary", *empty) if key in data}}
    told = {key: data[key] for key in empty if key in data}
    return {**empty, **told, "verdict": "advisory", "summary": f"{place}: {data.get('summary', moved['text'])}"}
