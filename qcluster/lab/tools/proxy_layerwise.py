"""Simulation of the layerwise variant of the example proxy: stricter about its host, and without `/instances`.

The real one asks the decode node first, which calls back through `/v1/metaserver`; here the order is the plain one's.
"""

from __future__ import annotations

import sys
from typing import Any

from qcluster.lab.tools import proxy
from qcluster.lab.tools.httpd import Request, Response, document

WILDCARDS = ("0.0.0.0", "::", "")


class Layerwise(proxy.Proxy):
    def __call__(self, request: Request) -> Response:
        if request.path.startswith("/instances/"):
            return document({"detail": "Not Found"}, 404)
        return super().__call__(request)

    def _counts(self) -> dict[str, Any]:
        counts = super()._counts()
        del counts["request_num"]
        return counts


def main(argv: list[str]) -> None:
    words = argv[1:]
    if "--host" in words and words[words.index("--host") + 1] in WILDCARDS:
        sys.exit("ValueError: --host must be an address that decode nodes can reach, not a wildcard")
    proxy.main(argv, Layerwise)
