"""What a task's weights must be, and what of a folder differs. Source: issue 6, Weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from qcluster.facts.weights import Weights
from qcluster.facts.weights_pins import Pinned, read
from qcluster.modules.base import Call


def wanted(call: Call) -> Mapping[str, Pinned]:
    """What the task's `manifest` lists; nothing where it names no file. Raises InputError."""
    name = str(call.args["manifest"] or "")
    beside = Path(str(call.variables.get("inventory_dir", "")))
    return read(beside / Path(name).expanduser()) if name else {}


def differences(call: Call, found: Weights) -> str:
    """What differs from the pinned manifest, a few names with their reasons; empty where nothing is pinned."""
    wrong = list(_wrong(wanted(call), found))
    return ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")


def _wrong(pinned: Mapping[str, Pinned], found: Weights) -> Iterator[str]:
    have = {file.name: file for file in found.files}
    for name, wanted in pinned.items():
        if name not in have:
            yield f"{name} is missing"
        elif wanted.size not in (None, have[name].size):
            yield f"{name} has {have[name].size} bytes, not {wanted.size}"
        elif have[name].sha256 != wanted.sha256:
            yield f"{name} has another sha256"
