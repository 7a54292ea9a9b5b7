"""Mode, owner and group: what a file has, what a task wants, and the commands in between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from qcluster.command import Command, Put, sh
from qcluster.errors import TaskFailed
from qcluster.facts.files import File, Look
from qcluster.modules.base import Option

OPTIONS = {
    "mode": Option("raw", help="Octal as text ('0644'), or symbolic (u=rw,g=r)."),
    "owner": Option(help="Name or number of the user."),
    "group": Option(help="Name or number of the group."),
}

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_CHANGE = re.compile(r"([-+=])([rwxXst]+|[ugo]|)")
_SHIFT = {"u": 6, "g": 3, "o": 0}
_AT_ONCE = 500
"""Paths on one command line: far below what a kernel allows."""
_SPECIAL = {"u": 0o4000, "g": 0o2000, "o": 0}


@dataclass(frozen=True)
class Attributes:
    """`mode` has the permission bits only."""

    mode: int
    uid: int
    gid: int
    owner: str
    group: str


def present(file: File) -> Attributes:
    return Attributes(file.permissions, file.uid, file.gid, file.owner, file.group)


def fresh(look: Look, directory: bool = False) -> Attributes:
    """What something new gets from who makes it, and that one's umask."""
    mode = (0o777 if directory else 0o666) & ~look.umask
    return Attributes(mode, look.uid, look.gid, look.user, look.group)


def wanted(args: Mapping[str, Any], base: Attributes, look: Look, directory: bool = False) -> Attributes:
    """`base` with what the task asks for. Raises `TaskFailed` for a mode or a name that means nothing on this host."""
    after = base
    if args.get("mode") is not None:
        after = replace(after, mode=permissions(args["mode"], base.mode, directory, look.umask))
    if args.get("owner"):
        uid = _known("owner", "user", args["owner"], look.owner_id)
        after = replace(after, uid=uid, owner=base.owner if uid == base.uid else args["owner"])
    if args.get("group"):
        gid = _known("group", "group", args["group"], look.group_id)
        after = replace(after, gid=gid, group=base.group if gid == base.gid else args["group"])
    return after


def _known(option: str, kind: str, name: str, number: int | None) -> int:
    if name.isdigit():
        return int(name)
    if number is None:
        raise TaskFailed(f"{'chown' if option == 'owner' else 'chgrp'} failed: failed to look up {kind} {name}")
    return number


def permissions(mode: Any, current: int, directory: bool = False, umask: int = 0o022) -> int:
    """The bits that `mode` means where `current` is there. A number is taken as it is, as Ansible does."""
    if isinstance(mode, int) and not isinstance(mode, bool):
        return mode
    text = str(mode).strip()
    if re.fullmatch(r"[0-7]{1,5}", text.removeprefix("0o")):
        return int(text.removeprefix("0o"), 8)
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause)
        if not match:
            raise TaskFailed(f"mode must be in octal or symbolic form: {mode!r} is neither")
        for sign, what in _CHANGE.findall(match[2]):
            current = _applied(current, match[1], (sign, what), directory, umask)
    return current


def _applied(current: int, who: str, change: tuple[str, str], directory: bool, umask: int) -> int:
    sign, what = change
    classes = "ugo" if not who or "a" in who else who
    bits = sum({_bits(current, one, what, directory) for one in classes})
    if "t" in what and (not who or "a" in who or "o" in who):
        bits |= 0o1000
    if not who:
        bits &= ~umask
    if sign == "+":
        return current | bits
    if sign == "-":
        return current & ~bits
    cleared = sum(0o7 << _SHIFT[one] | (0 if directory else _SPECIAL[one]) for one in set(classes))
    return (current & ~cleared) | bits


def _bits(current: int, one: str, what: str, directory: bool) -> int:
    shift = _SHIFT[one]
    if what in ("u", "g", "o"):
        return (current >> _SHIFT[what] & 0o7) << shift
    bits = sum({"r": 4, "w": 2, "x": 1}[letter] for letter in set(what) & set("rwx"))
    if "X" in what and (directory or current & 0o111):
        bits |= 1
    return bits << shift | (_SPECIAL[one] if "s" in what else 0)


@dataclass(frozen=True)
class Change:
    """One path from `before` to `after`. A link has no mode of its own."""

    path: str
    before: Attributes
    after: Attributes
    link: bool = False

    @property
    def programs(self) -> tuple[tuple[str, ...], ...]:
        """chown before chmod, since chown clears the set-id bits."""
        owner, found = ownership(self.before, self.after), []
        if owner:
            found.append(("chown", *(("-h",) if self.link else ()), owner, "--"))
        if not self.link and (self.before.mode != self.after.mode or (owner and self.after.mode & 0o6000)):
            found.append(("chmod", f"{self.after.mode:04o}", "--"))
        return tuple(found)


def steps(*changes: Change) -> tuple[Command, ...]:
    """One command that makes all `changes`, or none where nothing differs; equal changes share a program."""
    paths: dict[tuple[str, ...], list[str]] = {}
    for change in changes:
        for program in change.programs:
            paths.setdefault(program, []).append(change.path)
    ordered = sorted(paths.items(), key=lambda pair: pair[0][0], reverse=True)
    return together(
        Command((*program, *some[at : at + _AT_ONCE]))
        for program, some in ordered
        for at in range(0, len(some), _AT_ONCE)
    )


def together(commands: Iterable[Command]) -> tuple[Command, ...]:
    """Several commands (none of which reads) as one, up to the first that fails: one round trip."""
    several = tuple(commands)
    return several if len(several) < 2 else (sh(" &&\n".join(command.line for command in several)),)


def ownership(before: Attributes, after: Attributes) -> str:
    """`user:group` as chown takes it, with only what differs."""
    user = after.owner if after.uid != before.uid else ""
    group = after.group if after.gid != before.gid else ""
    return f"{user}:{group}" if group else user


def put(path: str, data: bytes, after: Attributes, look: Look, secret: bool = False) -> Put:
    """Write `data` with these attributes, as the user who looked."""
    mine = fresh(look)
    owner = after.owner if after.uid != mine.uid else ""
    return Put(path, data, after.mode, owner, after.group if after.gid != mine.gid else "", secret=secret)


def values(after: Attributes, state: str, size: int) -> dict[str, Any]:
    """What Ansible adds to every result that names a file."""
    return {
        "uid": after.uid, "gid": after.gid, "owner": after.owner, "group": after.group,
        "mode": octal(after.mode), "state": state, "size": size,
    }  # fmt: skip


def octal(mode: int) -> str:
    return f"0{mode:03o}"


def differences(before: Attributes, after: Attributes, link: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes that differ, before and after, in the words of Ansible's `diff`."""
    pairs = {"owner": (before.uid, after.uid), "group": (before.gid, after.gid)}
    if not link:
        pairs["mode"] = (octal(before.mode), octal(after.mode))  # type: ignore[assignment]
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return {name: pair[0] for name, pair in changed.items()}, {name: pair[1] for name, pair in changed.items()}
