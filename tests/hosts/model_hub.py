"""A model hub on the loopback: what `modelscope` (before 1.38 and since) and huggingface_hub ask for, and no more.

It counts what it is asked, can send slowly, and can cut a transfer off. Files lie in FOLDER/OWNER/NAME.
"""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

COMMIT = "5c0ffee" * 5 + "12345"
PIECE = 1 << 16


@dataclass
class Hub:
    """`slow` is seconds a piece of 64 KiB takes; `sent` has a row (file, first byte, bytes) for every transfer that is
    over, `moved` the bytes of a file that were ever sent."""

    folder: Path
    slow: float = 0.0
    sent: list[tuple[str, int, int]] = field(default_factory=list)
    moved: dict[str, int] = field(default_factory=dict)
    server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        assert self.server
        return int(self.server.server_address[1])

    def files(self, model: str) -> dict[str, bytes]:
        base = self.folder / model
        return {str(path.relative_to(base)): path.read_bytes() for path in sorted(base.rglob("*")) if path.is_file()}

    def transfers(self, name: str) -> list[tuple[int, int]]:
        """(first byte, bytes) of every transfer of a file."""
        return [(first, count) for file, first, count in self.sent if file == name]


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query, path = dict(parse_qsl(url.query)), unquote(url.path)
        for pattern, answer in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and (self.hub.folder / match["model"]).is_dir():
                answer(self, match, query)
                return
        self.json({"Code": 404, "Success": False, "Message": "no such thing"}, 404)

    def json(self, value: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def file(self, model: str, name: str, headers: Mapping[str, str] | None = None) -> None:
        data = self.hub.files(model).get(name)
        if data is None:
            self.json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]) if asked and asked[2] else len(data) - 1, len(data) - 1)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        for header, text in (headers or {}).items():
            self.send_header(header, text)
        self.send_header("ETag", f'"{sum_of(data)}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if self.command == "GET":
            self.send(name, data, first, last)

    def send(self, name: str, data: bytes, first: int, last: int) -> None:
        at = first
        try:
            while at <= last:
                piece = data[at : min(at + PIECE, last + 1)]
                self.wfile.write(piece)
                at += len(piece)
                self.hub.moved[name] = self.hub.moved.get(name, 0) + len(piece)
                time.sleep(self.hub.slow)
        except OSError:  # the client was killed
            self.close_connection = True
        finally:
            self.hub.sent.append((name, first, at - first))

    def scope_listing(self, match: re.Match[str], query: Mapping[str, str]) -> None:
        files = [
            {
                "Name": name.rpartition("/")[2],
                "Path": name,
                "Type": "blob",
                "Size": len(data),
                "Sha256": sum_of(data),
                "Revision": COMMIT,
                "IsLFS": True,
                "Mode": "33188",
                "InCheck": False,
                "CommittedDate": 1767225600,
            }
            for name, data in self.hub.files(match["model"]).items()
        ]
        folders = {str(Path(one["Path"]).parent) for one in files} - {"."}
        trees = [{"Name": folder, "Path": folder, "Type": "tree", "Size": 0} for folder in sorted(folders)]
        self.scope({"Files": trees + files, "LatestCommitter": {"Id": COMMIT}})

    def scope_revisions(self, match: re.Match[str], query: Mapping[str, str]) -> None:
        branch = {"Revision": "master", "CreatedAt": 1767225600}
        self.scope({"RevisionMap": {"Branches": [branch], "Tags": []}})

    def scope_model(self, match: re.Match[str], query: Mapping[str, str]) -> None:
        owner, _, name = match["model"].partition("/")
        self.scope({"Name": name, "Path": owner, "IsPublished": 1, "Visibility": 5})

    def scope(self, data: Any) -> None:
        self.json({"Code": 200, "Success": True, "Message": "success", "RequestId": "1", "Data": data})

    def scope_file(self, match: re.Match[str], query: Mapping[str, str]) -> None:
        self.file(match["model"], query.get("FilePath", ""))

    def face_model(self, match: re.Match[str], query: Mapping[str, str]) -> None:
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "lfs": {"sha256": sum_of(data), "size": len(data), "pointerSize": 130},
            }
            for name, data in self.hub.files(match["model"]).items()
        ]
        known = {"private": False, "gated": False, "disabled": False, "tags": [], "downloads": 0, "likes": 0}
        when = "2026-01-01T00:00:00.000Z"
        names = {"_id": "1", "id": match["model"], "modelId": match["model"], "sha": COMMIT}
        self.json({**names, **known, "lastModified": when, "createdAt": when, "siblings": siblings})

    def face_tree(self, match: re.Match[str], query: Mapping[str, str]) -> None:
        rows = [
            {
                "type": "file",
                "path": name,
                "size": len(data),
                "oid": hashlib.sha1(data).hexdigest(),
                "lfs": {"oid": sum_of(data), "size": len(data), "pointerSize": 130},
            }
            for name, data in self.hub.files(match["model"]).items()
        ]
        self.json(rows)

    def face_file(self, match: re.Match[str], query: Mapping[str, str]) -> None:
        data = self.hub.files(match["model"]).get(match["name"], b"")
        linked = {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{sum_of(data)}"'}
        self.file(match["model"], match["name"], {"X-Repo-Commit": COMMIT, **linked})


MODEL = r"(?P<model>[^/]+/[^/]+)"
ROUTES = (
    (rf"/(?:api|openapi)/v1/models/{MODEL}", Answers.scope_model),
    (rf"/api/v1/models/{MODEL}/revisions", Answers.scope_revisions),
    (rf"/api/v1/models/{MODEL}/repo/files", Answers.scope_listing),
    (rf"/api/v1/models/{MODEL}/repo", Answers.scope_file),
    (rf"/api/models/{MODEL}(?:/revision/[^/]+)?", Answers.face_model),
    (rf"/api/models/{MODEL}/tree/[^/]+/?", Answers.face_tree),
    (rf"/{MODEL}/resolve/[^/]+/(?P<name>.+)", Answers.face_file),
)


def sum_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def serving(hub: Hub, certificate: tuple[Path, Path] | None = None) -> Iterator[Hub]:
    """The hub on a free port, with TLS where a certificate and its key are given."""
    handler = type("Bound", (Answers,), {"hub": hub})
    hub.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        hub.server.socket = context.wrap_socket(hub.server.socket, server_side=True)
    thread = threading.Thread(target=hub.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()
