"""A data-parallel group of a MoE model, or the hosts of one rank: the first listens, the others join, all wait for all.

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
        """Whether ranks, or parts of one, live in other processes."""
        return self.options.nodes > 1 or self.options.dp > self.options.local_ranks

    @property
    def place(self) -> tuple[str, int]:
        """Where they meet."""
        flags = self.options.flags
        kind, port = ("master", 29501) if self.options.nodes > 1 else ("data-parallel", 29550)
        address = str(flags.get("master-addr" if kind == "master" else "data-parallel-address", "127.0.0.1"))
        name = "master-port" if kind == "master" else "data-parallel-rpc-port"
        return here.address() if address == "127.0.0.1" else address, int(flags.get(name, port))

    def join(self) -> None:
        """Return when every rank is there. Raises GroupFailed."""
        if not self.needed:
            return
        seconds = float(self.options.environ.get("VLLM_ENGINE_READY_TIMEOUT_S", "600"))
        first = self.options.node or self.options.rank or int(self.options.flags.get("data-parallel-start-rank", 0))
        if first == 0:
            self._lead(self.place, time.monotonic() + seconds)
        else:
            self._follow(self.place, time.monotonic() + seconds)

    def _lead(self, place: tuple[str, int], deadline: float) -> None:
        try:
            server = httpd.listen(*place)
        except OSError as error:
            raise GroupFailed(
                f"zmq.error.ZMQError: Address already in use (addr='tcp://{place[0]}:{place[1]}')"
            ) from error
        over_hosts = self.options.nodes > 1
        present, wanted = (1, self.options.nodes) if over_hosts else (self.options.local_ranks, self.options.dp)
        with server:
            while present < wanted:
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
                leader.sendall(b"%d" % (1 if self.options.nodes > 1 else self.options.local_ranks))
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
