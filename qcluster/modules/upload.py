"""A large file of the controller on a host: in pieces, going on where it was cut off, its checksum compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed
from qcluster.modules.base import Reach
from qcluster.modules.carriage import Carriage
from qcluster.modules.streams import tail
from qcluster.transport.base import Transport

PIECE = 8 << 20

ROOM = r"""
umask 077
mkdir -p "$(dirname "$1")" || exit
have=$(stat -c %s "$1" 2>/dev/null || echo 0)
free=$(($(df -Pk "$(dirname "$1")" | tail -n 1 | tr -s ' ' | cut -d' ' -f4) * 1024))
[ "$have" -le "$2" ] || { rm -f "$1"; have=0; }
[ $(($2 - have)) -le "$free" ] || { echo "no space left: $(($2 - have)) bytes are wanted, $free are free"; exit 74; }
echo "$have"
"""


def upload(reach: Reach, host: str, source: Path, target: str) -> None:
    """Copy `source` to `target` on `host`. Raises TaskFailed where it does not fit or arrives damaged."""
    to, size = reach.fleet[host], source.stat().st_size
    answer = to.run(sh(ROOM, target, str(size), timeout=60))
    if not answer.ok or not answer.out.strip().isdigit():
        raise TaskFailed(f"{host}: {target}: {tail(answer, 1)}")
    carriage = Carriage(reach, "image")
    whole = hashlib.sha256()
    at, have = 0, int(answer.out)
    with source.open("rb") as file:
        while piece := file.read(PIECE):
            whole.update(piece)
            fresh = piece[max(0, have - at) :]
            if fresh:
                _append(to, target, fresh)
                carriage.on_line(f"bytes {at + len(piece)} {size}")
            at += len(piece)
    _compare(to, target, whole.hexdigest())


def _append(to: Transport, target: str, piece: bytes) -> None:
    outcome = to.run(Command(("sh", "-c", 'cat >>"$1"', "sh", target), stdin=piece, timeout=600))
    if not outcome.ok:
        raise TaskFailed(f"{to.host}: {target}: {tail(outcome, 1)}")


def _compare(to: Transport, target: str, wanted: str) -> None:
    outcome = to.run(Command(("sha256sum", target), timeout=3600))
    if outcome.out[:64] != wanted:
        to.run(Command(("rm", "-f", target), timeout=60))
        raise TaskFailed(f"{to.host}: {target} arrived damaged; run again")
