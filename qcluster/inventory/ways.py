"""The way to a host: what of its variables leads there and is no secret, kept for when it has left the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WAY = (
    "ansible_connection",
    "ansible_host",
    "ansible_ssh_host",
    "ansible_port",
    "ansible_ssh_port",
    "ansible_user",
    "ansible_ssh_user",
    "ansible_private_key_file",
    "ansible_ssh_private_key_file",
    "ansible_ssh_args",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_host_key_checking",
    "ansible_timeout",
    "ansible_become",
    "ansible_become_user",
    "ansible_become_method",
    "ansible_become_flags",
)
"""Variables that say how to reach a host, but for passwords."""


def way(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What of a host's variables leads to it and is no secret."""
    found = {name: variables[name] for name in WAY if name in variables}
    return {name: value for name, value in found.items() if isinstance(value, str | int | bool)}
