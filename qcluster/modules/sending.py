"""Open the way between two hosts: a server on the one, and on the other a file that says where it is."""

from __future__ import annotations

from qcluster.command import Put, sh
from qcluster.errors import UnreadableOutput
from qcluster.facts import streaming
from qcluster.facts.jobs import begin
from qcluster.facts.streaming import Shelf
from qcluster.modules.base import Reach
from qcluster.modules.streams import tail


def open_way(reach: Reach, hop: tuple[str, str], shelf: Shelf, peer: str, limit: int) -> str:
    """Start or find the server of `hop` (from, to) and put `peer`.peer on the receiver. Why it failed, or ''."""
    source, target = hop
    sender = reach.fleet[source]
    job = streaming.serve(shelf, f"{shelf.job}.serve", limit)
    outcome = sender.run(begin(job))
    if not outcome.ok:
        return tail(outcome, 1)
    question = streaming.port(job.directory, shelf)
    try:
        port, token = question.parse(sender.run(question.command))
    except UnreadableOutput as error:
        return str(error).strip().replace("\n", " ")
    receiver = reach.fleet[target]
    made = receiver.run(sh('umask 077; mkdir -p "$(dirname "$1")"', peer, timeout=30))
    if not made.ok:
        return tail(made, 1)
    text = f"{shelf.address} {port} {token}\n"
    put = receiver.put(Put(f"{peer}.peer", text.encode(), 0o600, secret=True))
    return "" if put.ok else tail(put, 1)
