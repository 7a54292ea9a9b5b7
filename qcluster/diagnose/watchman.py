"""When to restart what died, and when to give up. Pure; time is given. Source: issue 6, `qcluster supervise`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

STRIKES = 3
"""Looks in a row that an instance must fail before it counts as down: one lost answer is not a death."""


@dataclass
class Watchman:
    """Remembers failures and restarts. `limit` restarts of one instance within `window` seconds, then it is given up.

    `pause` is the seconds before the second restart of an instance; it doubles with each further one.
    """

    limit: int = 5
    window: float = 3600.0
    pause: float = 30.0
    strikes: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, list[float]] = field(default_factory=dict)

    def look(self, sick: Iterable[str], now: float) -> list[str]:
        """The instances to restart now, from those that do not serve."""
        found = set(sick)
        self.strikes = {name: self.strikes.get(name, 0) + 1 for name in found}
        return sorted(name for name in found if self.strikes[name] >= STRIKES and self._may(name, now))

    def restarted(self, names: Iterable[str], now: float) -> None:
        """These were just restarted; they get their strikes back."""
        for name in names:
            self.restarts.setdefault(name, []).append(now)
            self.strikes.pop(name, None)

    def given_up(self, now: float) -> list[str]:
        """Instances that were restarted as often as allowed and are down again."""
        return sorted(name for name in self.strikes if len(self._recent(name, now)) >= self.limit)

    def words(self, name: str) -> str:
        """How near an instance that does not serve is to a restart."""
        return f"failed {self.strikes.get(name, 0)} of the {STRIKES} looks in a row that it takes to restart it"

    def _recent(self, name: str, now: float) -> list[float]:
        return [at for at in self.restarts.get(name, ()) if now - at < self.window]

    def _may(self, name: str, now: float) -> bool:
        recent = self._recent(name, now)
        if len(recent) >= self.limit:
            return False
        return not recent or now - recent[-1] >= self.pause * 2 ** (len(recent) - 1)


def news(known: dict[str, str], sick: Mapping[str, str], serving: Iterable[str]) -> Iterator[str]:
    """What a look says that those before it did not; `known` (what did not serve, and why, by name) is brought forward.

    What neither serves nor is `sick` (it starts, its host is silent) is no news.
    """
    for name, why in sick.items():
        if known.get(name) != why:
            known[name] = why
            yield f"{name} does not serve: {why}"
    for name in known.keys() & set(serving):
        del known[name]
        yield f"{name} serves again"
