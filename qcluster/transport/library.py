"""Paramiko, imported without what it does not need here.

Its ssh_config reader imports Invoke (and with it asyncio, unittest.mock) to run `Match exec`; here `ssh -G` does that.
To know its own version it imports importlib.metadata (and with it email, zipfile, csv); the name of its folder tells
the same. Without both the import takes less than half the time, which is a fifth of a short run.
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import cast


def _version(name: str) -> str:
    """What `importlib.metadata.version` says of a package that pip has installed."""
    spec = find_spec(name)
    around = Path(spec.origin).parent.parent if spec and spec.origin else Path()
    found = next(around.glob(f"{name}-*.dist-info"), None)
    return found.stem.partition("-")[2] if found else "0"


def _metadata() -> ModuleType:
    module = ModuleType("importlib.metadata")
    module.version = _version  # type: ignore[attr-defined]
    return module


def _import() -> None:
    if "paramiko" in sys.modules:
        return
    absent = cast(ModuleType, None)  # the import system's own way to say: not installed
    stand_ins = {"invoke": absent, "importlib.metadata": _metadata()}
    placed = [name for name, module in stand_ins.items() if sys.modules.setdefault(name, module) is module]
    try:
        import paramiko  # noqa: F401
    finally:
        for name in placed:
            del sys.modules[name]


_import()
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it reports, our errors report
