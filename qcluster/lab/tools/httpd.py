"""A small HTTP/1.1 server and client: a thread a connection, keep-alive, chunks. `http.server` is slow to import."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from qcluster.lab.tools import here

PHRASES = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"} | {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises ValueError."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise ValueError("the body is not an object")
        return value


class Response(NamedTuple):
    """`stream` set: sent in chunks as it comes, after the headers."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    stream: Iterator[bytes] | None = None


def document(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value, ensure_ascii=False).encode())


Handle = Callable[[Request], Response]


def listen(address: str, port: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(256)
    return server


def serve(server: socket.socket, handle: Handle) -> None:
    """Answer until the listening socket is closed."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_converse, args=(connection, handle), daemon=True).start()


def _converse(connection: socket.socket, handle: Handle) -> None:
    with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as reader:
        while (request := _read_request(reader)) is not None:
            try:
                response = handle(request)
            except Exception as error:  # an engine answers 500 and lives on
                response = document({"error": {"message": str(error), "type": "InternalServerError", "code": 500}}, 500)
            _send(connection, response)
            if request.headers.get("connection", "").lower() == "close":
                return


def _read_request(reader: Any) -> Request | None:
    first = reader.readline(65536).decode("latin-1").split()
    if len(first) < 3:
        return None
    headers = read_headers(reader)
    return Request(first[0], first[1].partition("?")[0], headers, read_body(reader, headers))


def read_headers(reader: Any) -> dict[str, str]:
    headers = {}
    while (line := reader.readline(65536).decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def read_body(reader: Any, headers: dict[str, str]) -> bytes:
    return b"".join(body_stream(reader, headers))


def body_stream(reader: Any, headers: dict[str, str]) -> Iterator[bytes]:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while (size := int(reader.readline(64) or b"0", 16)) > 0:
            yield reader.read(size)
            reader.readline(8)
        reader.readline(8)
    elif "content-length" in headers:
        left = int(headers["content-length"])
        if left:
            yield reader.read(left)


def _send(connection: socket.socket, response: Response) -> None:
    head = f"HTTP/1.1 {response.status} {PHRASES.get(response.status, 'Unknown')}\r\ncontent-type: {response.kind}\r\n"
    if response.stream is None:
        connection.sendall(f"{head}content-length: {len(response.body)}\r\n\r\n".encode() + response.body)
        return
    connection.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
    for part in response.stream:
        if part:
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
    connection.sendall(b"0\r\n\r\n")


class Reply(NamedTuple):
    """What a server answered; `parts` is read while it comes. Read it to the end: that closes the connection."""

    status: int
    headers: dict[str, str]
    parts: Iterator[bytes]

    def read(self) -> bytes:
        return b"".join(self.parts)


def ask(
    address: tuple[str, int], method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Reply:
    """One request on a connection of its own. Raises OSError."""
    connection = here.connect(address)
    reader = connection.makefile("rb")
    try:
        lines = {"host": f"{address[0]}:{address[1]}", "connection": "close", "content-length": str(len(body))}
        lines |= {"content-type": "application/json"} | (headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        first = reader.readline().split()
        if len(first) < 2:
            raise ConnectionError("Server disconnected without sending a response.")
        found = read_headers(reader)
    except OSError:
        reader.close()
        connection.close()
        raise
    return Reply(int(first[1]), found, _closing(connection, reader, found))


def status(address: tuple[str, int], path: str, headers: dict[str, str] | None = None) -> int:
    """The status of a GET. Raises OSError."""
    reply = ask(address, "GET", path, headers=headers)
    reply.read()
    return reply.status


def _closing(connection: socket.socket, reader: Any, headers: dict[str, str]) -> Iterator[bytes]:
    with connection, reader:
        yield from body_stream(reader, headers)
