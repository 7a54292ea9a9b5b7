"""The arguments of the example proxies, as their argparse takes them. Source: vllm-ascend v0.23.0."""

from __future__ import annotations

LISTS = ("prefiller-hosts", "prefiller-ports", "decoder-hosts", "decoder-ports")
DEFAULTS = {
    "port": ["8000"],
    "host": ["localhost"],
    "prefiller-hosts": ["localhost"],
    "prefiller-ports": ["8001"],
    "decoder-hosts": ["localhost"],
    "decoder-ports": ["8002"],
    "max-retries": ["3"],
    "retry-delay": ["0.001"],
    "max-waiting-retries": ["3"],
    "waiting-retry-interval": ["10"],
    "workers": ["1"],
    "log-level": ["INFO"],
}


class Usage(Exception):
    """argparse's complaint."""


def arguments(words: list[str]) -> dict[str, list[str]]:
    """As argparse reads them, with unambiguous beginnings. Raises Usage."""
    found = {name: list(values) for name, values in DEFAULTS.items()}
    at = 0
    while at < len(words):
        written, equals, value = words[at].partition("=")
        name = _resolve(written)
        values = [value] if equals else []
        at += 1
        while not equals and at < len(words) and not words[at].startswith("--"):
            values.append(words[at])
            at += 1
        if not values or (len(values) > 1 and name not in LISTS):
            raise Usage(f"argument --{name}: expected {'at least ' if name in LISTS else ''}one argument")
        found[name] = values
    for kind in ("prefiller", "decoder"):
        if len(found[f"{kind}-hosts"]) != len(found[f"{kind}-ports"]):
            raise ValueError(f"Number of {kind} hosts must match number of {kind} ports")
    return found


def _resolve(word: str) -> str:
    names = [name for name in DEFAULTS if word.startswith("--") and f"--{name}".startswith(word)]
    exact = [name for name in names if f"--{name}" == word] or names
    if len(exact) != 1:
        raise Usage(f"{'ambiguous option' if exact else 'unrecognized arguments'}: {word}")
    return exact[0]
