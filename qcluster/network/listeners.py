"""Listeners on all hosts for the length of a block: each lives in a command that runs as long as it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from qcluster.network import host_plane
from qcluster.network.dialogue import Dialogue
from qcluster.network.host_plane import Listening
from qcluster.network.topology import Endpoint


class _Told:
    """What one host's listeners said so far. `ready`: they stand, or never will."""

    def __init__(self, host: str):
        self.host, self.ready, self._data = host, Event(), bytearray()

    def __call__(self, stream: str, data: bytes) -> None:
        if stream == "stdout" and not self.ready.is_set():
            self._data += data
            if self.listening.complete:
                self.ready.set()

    @property
    def listening(self) -> Listening:
        return host_plane.read_listening(self.host, bytes(self._data))


@contextmanager
def listeners(dialogue: Dialogue, hosts: Mapping[str, Endpoint]) -> Iterator[Mapping[str, Listening]]:
    """Every host listens on its ports inside of the block. They are taken down however the block ends; where this
    program dies, each host ends its own."""
    told = {host: _Told(host) for host in hosts}
    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        for host, endpoint in hosts.items():
            held = pool.submit(dialogue.hold, host, host_plane.listen(endpoint), told[host])
            held.add_done_callback(lambda _, one=told[host]: one.ready.set())  # type: ignore[misc]
        for one in told.values():
            one.ready.wait()
        listening = {host: one.listening for host, one in told.items() if host not in dialogue.unreached}
        try:
            yield listening
        finally:
            up = {host: host_plane.unlisten(one) for host, one in listening.items() if one.handle != "none"}
            dialogue.ask(up, always=True)
