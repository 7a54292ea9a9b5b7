"""Paramiko, imported without what it does not need here.

Its ssh_config reader imports Invoke (and with it asyncio, tempfile, unittest.mock) to run `Match exec`; `ssh -G` does
that for us. Without Invoke the import takes half the time, which is a fifth of a short run.
"""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import cast

_ABSENT = cast(ModuleType, None)


def _without_invoke() -> None:
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    sys.modules["invoke"] = _ABSENT  # the import system's own way to say: not installed
    try:
        import paramiko  # noqa: F401
    finally:
        del sys.modules["invoke"]


_without_invoke()
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it reports, our errors report
