"""Simulation of vllm-ascend's `load_balance_proxy_server_example.py`, with its habits and its bugs.

Retries go to the same server, a failed server's score is released at once (so it looks idle), `/healthcheck` asks
nobody, and a decode node that fails yields HTTP 200 with an empty body. While requests run, a server that is removed is
only tainted; adding one that is listed does nothing, tainted or not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from qcluster.lab.tools import here, httpd
from qcluster.lab.tools.httpd import Reply, Request, Response, document
from qcluster.lab.tools.proxy_arguments import Usage, arguments

TAINTED = 1e15
"""Priority of a server that is to go: it gets something only where all are."""

COMPLETIONS = ("/v1/completions", "/v1/chat/completions")
BEFORE_PREFILL = {"do_remote_decode": True, "do_remote_prefill": False} | dict.fromkeys(
    ("remote_engine_id", "remote_block_ids", "remote_host", "remote_port")
)


class Server:
    """One engine behind the proxy, with what the balancer thinks it is doing."""

    def __init__(self, host: str, port: int):
        self.host, self.port = host, port
        self.active = self.kv = 0.0
        self.tainted = False

    @property
    def key(self) -> str:
        """localhost in every spelling is one server, under 0.0.0.0."""
        return f"{'0.0.0.0' if self.host in ('localhost', '127.0.0.1') else self.host}:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        return (here.address() if self.key.startswith("0.0.0.0:") else self.host, self.port)

    @property
    def priority(self) -> float:
        return TAINTED if self.tainted else self.active + 0.3 * self.kv


class Proxy:
    def __init__(self, arguments: dict[str, list[str]]):
        self.retries = int(arguments["max-retries"][0])
        self.delay = float(arguments["retry-delay"][0])
        self.waiting = (int(arguments["max-waiting-retries"][0]), float(arguments["waiting-retry-interval"][0]))
        self.servers = {
            "prefill": _servers(arguments["prefiller-hosts"], arguments["prefiller-ports"]),
            "decode": _servers(arguments["decoder-hosts"], arguments["decoder-ports"]),
        }
        self.lock = threading.Lock()
        self.awaited: set[str] = set()
        self.requests = 0

    def __call__(self, request: Request) -> Response:
        if request.path == "/healthcheck":
            return document(self._counts())
        if request.method == "POST" and request.path == "/reset_prefix_cache":
            return document({"status": "ok"})
        if request.method == "POST" and request.path in ("/instances/add", "/instances/remove"):
            return self._change(request)
        if request.method == "POST" and request.path in COMPLETIONS:
            return self._complete(request)
        return document({"detail": "Not Found"}, 404)

    def _counts(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "prefill_instances": len(self.servers["prefill"]),
            "decode_instances": len(self.servers["decode"]),
            "request_num": self.requests,
        }

    def _change(self, request: Request) -> Response:
        body = request.json()
        kind, names = str(body.get("type", "")), body.get("instances", [])
        names = [names] if isinstance(names, str) else names
        if kind not in self.servers:
            return document({"error": f"Unsupported instance type: {kind}"}, 400)
        named = [Server(name.rpartition(":")[0], int(name.rpartition(":")[2])) for name in names]
        if request.path == "/instances/add":
            message = self._await(kind, named)
        else:
            message = self._remove(kind, {server.key for server in named})
        return document({"message": message.format(names=names), **self._snapshot()})

    def _snapshot(self) -> dict[str, list[str]]:
        """Whoever is listed, tainted or not."""
        with self.lock:
            return {
                f"current_{kind}_instances": [f"{one.host}:{one.port}" for one in known]
                for kind, known in self.servers.items()
            }

    def _await(self, kind: str, named: list[Server]) -> str:
        with self.lock:
            known = {one.key for one in self.servers[kind]} | self.awaited
            new = [server for server in named if server.key not in known]
            self.awaited |= {server.key for server in new}
        for server in new:
            threading.Thread(target=self._add, args=(kind, server), daemon=True).start()
        return "Instances {names} are waiting to be added." if new else f"add {kind} instances: {{names}}."

    def _add(self, kind: str, server: Server) -> None:
        """Ask for its models a few times; an engine that does not answer is dropped without a word."""
        tries, interval = self.waiting
        found = any(self._answers(server, interval if again else 0) for again in range(tries))
        with self.lock:
            self.awaited.discard(server.key)
            if found:
                self.servers[kind].append(server)

    def _answers(self, server: Server, after: float) -> bool:
        time.sleep(after)
        with contextlib.suppress(OSError):
            return httpd.status(server.address, "/v1/models", _authorization()) in (200, 401)
        return False

    def _remove(self, kind: str, keys: set[str]) -> str:
        """At once where no request runs; else it waits for a look that finds none."""
        with self.lock:
            gone = [server for server in self.servers[kind] if server.key in keys]
            for server in gone:
                server.tainted = True
            if busy := self.requests > 0:
                threading.Thread(target=self._finalize, daemon=True).start()
        if not busy:
            self._sweep()
        return "Instances {names} are isolated and waiting to be removed." if busy else f"remove {kind}: {{names}}."

    def _finalize(self) -> None:
        while not self._sweep():
            time.sleep(self.waiting[1])

    def _sweep(self) -> bool:
        """Tainted servers go when no request runs. Returns whether none is left."""
        with self.lock:
            if self.requests > 0:
                return False
            for kind, known in self.servers.items():
                self.servers[kind] = [one for one in known if not one.tainted]
            return True

    def _pick(self, kind: str, score: float) -> Server:
        with self.lock:
            if not self.servers[kind]:
                raise OSError(f"no {kind} instance is left")
            chosen = min(self.servers[kind], key=lambda server: server.priority)
            chosen.active += score
            return chosen

    def _release(self, server: Server, score: float) -> None:
        with self.lock:
            server.active -= score

    def _count(self, more: int) -> None:
        with self.lock:
            self.requests += more

    def _complete(self, request: Request) -> Response:
        body = request.json()
        ident = request.headers.get("x-request-id") or os.urandom(8).hex()
        self._count(1)
        try:
            asked = {**body, "kv_transfer_params": BEFORE_PREFILL}
            params = self._prefill(request.path, asked, len(request.body), ident)
        except OSError as error:
            self._count(-1)
            return Response(500, str(error).encode() or b"Internal Server Error", "text/plain; charset=utf-8")
        onward = {**body, "kv_transfer_params": params} if params else body
        kind = "text/event-stream; charset=utf-8" if body.get("stream") else "application/json"
        return Response(200, kind=kind, stream=self._decode(request.path, onward, ident))

    def _prefill(self, path: str, body: dict[str, Any], length: int, ident: str) -> dict[str, Any] | None:
        """The prefill node's `kv_transfer_params`, or None, which nobody notices."""
        asked = {**body, "stream": False, "max_tokens": 1, "min_tokens": 1}
        asked.pop("stream_options", None)
        if "max_completion_tokens" in body:
            asked["max_completion_tokens"] = 1
        score = length / 4 * 0.0345 + 120.0745
        server = self._pick("prefill", score)
        try:
            reply = self._send(server, path, asked, ident)
            params = json.loads(reply.read()).get("kv_transfer_params")
        finally:
            self._release(server, score)
        return dict(params) if params else None

    def _decode(self, path: str, body: dict[str, Any], ident: str) -> Iterator[bytes]:
        """The headers are out already: whatever goes wrong now ends in an empty or cut body."""
        score, server = float(len(json.dumps(body))), None
        try:
            server = self._pick("decode", score)
            yield from self._send(server, path, body, ident, "streaming ").parts
        except OSError:
            return
        finally:
            self._count(-1)
            if server:
                self._release(server, score)

    def _send(self, server: Server, path: str, body: dict[str, Any], ident: str, kind: str = "") -> Reply:
        """Up to `max-retries` attempts, all at the same server. 4xx is retried like anything else."""
        short = path.removeprefix("/v1")
        data = json.dumps(body, ensure_ascii=False).encode()
        what: Exception | str = ""
        for attempt in range(1, self.retries + 1):
            try:
                reply = httpd.ask(server.address, "POST", path, data, {"x-request-id": ident, **_authorization()})
                if reply.status < 400:
                    return reply
                reply.read()
                what = f"Client error '{reply.status}' for url 'http://{server.host}:{server.port}{path}'"
            except OSError as error:
                what = f"All connection attempts failed ({error})"
            log(f"WARNING Attempt {attempt} failed for {kind}{short}: {what}")
            time.sleep(self.delay * 2 ** (attempt - 1))
        log(f"ERROR All {self.retries} attempts failed for {kind}{short}.")
        raise OSError(str(what))


