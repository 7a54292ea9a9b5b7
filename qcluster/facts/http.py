"""One HTTP request over a stream that a host opened: the controller needs no route to the engines.

Source of the endpoints: vLLM's `/health`, `/v1/models`, `/metrics` and the OpenAI paths (issue 2).
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qcluster.secret import Secret

Open = Callable[[str, int, float], socket.socket]
"""`transport.open_tcp`: address, port, timeout in seconds."""


@dataclass(frozen=True)
class Request:
    """`timeout` (seconds) covers connecting and each read."""

    address: str
    port: int
    path: str
    method: str = "GET"
    body: Mapping[str, Any] | None = None
    key: Secret | None = None
    timeout: float = 10.0


@dataclass(frozen=True)
class Answer:
    """What came back. `status` 0 means that nothing did; `error` says why."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON, or None where it is not JSON (an empty body is not)."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def ask(open_tcp: Open, request: Request) -> Answer:
    """Send one request. Network trouble is an answer with status 0, never an exception."""
    try:
        stream = open_tcp(request.address, request.port, request.timeout)
    except (OSError, EOFError) as error:
        return Answer(0, error=_reason(error))
    connection = http.client.HTTPConnection(request.address, request.port, timeout=request.timeout)
    try:
        stream.settimeout(request.timeout)
        connection.sock = stream
        return _exchange(connection, request)
    except (OSError, EOFError, http.client.HTTPException) as error:
        return Answer(0, error=_reason(error))
    finally:
        connection.close()
        stream.close()


def _exchange(connection: http.client.HTTPConnection, request: Request) -> Answer:
    body = None if request.body is None else json.dumps(request.body).encode()
    headers = {"Connection": "close"} | ({"Content-Type": "application/json"} if body is not None else {})
    if request.key is not None:
        headers["Authorization"] = f"Bearer {request.key.reveal()}"
    connection.request(request.method, request.path, body=body, headers=headers)
    response = connection.getresponse()
    try:
        data = response.read()
    except http.client.IncompleteRead as cut:
        return Answer(response.status, cut.partial, dict(response.headers), "the body was cut off")
    return Answer(response.status, data, dict(response.headers))


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{([^}]*)\})?\s+(\S+)")


def metrics(text: str) -> dict[str, float]:
    """Prometheus text: the sum of every series of a name. Lines that are not samples are left out."""
    totals: dict[str, float] = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None:
            continue
        try:
            totals[match[1]] = totals.get(match[1], 0.0) + float(match[3])
        except ValueError:
            continue
    return totals
