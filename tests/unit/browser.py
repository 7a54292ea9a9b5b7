"""Headless Chromium: what it makes of a page, what it complains about, and how well the page can be read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--window-size=1200,1500",
)  # fmt: skip

MEASURE = (Path(__file__).parent / "browser_measure.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Seen:
    """`dom` after all scripts ran; `console` are the lines that the page or the browser logged."""

    dom: str
    console: list[str]

    @property
    def measured(self) -> dict[str, Any]:
        found = re.search(r'<pre id="measured">(.*?)</pre>', self.dom, re.DOTALL)
        assert found, "the page was not measured"
        told = json.loads(unescape(found[1]))
        assert isinstance(told, dict)
        return told


def browse(folder: Path, page: str, *more: str) -> Seen:
    """The page opened from disk, as an operator opens it."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return visited(path.as_uri(), folder / "profile", *more)


def visited(address: str, profile: Path, *more: str) -> Seen:
    """The page at `address`; `profile` is the folder of this browser's own files."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "headless Chromium is needed: apt-get install chromium"
    command = [program, *CHROMIUM, f"--user-data-dir={profile}", "--dump-dom", *more, address]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return Seen(done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line])


def measured(folder: Path, page: str, *more: str) -> Seen:
    """The same with every part unfolded, and the contrasts of both themes and all requests measured."""
    return browse(folder, page.replace("</body>", f"<script>{MEASURE}</script></body>"), *more)
