"""Loaded by a lab host's interpreter while a firewall fault is set: its sockets are refused as the fault says."""

from __future__ import annotations

import os
import socket
from typing import Any

NOBODY_LISTENS = 1
"""A port that refuses: an asynchronous connect has to fail in the kernel, as it would behind a real firewall."""


def _walled(address: Any) -> bool:
    root = os.environ.get("QCLUSTER_LAB_ROOT", "")
    lab, _, own = root.rpartition("/hosts/")
    try:
        with open(f"{lab}/addresses/{address[0]}", encoding="utf-8") as file:
            other = file.read().strip()
        with open(f"{lab}/faults/firewall/{own}:{other}", encoding="utf-8") as file:
            ports = file.read().split()
    except (OSError, TypeError, IndexError):
        return False
    return not ports or str(address[1]) in ports


class WalledSocket(socket.socket):
    def connect(self, address: Any) -> None:
        super().connect((address[0], NOBODY_LISTENS) if _walled(address) else address)

    def connect_ex(self, address: Any) -> int:
        return super().connect_ex((address[0], NOBODY_LISTENS) if _walled(address) else address)


socket.socket = WalledSocket  # type: ignore[misc]
