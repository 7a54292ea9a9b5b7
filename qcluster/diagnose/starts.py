"""The starts of a deployment's engines as one picture, and which of them is the cause when they fail. Pure.

The first failing instance over the cluster is the cause, the rest stopped because of it. Times are of the controller:
hosts tell ages, so that their clocks do not have to agree. Source: issue 6, Start watcher.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from qcluster.diagnose import milestones
from qcluster.diagnose.catalogue import Match, diagnose, exceptions
from qcluster.diagnose.milestones import Position
from qcluster.errors import UnreachableError

LAST_LINES = 15
MANY_UP = 4
"""From here on the engines that are up are counted, not named."""


@dataclass(frozen=True)
class Target:
    """One engine to wait for. `container` is empty without docker; `pulls_down` when its death ends its group (MoE);
    `workers_only` where another host runs the engine core (a rank over several hosts)."""

    name: str
    host: str
    address: str
    port: int | None
    log: str
    run_dir: str
    container: str
    pulls_down: bool = False
    workers_only: bool = False

    @property
    def done_pattern(self) -> str:
        """As `grep -E` takes it."""
        if self.workers_only:
            return r"Loading weights took [0-9.]+ seconds"
        return r"Application startup complete\." if self.port is not None else r"init engine \(profile, create kv cache"


@dataclass(frozen=True)
class News:
    """What a host told: `kind` is log, exit, done, container, retry or lost; `words` what follows the name."""

    kind: str
    name: str = ""
    host: str = ""
    words: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Failure:
    """An engine that is dead, or a whole container (`name` is then its). `at` is in the controller's clock."""

    name: str
    host: str
    at: float
    what: str
    lost: bool = False
    """The host cannot be reached: its engines may be well."""


class Board:
    """Where every start is. Fed by one thread only."""

    GRACE: ClassVar[float] = 3.0
    """Seconds to listen on after the first failure: another host's may turn out to be older."""

    def __init__(self, targets: Iterable[Target], now: float, patience: float = 0.0):
        self.targets, self._patience = tuple(targets), patience
        self.positions = {target.name: Position(at=now) for target in self.targets}
        self.lines: dict[str, deque[str]] = {target.name: deque(maxlen=400) for target in self.targets}
        self.done: set[str] = set()
        self.up_before: set[str] = set()
        """Those that were up when they were first looked at: of their start nothing is to be told."""
        self.failures: list[Failure] = []
        self._stalled: dict[str, str] = {}
        self._rest: dict[str, str] = {}

    def target(self, name: str) -> Target:
        return next(target for target in self.targets if target.name == name)

    @property
    def waiting(self) -> list[str]:
        return [target.name for target in self.targets if target.name not in self.done]

    @property
    def complete(self) -> bool:
        return not self.waiting

    def apply(self, news: News, now: float) -> list[str]:
        """Take one piece of news; the names of the engines that moved."""
        if news.kind == "log":
            return self._read(news, now)
        if news.kind == "done" and news.name not in self.done:
            self.done.add(news.name)
            before = self.positions[news.name].milestone
            if before is milestones.LAUNCHED and not self.lines[news.name]:
                self.up_before.add(news.name)
            known = before is milestones.COMPLETE or news.name in self.up_before
            self.positions[news.name] = Position(milestones.COMPLETE, now)
            return [] if known else [news.name]
        if news.kind == "exit":
            code, age = news.words[0], float(news.words[1]) if len(news.words) > 1 else 0.0
            self._fail(Failure(news.name, news.host, now - age, f"ended with exit code {code}"))
        elif news.kind == "container":
            self._fail(Failure(news.name, news.host, now, f"is {' '.join(news.words)}"))
        elif news.kind == "lost":
            self._fail(Failure(news.host, news.host, now, news.text, lost=True))
        return []

    def _fail(self, failure: Failure) -> None:
        if failure.name not in {known.name for known in self.failures}:
            self.failures.append(failure)

    def _read(self, news: News, now: float) -> list[str]:
        before = self.positions[news.name]
        *lines, self._rest[news.name] = (self._rest.get(news.name, "") + news.text).replace("\r", "\n").split("\n")
        for line in filter(None, lines):
            self.lines[news.name].append(line)
            self.positions[news.name] = milestones.advance(self.positions[news.name], line, now)
        after = self.positions[news.name]
        return [news.name] if after.text != before.text and news.name not in self.done else []

    def stalls(self, now: float) -> Iterator[tuple[str, str]]:
        """Engines that have not moved for too long; each place is told once."""
        for name in self.waiting:
            text = milestones.stalled(self.positions[name], now, self._patience)
            if text and self._stalled.get(name) != self.positions[name].text:
                self._stalled[name] = self.positions[name].text
                yield name, text

    def late(self) -> str:
        """Who is not up, and below that where they are and what helps there."""
        places: dict[str, list[str]] = {}
        for name in self.waiting:
            position = self.positions[name]
            remedy = f": {position.milestone.remedy}" if position.milestone.remedy else ""
            places.setdefault(f"since `{position.text}`{remedy}", []).append(name)
        where = (f"{', '.join(names)}: nothing {place}" for place, names in places.items())
        named = " ".join(self.waiting) if len(self.waiting) <= MANY_UP else "NAME…"
        again = f"they go on; what hangs is started again by `qcluster restart {named}`, then `qcluster up`"
        return "\n".join((", ".join(self.waiting), *where, again))

    def last_lines(self, name: str, count: int = LAST_LINES) -> list[str]:
        return [*self.lines.get(name, ()), *filter(None, [self._rest.get(name, "")])][-count:]

    def guilty(self) -> list[str]:
        """The hosts of what failed; of what is not up yet where nothing did."""
        late = () if self.failures else self.waiting
        return list(dict.fromkeys([one.host for one in self.failures] + [self.target(name).host for name in late]))

    def values(self) -> dict[str, Any]:
        """For `register`: milestone of every engine, failures and on which hosts, and the cause."""
        found = cause(self)
        return {
            "instances": {name: position.milestone.id for name, position in self.positions.items()},
            "failed_instances": {failure.name: failure.what for failure in self.failures},
            "cause": found.name if found else "",
            "hosts": self.guilty(),
            **({"exit": UnreachableError.exit_code} if found and found.lost else {}),
        }


