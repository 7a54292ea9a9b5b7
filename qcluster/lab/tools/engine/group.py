"""A data-parallel group of a MoE model: rank 0 listens on the RPC port, the others join, and all wait for all.

When one is lost afterwards the rest hang in their collectives, as on real hardware.
"""

from __future__ import annotations

import socket
import threading
import time

from qcluster.lab.tools import here, httpd
from qcluster.lab.tools.engine.options import Options


class GroupFailed(Exception):
    """The group did not come together; the text is the log's."""


class Group:
    def __init__(self, options: Options):
        self.options = options
        self.lost = threading.Event()
        self.sockets: list[socket.socket] = []

    @property
    def needed(self) -> bool:
        """Whether ranks live in other processes."""
        return self.options.dp > self.options.local_ranks

    def join(self) -> None:
        """Return when every rank is there. Raises GroupFailed."""
        if not self.needed:
            return
        seconds = float(self.options.environ.get("VLLM_ENGINE_READY_TIMEOUT_S", "600"))
        address = str(self.options.flags.get("data-parallel-address", "127.0.0.1"))
        address = here.address() if address == "127.0.0.1" else address
        place = (address, int(self.options.flags.get("data-parallel-rpc-port", 29550)))
        first = self.options.rank or int(self.options.flags.get("data-parallel-start-rank", 0))
        if first == 0:
            self._lead(place, time.monotonic() + seconds)
        else:
            self._follow(place, time.monotonic() + seconds)

    def _lead(self, place: tuple[str, int], deadline: float) -> None:
        try:
            server = httpd.listen(*place)
        except OSError as error:
            raise GroupFailed(
                f"zmq.error.ZMQError: Address already in use (addr='tcp://{place[0]}:{place[1]}')"
            ) from error
        present = self.options.local_ranks
        with server:
            while present < self.options.dp:
                server.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    member, _ = server.accept()
                except TimeoutError as error:
                    raise GroupFailed(
                        "TimeoutError: Timed out waiting for engine core processes to start. This is often caused by "
                        "slow weight loading for large models. Waited for VLLM_ENGINE_READY_TIMEOUT_S seconds."
                    ) from error
                present += int(member.recv(64) or b"0")
                self.sockets.append(member)
        for member in self.sockets:
            member.sendall(b"go")
            self._watch(member)

    def _follow(self, place: tuple[str, int], deadline: float) -> None:
        while True:
            try:
                leader = here.connect(place, timeout=2)
                leader.sendall(b"%d" % self.options.local_ranks)
                leader.settimeout(max(0.01, deadline - time.monotonic()))
                if leader.recv(2) == b"go":
                    break
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise GroupFailed("TimeoutError: Timed out waiting for engine core processes to start.")
            time.sleep(0.2)
        leader.settimeout(None)
        self.sockets.append(leader)
        self._watch(leader)

    def _watch(self, peer: socket.socket) -> None:
        def look() -> None:
            try:
                peer.settimeout(None)
                peer.recv(1)
            except OSError:
                pass
            self.lost.set()
            for other in self.sockets:
                if other is not peer:
                    try:
                        other.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        continue

        threading.Thread(target=look, daemon=True).start()
