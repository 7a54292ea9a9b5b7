"""Host keys: which are known for a name, and what a shown key means."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import paramiko

from qcluster.errors import HostKeyChanged, HostKeyUnknown
from qcluster.transport.settings import HostKeys
from qcluster.transport.target import Target

SYSTEM_FILES = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
_write_lock = threading.Lock()


def key_name(target: Target) -> str:
    """The name under which known_hosts files keep a host: its alias, else `[address]:port` off port 22."""
    if target.host_key_alias:
        return target.host_key_alias
    return target.address if target.port == 22 else f"[{target.address}]:{target.port}"


def known_keys(files: Iterable[Path], name: str) -> dict[str, list[paramiko.PKey]]:
    """Known keys of `name` by type, of all files that exist."""
    found: dict[str, list[paramiko.PKey]] = {}
    for file in files:
        for key in _keys_in(file, name):
            found.setdefault(key.get_name(), []).append(key)
    return found


def _keys_in(file: Path, name: str) -> list[paramiko.PKey]:
    if not file.is_file():
        return []
    hosts = paramiko.HostKeys(str(file))
    return list((hosts.lookup(name) or {}).values())


def verify(target: Target, key: paramiko.PKey) -> None:
    """Accept the shown key or raise `HostKeyUnknown` / `HostKeyChanged`."""
    name = key_name(target)
    known = known_keys((*target.known_hosts, *SYSTEM_FILES), name)
    if key in known.get(key.get_name(), []):
        return
    if known:
        raise _changed(target, name, key)
    if target.host_keys is HostKeys.ACCEPT_NEW:
        _remember(target.known_hosts, name, key)
        return
    raise HostKeyUnknown(
        target.name,
        f"the host key of {name} is not known: {key.get_name()} {key.fingerprint}",
        f"compare the fingerprint, then trust it with: {trust_command(target)}",
    )


def trust_command(target: Target) -> str:
    """The command line that adds the host's key to the file that is looked at first."""
    file = target.known_hosts[0]
    scan = f"ssh-keyscan -p {target.port} {target.address}"
    if target.host_key_alias:
        scan += f" | sed 's/^[^ ]*/{target.host_key_alias}/'"
    return f"{scan} >> {file}"


def _changed(target: Target, name: str, key: paramiko.PKey) -> HostKeyChanged:
    file = target.known_hosts[0]
    return HostKeyChanged(
        target.name,
        f"the host key of {name} changed: it shows {key.get_name()} {key.fingerprint}, another is known",
        f"if the host was reinstalled: ssh-keygen -f {file} -R '{name}', then {trust_command(target)}",
    )


def _remember(files: Sequence[Path], name: str, key: paramiko.PKey) -> None:
    file = files[0]
    if file == Path("/dev/null"):
        return
    with _write_lock:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.open("a", encoding="ascii") as handle:
            handle.write(f"{name} {key.get_name()} {key.get_base64()}\n")
