"""Variables that say how a host is reached: they are read before the first connection, so no playbook can set them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcluster.inventory.connection import CONNECTION
from qcluster.playbook.notes import Notes

_OF_TASKS = {"ansible_become", "ansible_become_user", "ansible_become_flags", "ansible_become_password"}
"""These each task reads anew."""
FIXED = frozenset(
    name
    for word in CONNECTION
    for name in (word.name, *word.aliases)
    if word.name not in _OF_TASKS or name == "ansible_sudo_pass"
)


def check(notes: Notes, variables: Mapping[str, Any]) -> None:
    """Note every variable that a playbook, a role or a file of variables sets without effect."""
    for name in FIXED.intersection(variables):
        what = "a playbook cannot change how a host is reached"
        notes.key(variables, name, name, what, "set it in the inventory, or with -e")
