"""Simulation of `vllm-router` (PyPI): the same flow as the example proxy, with health checks and clear errors."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from qcluster.lab.tools import here, httpd
from qcluster.lab.tools.httpd import Request, Response, document
from qcluster.lab.tools.proxy import COMPLETIONS, Proxy
from qcluster.lab.tools.proxy_arguments import DEFAULTS

FLAGS = frozenset({"vllm-pd-disaggregation", "pd-disaggregation", "verbose"})
REPEATED = ("prefill", "decode", "worker-urls")


class Router(Proxy):
    """What the example lacks: health of the workers, models, and an error instead of an empty 200."""

    def __call__(self, request: Request) -> Response:
        if request.path in ("/health", "/liveness", "/readiness"):
            return self._readiness()
        if request.path == "/workers":
            return document({kind: [server.key for server in known] for kind, known in self.servers.items()})
        if request.path == "/v1/models":
            return self._passed(request)
        if request.path in COMPLETIONS:
            return self._complete(request)
        return document({"detail": "Not Found"}, 404)

    def _readiness(self) -> Response:
        alive = {kind: sum(map(_answers, known)) for kind, known in self.servers.items()}
        ready = all(alive.values())
        return document({"status": "ready" if ready else "not ready", **alive}, 200 if ready else 503)

    def _passed(self, request: Request) -> Response:
        for server in self.servers["decode"]:
            try:
                headers = {k: v for k, v in request.headers.items() if k == "authorization"}
                reply = httpd.ask(server.address, "GET", request.path, headers=headers)
                return Response(reply.status, reply.read())
            except OSError:
                continue
        return document({"error": {"message": "no worker is available", "code": 503}}, 503)

    def _complete(self, request: Request) -> Response:
        response = super()._complete(request)
        if response.stream is None or self._wants_stream(request):
            return response
        body = b"".join(response.stream)
        if body:
            return Response(200, body)
        return document({"error": {"message": "decode worker failed: all attempts failed", "code": 500}}, 500)

    @staticmethod
    def _wants_stream(request: Request) -> bool:
        value: Any = json.loads(request.body)
        return bool(value.get("stream"))


def _answers(server: Any) -> bool:
    try:
        return httpd.status(server.address, "/health") == 200
    except OSError:
        return False


def _arguments(words: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    at = 0
    while at < len(words):
        name, equals, value = words[at].removeprefix("--").partition("=")
        at += 1
        if name in FLAGS:
            continue
        if not equals:
            if at >= len(words):
                sys.exit(f"vllm-router: error: argument --{name}: expected one argument")
            value = words[at]
            at += 1
        found[name] = [*found.get(name, []), value] if name in REPEATED else [value]
        while name == "prefill" and at < len(words) and words[at].isdigit():
            at += 1  # an optional bootstrap port
    return found


def main(argv: list[str]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    given = _arguments(argv[1:])
    read = {name: list(values) for name, values in DEFAULTS.items()}
    for role, name in (("prefill", "prefiller"), ("decode", "decoder")):
        places = [url.removeprefix("http://").rstrip("/").rpartition(":") for url in given.get(role, [])]
        read[f"{name}-hosts"] = [host for host, _, _ in places]
        read[f"{name}-ports"] = [port for _, _, port in places]
    host, port = given.get("host", ["127.0.0.1"])[0], int(given.get("port", ["30000"])[0])
    bound = here.address() if host in ("localhost", "127.0.0.1", "0.0.0.0") else host
    here.say(f"vllm-router 0.1.17 ({here.SIMULATION}): starting router on {host}:{port}")
    httpd.serve(httpd.listen(bound, port), Router(read))
