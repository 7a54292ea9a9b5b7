"""Values that must never be shown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secret:
    """A password or key. It prints as `***`; only `reveal()` gives the value.

    A Secret travels in a command's stdin or in a file of mode 0600. A `Command` refuses it in argv and env.
    """

    _value: str = field(repr=False)

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"

    def __format__(self, spec: str) -> str:
        return format("***", spec)
