"""Serve the files of a list to whoever knows the token, until told that everything has arrived. Runs on a host.

usage: serve.py FOLDER LIST DIR ADDRESS JOB IDLE TIMES

LIST has lines `sha256 size stamp name`; a file that is not whole yet is answered with 503, for it may still arrive.
DIR/token is the token, DIR/port gets the port. JOB is the folder of the job that fills FOLDER: where that has failed,
the answer is 410. It ends when TIMES hosts have said that they have everything, or when nobody asks, and nothing is
being sent, for IDLE seconds: who waits or only adds up checksums asks for /here.
"""

from __future__ import annotations

import hmac
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple


class Wanted(NamedTuple):
    """What is served, to whom."""

    folder: Path
    listing: Path
    job: Path
    token: str
    times: int


class Server(ThreadingHTTPServer):
    """Remembers when it was last asked for something."""

    daemon_threads = True

    def __init__(self, address: str, wanted: Wanted):
        super().__init__((address, 0), Answer)
        self.wanted = wanted
        self.since = time.time()
        self.asked = time.monotonic()
        self.happy = 0
        self.sending = 0
        self.counting = threading.Lock()

    def end_when_idle(self, seconds: float) -> None:
        """Runs in a thread of its own."""
        while not self.idle(seconds):
            time.sleep(1)
        self.shutdown()

    def idle(self, seconds: float) -> bool:
        """Whether nobody collects any more. A large file may take longer than that, in one request."""
        return not self.sending and time.monotonic() - self.asked >= seconds

    def sends(self, more: int) -> None:
        """One transfer more, or one fewer."""
        with self.counting:
            self.sending += more
            self.asked = time.monotonic()

    def rows(self) -> list[tuple[str, int, str]]:
        """(sha256, size, name) of every file; none where the list is not there yet."""
        try:
            lines = self.wanted.listing.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        parts = [line.split(" ", 3) for line in lines]
        return [(part[0], int(part[1]), part[3]) for part in parts if len(part) == 4]

    def failed(self) -> bool:
        """Whether what should fill the folder has ended without filling it, since this server came up."""
        code = self.wanted.job / "exit"
        try:
            return code.read_text().strip() not in ("", "0") and code.stat().st_mtime >= self.since
        except OSError:
            return False


class Answer(BaseHTTPRequestHandler):
    """`/list`, `/N` (the file in line N, from 0, with Range), `/here` (somebody is still there), `/done`."""

    server: Server
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the job's log is read by people."""

    def do_GET(self) -> None:
        """One answer a connection."""
        self.server.asked = time.monotonic()
        expected = f"Bearer {self.server.wanted.token}"
        if not hmac.compare_digest(self.headers.get("Authorization", "").encode(), expected.encode()):
            self.say(403)
        elif self.path == "/done":
            self.say(200)
            self.server.happy += 1
            if self.server.happy >= self.server.wanted.times:
                threading.Thread(target=self.server.shutdown).start()
        elif self.path == "/here":
            self.say(200)
        elif self.path == "/list":
            rows = self.server.rows()
            text = "".join(f"{checksum} {size} {name}\n" for checksum, size, name in rows)
            self.say(200 if rows else 410 if self.server.failed() else 503, text.encode())
        else:
            self.send_row(self.path[1:])

    def send_row(self, number: str) -> None:
        """A file, or why not."""
        rows = self.server.rows()
        if not number.isdigit() or int(number) >= len(rows):
            self.say(404)
            return
        _, size, name = rows[int(number)]
        path = self.server.wanted.folder / name
        inside = not name.startswith("/") and ".." not in name.split("/")
        if not inside or not path.is_file() or path.stat().st_size != size:
            self.say(410 if self.server.failed() else 503)
            return
        asked = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        self.send_file(path, min(int(asked[1]), size) if asked else 0, size)

    def send_file(self, path: Path, first: int, size: int) -> None:
        """From byte `first` to the end."""
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(size - first))
        self.end_headers()
        self.wfile.flush()
        self.server.sends(1)
        try:
            if first < size:
                with path.open("rb") as file:
                    self.connection.sendfile(file, first)
        finally:
            self.server.sends(-1)

    def say(self, code: int, body: bytes = b"") -> None:
        """A short answer."""
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(folder: str, listing: str, place: str, address: str, *rest: str) -> None:
    """Serve until everybody has everything or nobody asks any more."""
    job, idle, times = rest
    token = (Path(place) / "token").read_text(encoding="ascii").strip()
    server = Server(address, Wanted(Path(folder), Path(listing), Path(job), token, int(times)))
    beside = Path(place) / "port.new"
    beside.write_text(f"{server.server_address[1]}\n", encoding="ascii")
    beside.replace(Path(place) / "port")
    threading.Thread(target=server.end_when_idle, args=(float(idle),), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