def cause(board: Board) -> Failure | None:
    """The first failure; but one whose log names a cause goes before one whose log shows only effects."""
    if not board.failures:
        return None
    return min(board.failures, key=lambda failure: (not _known_cause(board, failure), failure.at))


def _known_cause(board: Board, failure: Failure) -> bool:
    return any(match.entry.kind == "cause" for match in _matches(board, failure.name))


def _matches(board: Board, name: str) -> list[Match]:
    return diagnose(board.lines.get(name, ()))


def explain(board: Board) -> str:
    """The failure in full: which engine, why as far as known, its last lines, and what became of the others."""
    first = cause(board)
    assert first is not None
    if first.lost:
        return "\n".join(
            [
                f"{first.what}; engines that run there go on",
                *_others(board, first),
            ]
        )
    place = board.positions.get(first.name)
    after = f" after `{place.text}`" if place else ""
    lines = [f"{first.name} on {first.host} {first.what}{after}"]
    lines += reasons(board.lines.get(first.name, ()))
    quoted = board.last_lines(first.name)
    if quoted:
        lines += ["its last lines:", *(f"  {shortened(line)}" for line in quoted)]
    return "\n".join([*lines, *_others(board, first)])


def reasons(said: Collection[str]) -> list[str]:
    """What is known of the reason: a known cause with its line; else the engine's own exceptions; else the effect."""
    matches = diagnose(said)
    causes = [match for match in matches if match.entry.kind == "cause"]
    raised = [] if causes else exceptions(said)
    lines = [f"most likely: {shortened(text)}" for text in raised]
    for match in causes[:2] or ([] if raised else matches[:1]):
        lines += [f"cause: {match.entry.cause} [{match.entry.id}]", f"  {shortened(match.line)}"]
        lines += [f"remedy: {match.entry.remedy}"]
    return lines + (
        ["remedy: no entry of the catalogue knows it; search the text in vllm-ascend's issues"] if raised else []
    )


def shortened(line: str, length: int = 200) -> str:
    """A line for a person: the start of the engine's arguments says enough."""
    return line if len(line) <= length else f"{line[: length - 2]} …"


def _others(board: Board, first: Failure) -> Iterator[str]:
    dead = {failure.name: failure for failure in board.failures}
    up = []
    for target in board.targets:
        if target.name == first.name or first.name == target.container:
            continue
        if target.name in dead:
            what = f"stopped because {first.name} failed ({dead[target.name].what})"
            yield f"not the cause: {target.name} on {target.host} {what}"
        elif target.name in board.done:
            up.append(f"{target.name} on {target.host}")
        else:
            yield f"not the cause: {target.name} on {target.host} was at `{board.positions[target.name].text}`"
    if len(up) > MANY_UP:
        yield f"not the cause: {len(up)} others are up"
    else:
        yield from (f"not the cause: {one} is up" for one in up)
