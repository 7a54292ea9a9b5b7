"""Host keys: which are known for a name, and what a shown key means (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT")."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import paramiko

from qcluster.command import Command
from qcluster.errors import HostKeyChanged, HostKeyUnknown
from qcluster.transport.settings import HostKeys
from qcluster.transport.target import Target

_write_lock = threading.Lock()
_read_lock = threading.Lock()


@dataclass(frozen=True)
class KnownKey:
    """One line: `kind` and `base64` as written; a revoked key must never be accepted."""

    kind: str
    base64: str
    revoked: bool
    file: Path


def key_name(target: Target) -> str:
    """The name under which known_hosts files keep a host: its alias, else `[address]:port` off port 22."""
    if target.host_key_alias:
        return target.host_key_alias
    return target.address if target.port == 22 else f"[{target.address}]:{target.port}"


@dataclass(frozen=True)
class Known:
    """One file. `plain` is by name; `patterned` are the lines with hashes, wildcards or negations."""

    plain: Mapping[str, tuple[KnownKey, ...]]
    patterned: tuple[tuple[tuple[str, ...], KnownKey], ...]

    def keys(self, name: str) -> list[KnownKey]:
        return [*self.plain.get(name, ()), *(key for names, key in self.patterned if _named(name, names))]


def known_keys(target: Target) -> list[KnownKey]:
    """Everything the files know of the host. As in OpenSSH, a port's entries come before those of the bare name."""
    files = [_read(file) for file in (*target.known_hosts, *target.system_known_hosts)]
    for name in dict.fromkeys((key_name(target), target.host_key_alias or target.address)):
        if found := [key for known in files for key in known.keys(name.lower())]:
            return found
    return []


def _read(file: Path) -> Known:
    try:
        seen = file.stat()
    except OSError:
        return Known({}, ())
    with _read_lock:  # hosts come all at once: the first one parses, the others wait for it
        return _parsed(file, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=16)
def _parsed(file: Path, mtime_ns: int, size: int) -> Known:
    """Many hosts share one long file: it is read once for each of its versions."""
    plain: dict[str, tuple[KnownKey, ...]] = {}
    patterned = []
    for names, key in _lines(file, file.read_text(encoding="utf-8", errors="replace")):
        if any(sign in name for name in names for sign in "|*?!"):
            patterned.append((names, key))
            continue
        for name in names:
            plain[name] = (*plain.get(name, ()), key)
    return Known(plain, tuple(patterned))


def _lines(file: Path, text: str) -> Iterator[tuple[tuple[str, ...], KnownKey]]:
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) >= 3 and not words[0].startswith("#") and marker != "@cert-authority":
            names = words[0] if words[0].startswith("|") else words[0].lower()
            yield tuple(names.split(",")), KnownKey(words[1], words[2], marker == "@revoked", file)


def _named(name: str, patterns: tuple[str, ...]) -> bool:
    if any(pattern.startswith("!") and _fits(name, pattern[1:]) for pattern in patterns):
        return False
    return any(_fits(name, pattern) for pattern in patterns)


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("|1|"):
        return _hashed(name, pattern)
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _hashed(name: str, pattern: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in pattern[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), digest)


def verify(target: Target, shown: paramiko.PKey, known: list[KnownKey]) -> None:
    """Accept the shown key or raise `HostKeyUnknown` / `HostKeyChanged`."""
    same = [key for key in known if (key.kind, key.base64) == (shown.get_name(), shown.get_base64())]
    if any(key.revoked for key in same):
        raise HostKeyChanged(target.name, f"the host key of {key_name(target)} is revoked in {same[0].file}")
    if same:
        return
    if any(not key.revoked for key in known):
        raise _changed(target, shown, known[0].file)
    if target.host_keys is HostKeys.ACCEPT_NEW:
        _remember(target, shown)
        return
    raise HostKeyUnknown(
        target.name,
        f"the host key of {key_name(target)} is not known: {shown.get_name()} {shown.fingerprint}",
        f"compare the fingerprint, then trust it with: {trust_command(target)}",
    )


def trust_command(target: Target) -> str:
    """The command line that adds the host's key to the file that is looked at first."""
    scan = ["ssh-keyscan", "-p", str(target.port), target.address]
    if target.jump:
        hop = target.jump[-1]
        scan = ["ssh", "-p", str(hop.port), f"{hop.user}@{hop.address}", *scan]
    rename = f" | {_line('sed', f's/^[^ ]*/{target.host_key_alias}/')}" if target.host_key_alias else ""
    return f"{_line(*scan)}{rename} >> {_line(str(target.known_hosts[0]))}"


def _line(*words: str) -> str:
    return str(Command(words))


def _changed(target: Target, shown: paramiko.PKey, file: Path) -> HostKeyChanged:
    name = key_name(target)
    forget = _line("ssh-keygen", "-f", str(file), "-R", name)
    return HostKeyChanged(
        target.name,
        f"the host key of {name} changed: it shows {shown.get_name()} {shown.fingerprint}, {file} knows another",
        f"if the host was reinstalled: {forget}, then {trust_command(target)}",
    )


def _remember(target: Target, shown: paramiko.PKey) -> None:
    file = target.known_hosts[0]
    if file == Path("/dev/null"):
        return
    with _write_lock:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as handle:
            handle.write(f"{key_name(target)} {shown.get_name()} {shown.get_base64()}\n")
