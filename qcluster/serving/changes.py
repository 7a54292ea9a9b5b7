"""What differs between an instance as it runs and as it is planned: each flag and variable."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qcluster.serving.plan import Instance

GAP = "-"
"""Where one side does not have it."""


@dataclass(frozen=True)
class Change:
    """A flag or a variable; an empty text is a flag without a value."""

    what: str
    running: str
    planned: str

    def __str__(self) -> str:
        return f"{self.what}: {self.running or 'on'} → {self.planned or 'on'}"


def changes(instance: Instance, script: str) -> list[Change]:
    """`script` is what the instance was started with. What only its host knows is not compared."""
    before, after = _of_script(script), {**instance.env, **_flags(instance.argv)}
    names = [name for name in dict.fromkeys([*after, *before]) if "<fact:" not in after.get(name, "")]
    found = [Change(name, before.get(name, GAP), after.get(name, GAP)) for name in names]
    return [one for one in found if one.running != one.planned]


def _of_script(script: str) -> dict[str, str]:
    """The variables that a start script exports and the flags of the command that it becomes."""
    words = shlex.split(script.replace("\\\n", ""), comments=True)  # shlex takes a continued line for a word
    at = words.index("exec") if "exec" in words else len(words)
    exported = (words[i + 1].partition("=") for i in range(at - 1) if words[i] == "export")
    return {**{name: value for name, _, value in exported}, **_flags(words[at + 1 :])}


def _flags(argv: Sequence[str]) -> Mapping[str, str]:
    return dict(_pairs(argv))


def _pairs(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What stands before the first flag is the program and the model."""
    first = next((i for i, word in enumerate(argv) if word.startswith("--")), len(argv))
    yield "command", " ".join(argv[:first])
    for i in range(first, len(argv)):
        if argv[i].startswith("--"):
            value = argv[i + 1] if i + 1 < len(argv) else "--"
            yield argv[i], "" if value.startswith("--") else value
