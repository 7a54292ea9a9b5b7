"""Hosts on which a deployment was started from this directory, which no `down` has stopped and no inventory has.

The record on the hosts of a deployment knows of each other, but only for as long as one of them is left: of hosts that
were renamed or replaced all at once, or were away when the others were stopped, this journal alone knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qcluster.report import journal
from qcluster.serving import record
from qcluster.serving.record import Member

STARTING = ("up", "scale")


@dataclass(frozen=True)
class Stray:
    """`run`: the journal that knows of it. `tried`: a `down` has been there since and could not reach it."""

    member: Member
    run: str
    tried: bool = False

    @property
    def name(self) -> str:
        return self.member.name


def strays(root: Path, deployment: str, known: Collection[str]) -> list[Stray]:
    """Of `deployment`, but for the hosts that are `known`. A journal that cannot be read says nothing."""
    found: dict[str, Stray] = {}
    for folder, told in _runs(root, deployment):
        members = {one.name: one for one in _members(folder, told)}
        recap: dict[str, Any] = told.get("recap") or {}
        if told["verb"] in STARTING:
            found |= {name: Stray(one, folder.name) for name, one in members.items() if _touched(told, name)}
        for name in found.keys() & recap.keys():
            lost = recap[name]["failed"] or recap[name]["unreachable"]
            if lost and name not in members:
                found[name] = replace(found[name], tried=True)
            elif not lost and (told["verb"] == "down" or name not in members):
                del found[name]
    return [one for one in found.values() if one.name not in known]


def _touched(told: dict[str, Any], name: str) -> bool:
    """Whether a run may have started something on a host: it changed something, or was killed before it could tell."""
    recap = told.get("recap")
    return recap is None or bool(recap.get(name, {}).get("changed"))


def _runs(root: Path, deployment: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for folder in journal.runs(root):
        try:
            told = journal.summary(folder)
        except ValueError:  # cut off while it was written
            continue
        if told.get("deployment") == deployment and told.get("verb") in (*STARTING, "down"):
            yield folder, told


def _members(folder: Path, told: dict[str, Any]) -> tuple[Member, ...]:
    try:
        plan = journal.plan_of(folder)
        return record.made(plan, journal.ways_of(folder), told["at"]).members
    except (ValueError, KeyError, TypeError):
        return ()
