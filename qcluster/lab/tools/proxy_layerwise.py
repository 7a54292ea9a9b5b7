"""Simulation of the layerwise variant of the example proxy: stricter about its host, and without `/instances`.

It asks the decode node first, which calls back (`/v1/metaserver`) for a prefill node: that one sends its KV cache layer
by layer. Where no prefill node does, nobody tells the decode node. Source: vllm-ascend v0.23.0.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from qcluster.lab.tools import proxy
from qcluster.lab.tools.httpd import Request, Response, document

WILDCARDS = ("0.0.0.0", "::", "")


class Layerwise(proxy.Proxy):
    def __init__(self, arguments: dict[str, list[str]]):
        super().__init__(arguments)
        self.metaserver = f"http://{arguments['host'][0]}:{arguments['port'][0]}/v1/metaserver"
        self.asked: dict[str, tuple[str, dict[str, Any], int, str]] = {}

    def __call__(self, request: Request) -> Response:
        if request.path.startswith("/instances/"):
            return document({"detail": "Not Found"}, 404)
        if request.method == "POST" and request.path == "/v1/metaserver":
            return self._called_back(request)
        return super().__call__(request)

    def _counts(self) -> dict[str, Any]:
        counts = super()._counts()
        del counts["request_num"]
        return counts

    def _complete(self, request: Request) -> Response:
        body, ident = request.json(), os.urandom(8).hex()
        known = f"chatcmpl-{ident}" if "chat" in request.path else f"cmpl-{ident}-0"
        self._count(1)
        self.asked[known] = (request.path, body, len(request.body), ident)
        onward = {"do_remote_decode": False, "do_remote_prefill": True, "metaserver": self.metaserver}
        kind = "text/event-stream; charset=utf-8" if body.get("stream") else "application/json"
        answer = self._decode(request.path, {**body, "kv_transfer_params": onward}, ident)
        return Response(200, kind=kind, stream=answer)

    def _called_back(self, request: Request) -> Response:
        """What goes wrong is logged; the decode node is answered alike."""
        params = request.json()
        try:
            path, body, length, ident = self.asked.pop(str(params["request_id"]))
            self._prefill(path, {**body, "kv_transfer_params": params}, length, ident)
        except (OSError, KeyError, json.JSONDecodeError) as error:
            proxy.log(f"ERROR Post metaserver failed with: {error!r}")
        return document(None)


def main(argv: list[str]) -> None:
    words = argv[1:]
    if "--host" in words and words[words.index("--host") + 1] in WILDCARDS:
        sys.exit("ValueError: --host must be an address that decode nodes can reach, not a wildcard")
    proxy.main(argv, Layerwise)