def _authorization() -> dict[str, str]:
    key = os.environ.get("OPENAI_API_KEY")
    return {"authorization": f"Bearer {key}"} if key else {}


def _servers(hosts: list[str], ports: list[str]) -> list[Server]:
    return [Server(host, int(port)) for host, port in zip(hosts, ports, strict=True)]


def log(text: str) -> None:
    here.say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")


def main(argv: list[str], kind: type[Proxy] = Proxy) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        read = arguments(argv[1:])
    except Usage as usage:
        here.complain(f"usage: {argv[0].rpartition('/')[2]} ({here.SIMULATION})\nerror: {usage}")
        sys.exit(2)
    except ValueError as error:
        sys.exit(f"ValueError: {error}")
    host, port = read["host"][0], int(read["port"][0])
    bound = here.address() if host in ("localhost", "127.0.0.1", "0.0.0.0") else host
    try:
        server = httpd.listen(bound, port)
    except OSError:
        here.say(
            f"ERROR:    [Errno 98] error while attempting to bind on address ('{host}', {port}): address already in use"
        )
        sys.exit(1)
    here.say(f"INFO:     {here.SIMULATION}: {os.path.basename(argv[0])}")
    here.say(f"INFO:     Started server process [{os.getpid()}]\nINFO:     Waiting for application startup.")
    here.say(
        f"INFO:     Application startup complete.\nINFO:     Uvicorn running on http://{host}:{port} "
        "(Press CTRL+C to quit)"
    )
    httpd.serve(server, kind(read))
