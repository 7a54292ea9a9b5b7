"""Which hosts a pattern means, as in Ansible: `a:&b:!c`, `web*`, `~regex`, `group[0]`, `group[1:]`, `x,y`.

The order is that of the pattern's parts, and of the inventory within a part.
Source: ansible-core 2.19, `InventoryManager`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from pathlib import Path

from qcluster.errors import InputError
from qcluster.inventory.model import Inventory
from qcluster.inventory.ranges import expand, split_port
from qcluster.schema import did_you_mean
from qcluster.spelling import counted

_SUBSCRIPT = re.compile(r"^(?P<what>.+)\[(?:(?P<index>-?[0-9]+)|(?P<first>[0-9]+)[:-](?P<last>[0-9]*))\]$")
_PART = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")


def select(inventory: Inventory, pattern: str | Iterable[str], limit: str = "") -> tuple[str, ...]:
    """The names of the hosts that `pattern` means and `limit` allows. Raises InputError for a broken pattern."""
    found = _evaluate(inventory, split(pattern))
    if not limit:
        return tuple(found)
    allowed = set(_evaluate(inventory, _limits(limit)))
    return tuple(name for name in found if name in allowed)


def unmatched(inventory: Inventory, pattern: str | Iterable[str]) -> tuple[str, ...]:
    """The parts of a pattern that match nothing, each with a `did you mean` where a name is near."""
    names = [*inventory.hosts, *inventory.groups]
    parts = [part.lstrip("&!") for part in split(pattern)]
    gone = [part for part in parts if part and part not in inventory.groups and not _one(inventory, part)]
    return tuple(" ".join(filter(None, (part, did_you_mean(part, names)))) for part in gone)


def split(pattern: str | Iterable[str]) -> list[str]:
    """The parts of a pattern: at commas; where there are none, at colons outside of brackets. Raises InputError."""
    if not isinstance(pattern, str):
        return [part for item in pattern for part in split(item)]
    if "," in pattern:
        parts = pattern.split(",")
    elif _is_one(pattern):
        parts = [pattern]
    elif pattern.count("[") != pattern.count("]"):
        raise InputError(f"pattern {pattern!r}: a bracket is not closed")
    else:
        parts = _PART.findall(pattern)
    return [_named(part.strip(), pattern) for part in parts if part.strip()]


def _named(part: str, pattern: str) -> str:
    if part in ("&", "!"):
        raise InputError(f"pattern {pattern!r}: a name is missing after {part!r}")
    return part


def _is_one(pattern: str) -> bool:
    """An address (`::1`), or a single name, is not taken apart at its colons."""
    if re.fullmatch(r"[0-9a-fA-F:]*::[0-9a-fA-F:.]*", pattern):
        return True
    return not pattern.startswith(("~", "&", "!")) and split_port(pattern)[1] is not None


def _limits(limit: str) -> list[str]:
    parts = []
    for part in split(limit):
        parts.extend(_from_file(part[1:]) if part.startswith("@") else [part])
    return parts


def _from_file(name: str) -> list[str]:
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"--limit @{name}: {error.strerror}") from error
    return [line.strip() for line in lines if line.strip()]


def _evaluate(inventory: Inventory, parts: list[str]) -> list[str]:
    unions = [part for part in parts if part[0] not in "&!"] or ["all"]
    found = dict.fromkeys(name for part in unions for name in _one(inventory, part))
    for part in (part for part in parts if part[0] == "&"):
        allowed = set(_one(inventory, part[1:]))
        found = {name: None for name in found if name in allowed}
    for part in (part for part in parts if part[0] == "!"):
        for name in _one(inventory, part[1:]):
            found.pop(name, None)
    return list(found)


def _one(inventory: Inventory, part: str) -> list[str]:
    if part in inventory.hosts:
        return [part]
    match = None if part.startswith("~") else _SUBSCRIPT.match(part)
    if match is None:
        return _matches(inventory, part)
    return _subscript(_matches(inventory, match["what"]), match, part) or _ranged(inventory, part)


def _subscript(hosts: list[str], match: re.Match[str], part: str) -> list[str]:
    if not hosts:
        return []
    if match["index"] is None:
        last = int(match["last"]) if match["last"] else len(hosts) - 1
        return hosts[int(match["first"]) : last + 1]
    try:
        return [hosts[int(match["index"])]]
    except IndexError:
        raise InputError(f"pattern {part!r}: {match['what']} has only {counted(len(hosts), 'host')}") from None


def _matches(inventory: Inventory, pattern: str) -> list[str]:
    matcher = _matcher(pattern)
    groups = [group for name, group in inventory.groups.items() if matcher.match(name)]
    found = dict.fromkeys(host for group in groups for host in group.hosts)
    if not groups or pattern[0] == "~" or any(mark in pattern for mark in ".?*["):
        found.update(dict.fromkeys(name for name in inventory.hosts if matcher.match(name)))
    return list(found)


def _ranged(inventory: Inventory, pattern: str) -> list[str]:
    """`a3-[01:04]` as a list of names; an extension that Ansible lacks (it reads a set of characters)."""
    try:
        return [name for name in expand(pattern) if name in inventory.hosts]
    except ValueError:
        return []


def _matcher(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern[1:] if pattern.startswith("~") else fnmatch.translate(pattern))
    except re.error as error:
        raise InputError(f"pattern {pattern!r} is not a regular expression: {error}") from error
