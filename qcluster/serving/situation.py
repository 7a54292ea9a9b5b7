"""Conditions written in data (`when:` of a shim, a deviation or a preset), and what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcluster.serving import versions

Situation = Mapping[str, Any]
"""What holds for one instance: release, role, shape, hybrid, hardware, runtime, connected, …"""


def holds(when: Mapping[str, Any], situation: Situation) -> bool:
    """Whether every condition of `when` is true; a list means one of."""
    return all(_one(name, wanted, situation) for name, wanted in when.items())


def _one(name: str, wanted: Any, situation: Situation) -> bool:
    if name == "since":
        return not versions.older(str(situation["release"]), str(wanted))
    if name == "before":
        return versions.older(str(situation["release"]), str(wanted))
    value = situation.get(name)
    return bool(value in wanted) if isinstance(wanted, list) else bool(value == wanted)
