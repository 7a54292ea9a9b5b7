"""The part of OpenSSH's command line that `ansible_ssh_common_args` may hold. Anything else is a named problem."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class SshArgs:
    """What the arguments say; empty where they say nothing. As in ssh, the first value given wins."""

    jump: str = ""
    known_hosts: tuple[Path, ...] = ()
    host_keys: str = ""
    connect_timeout: int | None = None
    identity_files: tuple[Path, ...] = ()
    port: int | None = None
    alive_interval: int | None = None
    alive_count: int | None = None


_LETTERS = {"J": "proxyjump", "i": "identityfile", "p": "port"}
_HOST_KEY_WORDS = ("yes", "no", "off", "ask", "accept-new")


SHARING = frozenset({"controlmaster", "controlpersist", "controlpath", "-c"})
"""OpenSSH's connection sharing and compression, in lower case: every host has one connection here, so that they
change nothing."""


def read_args(text: str, before: SshArgs | None = None) -> tuple[SshArgs, list[str]]:
    """Read one string of arguments on top of `before`. Returns what holds then and the problems found."""
    found, wrong = before or SshArgs(), []
    try:
        words = _words(text)
    except ValueError as error:
        return found, [f"cannot be split into words: {error}"]
    for option, value in _options(words):
        if option.lower() in SHARING:
            continue
        try:
            found = _apply(found, option, value)
        except ValueError as error:
            wrong.append(str(error))
    return found, wrong


@lru_cache(maxsize=64)
def _words(text: str) -> tuple[str, ...]:
    """Hundreds of hosts share one text."""
    return tuple(shlex.split(text))


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of option and value: `-o Name=value`, `-oName=value`, `-o 'Name value'`, `-J value`, …"""
    rest = iter(words)
    for word in rest:
        letter, attached = word[1:2], word[2:]
        if not word.startswith("-") or letter not in {"o", *_LETTERS}:
            yield word, ""
            continue
        value = attached or next(rest, "")
        if letter == "o":
            name, _, value = value.replace("=", " ", 1).strip().partition(" ")
            yield name, value.strip().strip('"')
        else:
            yield _LETTERS[letter], value


def _apply(found: SshArgs, option: str, value: str) -> SshArgs:
    reader = _READERS.get(option.lower())
    if reader is None:
        raise ValueError(f"{option!r} is not supported: use -o {', '.join(_NAMES)} or -J, -i, -p")
    if not value:
        raise ValueError(f"{option!r} has no value")
    return reader(found, value)


def _number(value: str, option: str) -> int:
    if not value.isdigit():
        raise ValueError(f"{option} {value!r} is not a whole number")
    return int(value)


def _host_keys(found: SshArgs, value: str) -> SshArgs:
    if value not in _HOST_KEY_WORDS:
        raise ValueError(f"StrictHostKeyChecking {value!r} is none of {', '.join(_HOST_KEY_WORDS)}")
    return replace(found, host_keys=found.host_keys or value)


def _once(found: SshArgs, field: str, number: int) -> SshArgs:
    """0 says something, too."""
    return found if getattr(found, field) is not None else replace(found, **{field: number})  # type: ignore[arg-type]


def _paths(value: str) -> tuple[Path, ...]:
    return tuple(Path(word).expanduser() for word in value.split())


_READERS: dict[str, Callable[[SshArgs, str], SshArgs]] = {
    "proxyjump": lambda f, v: replace(f, jump=f.jump or v),
    "userknownhostsfile": lambda f, v: replace(f, known_hosts=f.known_hosts or _paths(v)),
    "stricthostkeychecking": _host_keys,
    "connecttimeout": lambda f, v: replace(f, connect_timeout=f.connect_timeout or _number(v, "ConnectTimeout")),
    "identityfile": lambda f, v: replace(f, identity_files=(*f.identity_files, Path(v).expanduser())),
    "port": lambda f, v: replace(f, port=f.port or _number(v, "Port")),
    "serveraliveinterval": lambda f, v: _once(f, "alive_interval", _number(v, "ServerAliveInterval")),
    "serveralivecountmax": lambda f, v: _once(f, "alive_count", _number(v, "ServerAliveCountMax")),
}
_NAMES = (
    "ProxyJump", "UserKnownHostsFile", "StrictHostKeyChecking", "ConnectTimeout", "IdentityFile", "Port",
    "ServerAliveInterval", "ServerAliveCountMax",
)  # fmt: skip
