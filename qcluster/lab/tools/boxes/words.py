"""Splitting docker's command lines: which options of a subcommand take a value."""

from __future__ import annotations

from collections.abc import Mapping

from qcluster.lab.tools.boxes.store import Refusal

Parsed = tuple[dict[str, list[str]], list[str]]

RUN_VALUES = frozenset(
    [
        "name",
        "network",
        "net",
        "shm-size",
        "ulimit",
        "label",
        "l",
        "device",
        "volume",
        "v",
        "mount",
        "env",
        "e",
        "entrypoint",
        "workdir",
        "w",
        "user",
        "u",
        "log-opt",
        "log-driver",
        "restart",
        "platform",
        "pull",
        "ipc",
        "pid",
        "memory",
        "m",
        "cpus",
        "cgroupns",
        "cap-add",
        "security-opt",
        "hostname",
        "h",
        "tmpfs",
        "stop-timeout",
        "stop-signal",
        "gpus",
        "publish",
        "p",
        "add-host",
        "env-file",
        "cidfile",
        "runtime",
        "group-add",
        "oom-score-adj",
        "cpuset-cpus",
        "dns",
        "init-path",
    ]
)
RUN_FLAGS = frozenset(
    [
        "detach",
        "d",
        "rm",
        "interactive",
        "i",
        "tty",
        "t",
        "privileged",
        "init",
        "quiet",
        "q",
        "read-only",
        "no-healthcheck",
    ]
)
LONG = dict(
    pair.split("=")
    for pair in [
        "l=label",
        "v=volume",
        "e=env",
        "w=workdir",
        "u=user",
        "d=detach",
        "i=interactive",
        "t=tty",
        "net=network",
        "m=memory",
    ]
)


def split(argv: list[str], values: frozenset[str], flags: frozenset[str], interspersed: bool = False) -> Parsed:
    """Options as written (each with all its values), and the rest from the first word that is no option."""
    found: dict[str, list[str]] = {}
    rest: list[str] = []
    at = 0
    while at < len(argv):
        word = argv[at]
        if word == "--":
            return found, rest + argv[at + 1 :]
        if not word.startswith("-") or word == "-":
            if not interspersed:
                return found, argv[at:]
            rest.append(word)
            at += 1
            continue
        at = _option(argv, at, found, (values, flags))
    return found, rest


def _option(argv: list[str], at: int, found: dict[str, list[str]], known: tuple[frozenset[str], frozenset[str]]) -> int:
    word = argv[at]
    values, flags = known
    name, equals, value = word.lstrip("-").partition("=")
    if not word.startswith("--") and len(name) > 1 and set(name) <= flags:
        for letter in name:
            _add(found, letter, "true")
        return at + 1
    if name in flags:
        _add(found, name, value if equals else "true")
        return at + 1
    if name not in values and not word.startswith("--") and name[:1] in values:
        _add(found, name[:1], word[2:])
        return at + 1
    if name not in values:
        raise Refusal(f"unknown flag: {word}\nSee 'docker --help'.", 125)
    if not equals and at + 1 >= len(argv):
        raise Refusal(f"flag needs an argument: {word}", 125)
    _add(found, name, value if equals else argv[at + 1])
    return at + (1 if equals else 2)


def _add(found: dict[str, list[str]], name: str, value: str) -> None:
    found.setdefault(name, []).append(value)


def run_options(argv: list[str]) -> Parsed:
    """The options of `run`, `create` and `exec` by their long names."""
    short, rest = split(argv, RUN_VALUES, RUN_FLAGS)
    found: dict[str, list[str]] = {}
    for name, values in short.items():
        found.setdefault(LONG.get(name, name), []).extend(values)
    return found, rest


def last(found: Mapping[str, list[str]], *names: str) -> str:
    """The last value given for any of `names`, `""` where none was."""
    return next((found[name][-1] for name in names if name in found), "")
