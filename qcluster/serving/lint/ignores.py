"""`# qcluster: ignore QC123 reason` in an inventory.

At the end of a line it holds for findings on that line; on a line of its own for the next line, and unindented for the
whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"#\s*qcluster:\s*ignore\s+(QC\d{3}(?:\s*,\s*QC\d{3})*)\s*(.*)$")


@dataclass(frozen=True)
class Ignore:
    """Rules not to report. `line` 0 means the whole file."""

    rules: frozenset[str]
    file: str
    line: int
    reason: str
    written: int

    def covers(self, rule: str, file: str, line: int) -> bool:
        """Whether a finding is meant."""
        return rule in self.rules and (self.line == 0 or (self.line == line and self.file == file))


def ignores(file: str, text: str) -> Iterator[Ignore]:
    """Every ignore of a file's text."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _COMMENT.search(line):
            rules = frozenset(rule.strip() for rule in found[1].split(","))
            yield Ignore(rules, file, _reach(line, number), found[2].strip(), number)


def _reach(line: str, number: int) -> int:
    if line.startswith("#"):
        return 0
    return number + 1 if line.lstrip().startswith("#") else number
