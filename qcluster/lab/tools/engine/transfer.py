"""KV transfer from a prefill to a decode engine: the handshake ports are real, the KV cache is the prompt itself."""

from __future__ import annotations

import errno
import json
import os
import secrets
import selectors
import socket
import threading
from typing import Any

from qcluster.lab.tools import here, httpd
from qcluster.lab.tools.engine import console
from qcluster.lab.tools.engine.options import Options

HELD = 1000
"""Requests whose KV cache a prefill node keeps; the oldest goes first."""


LAYERWISE = "MooncakeLayerwiseConnector"
ABORT = float(os.environ.get("VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT", 480))
"""Seconds after which a decode node gives up on KV that does not come."""


class PortTaken(Exception):
    """A handshake port is in use; the text is the log's."""


class TransferFailed(Exception):
    """The decode node could not fetch the KV cache; the text is the log's."""


class Handshake:
    """A side's handshake ports: a thread that answers whoever connects to one of them."""

    thread = ""

    def __init__(self, options: Options):
        self.ip = options.own_ip
        self.first = handshake_port(options)
        self.count = options.rank_devices
        self.engine_id = str(options.kv.get("engine_id", "0")) + "-" + secrets.token_hex(8)
        self.sockets: list[socket.socket] = []

    def bind(self) -> None:
        """Raise PortTaken when a port is in use."""
        for port in range(self.first, self.first + self.count):
            try:
                self.sockets.append(httpd.listen(self.ip, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise PortTaken(
                    f"zmq.error.ZMQError: Address already in use (addr='tcp://{self.ip}:{port}')"
                ) from error
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        """One thread for all ports."""
        selector = selectors.DefaultSelector()
        for server in self.sockets:
            selector.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                connection, _ = key.fileobj.accept()
                with connection:
                    connection.settimeout(5)
                    try:
                        connection.sendall(f"{self._answer(connection.recv(256).decode().strip())}\n".encode())
                    except OSError:
                        continue

    def _answer(self, said: str) -> str:
        raise NotImplementedError


class Producer(Handshake):
    """The prefill side: keeps prompts by request until a decode node has fetched them."""

    thread = "KVCacheSendingThread started listening on path: "

    def __init__(self, options: Options):
        super().__init__(options)
        self.held: dict[str, str] = {}

    def _answer(self, said: str) -> str:
        """An id is answered with the host, held or gone, and whether hccn.conf is there."""
        return f"{here.host()} {'held' if said in self.held else 'gone'} {has_hccn_conf()}"

    def keep(self, prompt: str, tokens: int) -> dict[str, Any]:
        """The `kv_transfer_params` that go back to the proxy."""
        ident = secrets.token_hex(12)
        self.held[ident] = prompt
        while len(self.held) > HELD:
            self.held.pop(next(iter(self.held)))
        return {
            "do_remote_prefill": True,
            "do_remote_decode": False,
            "remote_block_ids": list(range(1, tokens // 128 + 2)),
            "remote_engine_id": self.engine_id,
            "remote_host": self.ip,
            "remote_port": self.first,
            "remote_request_id": ident,
            "remote_pcp_size": 1,
            "remote_dcp_size": 1,
            "remote_ptp_size": self.count,
            "last_token_id": tokens,
            "remote_multi_nodes_meta_mapping": {},
            "num_prompt_blocks": tokens // 128 + 1,
            "remote_block_size": 128,
        }


class Receiver(Handshake):
    """The decode side of the layerwise connector: it asks the proxy for a prefill node, which sends layer by layer.

    Source: mooncake_layerwise_connector.py of vllm-ascend v0.23.0 (update_state_after_alloc, _access_metaserver).
    """

    thread = "KVCacheRecvingLayerThread listening on "

    def __init__(self, options: Options):
        super().__init__(options)
        self.arrived: dict[str, bool] = {}
        self.news = threading.Condition()

    def _answer(self, said: str) -> str:
        """A request's id, and whether its sender has an address of its own on the NPU network."""
        ident, _, sound = said.partition(" ")
        with self.news:
            self.arrived[ident] = sound == "True"
            self.news.notify_all()
        return here.host()

    def fetch(self, metaserver: str, ident: str) -> bool:
        """Ask, and wait for what comes. False when it came over broken. Without a sender an engine waits very long."""
        asked = {
            "request_id": ident,
            "do_remote_prefill": False,
            "do_remote_decode": True,
            "remote_engine_id": self.engine_id,
            "remote_host": self.ip,
            "remote_port": self.first,
            "remote_cached_tokens": 0,
        }
        host, _, port = metaserver.split("/")[2].rpartition(":")
        try:
            httpd.ask((host, int(port)), "POST", "/v1/metaserver", json.dumps(asked).encode()).read()
        except OSError as error:
            console.error(f"Access metaserver fail. error={error}. ", "EngineCore")
        with self.news:
            if not self.news.wait_for(lambda: ident in self.arrived, ABORT):
                raise TransferFailed(f"Mooncake transfer failed for request {ident}, ret: -1")
            return self.arrived.pop(ident) and _has_address()


def push(params: dict[str, Any]) -> None:
    """A layerwise prefill node sends a request's KV cache to the decode node that asked for it."""
    address = (str(params["remote_host"]), int(params["remote_port"]))
    try:
        with here.connect(address, timeout=5) as connection:
            connection.sendall(f"{params['request_id']} {_has_address()}\n".encode())
            connection.makefile("r").readline()
    except OSError as error:
        raise TransferFailed(f"Failed to connect to target: {address[0]}:{address[1]}, status: 103900") from error


def handshake_port(options: Options) -> int:
    """kv_port + global rank · devices of a rank; a dense engine's rank is always 0 (mooncake_connector.py)."""
    rank = (options.rank or 0) if options.model.moe else 0
    return int(options.kv.get("kv_port", 30000)) + (rank + options.node) * options.rank_devices


def fetch(params: dict[str, Any]) -> bool:
    """Fetch a request's KV cache from its prefill node. False when it came over broken (it will read as garbage)."""
    address = (str(params["remote_host"]), int(params["remote_port"]))
    try:
        with here.connect(address, timeout=5) as connection:
            connection.sendall(f"{params['remote_request_id']}\n".encode())
            words = connection.makefile("r").readline().split()
    except OSError as error:
        raise TransferFailed(f"Failed to connect to target: {address[0]}:{address[1]}, status: 103900") from error
    if len(words) != 3 or words[1] != "held":
        raise TransferFailed(f"Mooncake transfer failed for request {params['remote_request_id']}, ret: -1")
    broken = _path_broken(words[0])
    if broken:
        raise TransferFailed(
            f"Connect timeout to: {address[0]}:{address[1]}, timeout: 10000 ms, ASCEND_CONNECT_TIMEOUT ({broken})\n"
            f"Mooncake transfer failed for request {params['remote_request_id']}, ret: 103902"
        )
    return words[2] == "True" and _has_address()


def _path_broken(prefill: str) -> str:
    """The fault that keeps two hosts apart on the NPU fabric."""
    own = here.host()
    pairs = (("host-pair", f"{prefill}:{own}"), ("host-pair", f"{own}:{prefill}"))
    for name, key in (*pairs, ("host-fabric", prefill), ("host-fabric", own)):
        if here.fault(name, key) is not None:
            return name
    tls = (here.fault("tls-off", prefill) is None, here.fault("tls-off", own) is None)
    return "" if tls[0] == tls[1] or prefill == own else "tls"


def _has_address() -> bool:
    """Without /etc/hccn.conf the only trace is a line in CANN's own log (vllm-ascend#7711)."""
    if has_hccn_conf():
        return True
    console.plog(
        "[RanktablCheck]'device ip' is not set correctly, must be set when multi Server or HCCL INTRA ROCE ENABLE "
        "enabled"
    )
    return False


def has_hccn_conf() -> bool:
    """Whether this process can read /etc/hccn.conf: it is on the host, and mounted where there is a container."""
    from qcluster.lab.tools.engine.hbm import own_container

    if not here.root():
        return os.path.exists("/etc/hccn.conf")
    record = own_container()
    mounted = record is None or any(mount["Destination"] == "/etc/hccn.conf" for mount in record["Mounts"])
    return mounted and bool(here.read(f"{here.root()}/etc/hccn.conf"))
