"""The command line as a subprocess, against lab hosts of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
CANARY = "kanarienvogel-5f1c9"
"""A secret put into inventories; it must appear in no output and no journal."""


@dataclass(frozen=True)
class Ran:
    """A finished command line."""

    exit: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Workplace:
    """A directory of its own with its own lab. `run("up", …)` is `qcluster up …` there."""

    folder: Path

    def run(self, *args: str | Path, timeout: float = 120, **environ: str) -> Ran:
        env = {**os.environ, "QCLUSTER_LAB_DIR": str(self.folder / "lab"), "NO_COLOR": "1", **environ}
        command = [sys.executable, "-m", "qcluster", *map(str, args)]
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def inventory(self, name: str, edit: Callable[[str], str] = lambda text: text) -> Path:
        """A copy of an example inventory, edited."""
        target = self.folder / name
        target.write_text(edit((REPOSITORY / "inventories" / name).read_text(encoding="utf-8")), encoding="utf-8")
        return target

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def stop_labs(place: Workplace) -> None:
    for inventory in place.folder.glob("*.yaml"):
        if "ansible_connection: lab" in inventory.read_text(encoding="utf-8"):
            place.run("lab", "stop", inventory)


@contextmanager
def load(place: Workplace, proxy: str = "p1") -> Iterator[list[str]]:
    """Three clients that ask through the proxy on host `proxy`; yields what went wrong."""
    hosts = json.loads((place.folder / "lab" / "lab.json").read_text())["hosts"]
    url = f"http://{hosts[proxy]['address']}:1999/v1/completions"
    body = json.dumps({"model": "qwen3.5", "prompt": "2 + 2 =", "max_tokens": 8}).encode()
    over, errors, served = threading.Event(), list[str](), list[str]()

    def ask() -> None:
        while not over.is_set():
            try:
                request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=30) as answer:
                    served.append(json.loads(answer.read())["choices"][0]["text"])
            except Exception as error:
                errors.append(repr(error))
            time.sleep(0.1)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert len(served) > 10
