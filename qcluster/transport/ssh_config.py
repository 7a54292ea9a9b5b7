"""What the user's ssh_config says about a host: asked from `ssh -G`, which alone gets `Match` and `Include` right."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from qcluster.errors import InputError, Problem

SYSTEM_FILE = Path("/etc/ssh/ssh_config")
_ASK_TIMEOUT = 30

_SAYS_SOMETHING = re.compile(
    r"^\s*(hostname|user|port|identityfile|identitiesonly|proxyjump|proxycommand|hostkeyalias|userknownhostsfile"
    r"|globalknownhostsfile|stricthostkeychecking|connecttimeout|serveraliveinterval|serveralivecountmax|match)[\s=]",
    re.IGNORECASE | re.MULTILINE,
)
_INCLUDE = re.compile(r"^\s*include[\s=]+(.+)$", re.IGNORECASE | re.MULTILINE)

Answer = dict[str, list[str]]
"""Lower-case option → its values in order."""


def configured(address: str, user: str | None, port: int | None, own_file: Path | None = None) -> Answer:
    """The options that hold for `address`. Empty where no configuration file says anything that matters here.

    `own_file` replaces the user's and the system's files, as `ssh -F` does.
    """
    files = [own_file] if own_file else [Path.home() / ".ssh/config", SYSTEM_FILE]
    texts = [text for file in files for text in _texts(file)]
    if not any(_SAYS_SOMETHING.search(text) for text in texts):
        return {}
    program = shutil.which("ssh")
    if program:
        return _ask(program, address, user, port, own_file)
    return _read(files, texts, address)


def _texts(file: Path, depth: int = 0) -> Iterator[str]:
    """The file and all that it includes."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    yield text
    if depth < 8:
        for pattern in (word for line in _INCLUDE.findall(text) for word in line.split()):
            for found in _matching(file.parent, pattern.strip('"')):
                yield from _texts(found, depth + 1)


def _matching(folder: Path, pattern: str) -> Iterable[Path]:
    path = Path(pattern).expanduser()
    base = path if path.is_absolute() else folder / path
    return sorted(Path(base.anchor).glob(str(base.relative_to(base.anchor))))


def _ask(program: str, address: str, user: str | None, port: int | None, own_file: Path | None) -> Answer:
    options = [*(["-F", str(own_file)] if own_file else []), *(["-l", user] if user else [])]
    options += ["-p", str(port)] if port else []
    asked = subprocess.run(
        [program, "-G", *options, "--", address],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_TIMEOUT, check=False,
    )  # fmt: skip
    if asked.returncode:
        place = str(own_file or "ssh_config")
        raise InputError([Problem(place, 0, address, asked.stderr.strip() or "ssh -G failed")])
    return _parse(asked.stdout)


def _parse(text: str) -> Answer:
    answer: Answer = {}
    for line in text.splitlines():
        option, _, value = line.partition(" ")
        answer.setdefault(option.lower(), []).append(value.strip())
    return answer


def _read(files: list[Path], texts: list[str], address: str) -> Answer:
    """Without an ssh client: Paramiko's reader, which knows neither Include nor every Match."""
    from paramiko import SSHConfig

    if any(re.search(r"^\s*(match|include)\s", text, re.IGNORECASE | re.MULTILINE) for text in texts):
        logging.getLogger(__name__).warning("no ssh client here: Match and Include of ssh_config may be misread")
    answer: Answer = {}
    for file in (file for file in files if file.is_file()):
        for option, value in SSHConfig.from_path(str(file)).lookup(address).items():
            answer.setdefault(option, value if isinstance(value, list) else [value])
    return answer
