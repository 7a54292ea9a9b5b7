"""Programs that run on hosts, as files of their own: shellcheck and mypy read them like everything else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def program(*names: str) -> str:
    """The text of these files, one after the other: what a script needs comes before it."""
    return "\n".join(files(__package__).joinpath(name).read_text(encoding="utf-8") for name in names)
