"""One HTTP request over a stream, against a server of this process: good answers, cut ones, and none."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from qcluster.facts.http import Answer, Request, ask
from qcluster.secret import Secret


@contextmanager
def server(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Answers one request with `reply` and closes; yields its port and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            stream, _ = listening.accept()
            with stream:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += stream.recv(4096)
                head, _, body = data.partition(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
                )
                while len(body) < length:
                    body += stream.recv(4096)
                asked.append(head + b"\r\n\r\n" + body)
                stream.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], asked
        thread.join(timeout=5)


def connect(address: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((address, port), timeout)


def test_an_answer_with_its_body() -> None:
    with server(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"ok": true}') as (port, asked):
        answer = ask(connect, Request("127.0.0.1", port, "/v1/models"))
    assert answer.ok and answer.status == 200
    assert asked[0].startswith(b"GET /v1/models HTTP/1.1\r\n")


def test_a_body_and_a_key_are_sent() -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (port, asked):
        answer = ask(connect, Request("127.0.0.1", port, "/x", "POST", {"a": 1}, Secret("k")))
    assert answer.json() == {}
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {"a": 1}
    assert b"Authorization: Bearer k" in head


@pytest.mark.parametrize(
    ("reply", "status", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 200, "the body was cut off"),
        (b"", 0, "Remote end closed connection without response"),
        (b"garbage\r\n", 0, "garbage"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, ""),
    ],
)
def test_trouble_is_an_answer(reply: bytes, status: int, error: str) -> None:
    with server(reply) as (port, _):
        answer = ask(connect, Request("127.0.0.1", port, "/"))
    assert answer.status == status and not (status == 0 and answer.ok)
    assert error in answer.error


def test_nobody_there_is_status_0() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answer = ask(connect, Request("127.0.0.1", port, "/"))
    assert (answer.status, answer.ok) == (0, False)
    assert "refused" in answer.error


def test_a_body_that_is_not_json_is_none() -> None:
    assert Answer(200, b"<html>").json() is None
    assert Answer(200, b"").json() is None
