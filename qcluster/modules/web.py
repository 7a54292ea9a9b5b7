"""HTTP over a stream that the host opened: what `uri` and `get_url` send and get. Redirects are followed here."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from qcluster.errors import TaskFailed

MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
Open = Callable[[str, int, float], Any]
"""`transport.open_tcp`: address and port as the host sees them, timeout in seconds."""


@dataclass(frozen=True)
class Request:
    """`follow` is Ansible's follow_redirects: all, safe (GET and HEAD only) or none. `timeout` is for each read."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float = 30
    verify: bool = True
    follow: str = "safe"


@dataclass(frozen=True)
class Response:
    """`status` is -1 where nothing came back; `reason` says why. `url` is where the last redirect led."""

    url: str
    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cookies: Mapping[str, str] = field(default_factory=dict)


def fetch(open_tcp: Open, request: Request) -> Response:
    """Send, and follow. Network trouble is a response with status -1."""
    for _ in range(MOST_REDIRECTS):
        try:
            response = _exchange(open_tcp, request)
        except (OSError, EOFError, http.client.HTTPException) as error:
            return Response(request.url, -1, f"Request failed: {str(error) or type(error).__name__}")
        if response.status not in _REDIRECTS or not _followed(request):
            return response
        request = _next(request, response)
    return Response(request.url, -1, f"Request failed: more than {MOST_REDIRECTS} redirects")


def _followed(request: Request) -> bool:
    safe = request.method in ("GET", "HEAD")
    return request.follow in ("all", "yes") or (request.follow in ("safe", "urllib2") and safe)


def _next(request: Request, response: Response) -> Request:
    url = urljoin(request.url, response.headers.get("Location", ""))
    if response.status in (307, 308) or request.method == "HEAD":
        return replace(request, url=url)
    headers = {name: value for name, value in request.headers.items() if not name.lower().startswith("content-")}
    return replace(request, url=url, method="GET", body=None, headers=headers)


def _exchange(open_tcp: Open, request: Request) -> Response:
    parts = urlsplit(request.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TaskFailed(f"not an http or https address: {request.url}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    stream = open_tcp(parts.hostname, port, request.timeout)
    try:
        stream.settimeout(request.timeout)
        if parts.scheme == "https":
            stream = _context(request.verify).wrap_socket(stream, server_hostname=parts.hostname)
        connection = http.client.HTTPConnection(parts.hostname, port)
        connection.sock = stream
        return _answer(connection, request, f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
    finally:
        stream.close()


def _context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _answer(connection: http.client.HTTPConnection, request: Request, path: str) -> Response:
    headers = {"User-Agent": "qcluster", "Connection": "close", **request.headers}
    if request.body is not None and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection.request(request.method, path, body=request.body, headers=headers)
    response = connection.getresponse()
    body = response.read()
    cookies = dict(
        cookie.split(";")[0].strip().split("=", 1)
        for cookie in response.headers.get_all("Set-Cookie") or ()
        if "=" in cookie.split(";")[0]
    )
    return Response(request.url, response.status, response.reason, dict(response.headers), body, cookies)
