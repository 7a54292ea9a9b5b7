"""Prove who we are: named keys, the agent, default keys, a password; in that order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.ssh_exception import AuthenticationException, BadAuthenticationType, SSHException

from qcluster.errors import AuthenticationFailed
from qcluster.secret import Secret
from qcluster.transport.target import Target
from qcluster.transport.wire import Wire


def log_in(wire: Wire, target: Target) -> None:
    """Try each proof once. Raises `AuthenticationFailed` that names what was tried."""
    tried: list[str] = []
    for name, key in _keys(target, tried):
        if _accepted(wire, target.user, name, key, tried):
            return
    if target.password and _password(wire, target, tried):
        return
    raise AuthenticationFailed(
        target.name,
        f"{target.user}@{target.address} accepted none of: {', '.join(tried) or 'no key and no password to offer'}",
        f"ssh-copy-id -p {target.port} {target.user}@{target.address}, or set ansible_ssh_private_key_file",
    )


def _keys(target: Target, tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    yield from _files(target.identity_files, target.passphrase, tried)
    for key in paramiko.Agent().get_keys():
        yield f"agent key {key.comment or key.fingerprint}", key
    if not target.identity_files:
        yield from _files(tuple(f for f in target.fallback_files if f.exists()), target.passphrase, tried)


def _files(files: tuple[Path, ...], passphrase: Secret | None, tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    for file in files:
        try:
            yield f"key {file}", load_key(file, passphrase)
        except (OSError, SSHException, ValueError) as error:
            tried.append(f"key {file} ({error or type(error).__name__})")


def load_key(file: Path, passphrase: Secret | None) -> paramiko.PKey:
    return paramiko.PKey.from_path(file, passphrase.reveal() if passphrase else None)


def _accepted(wire: Wire, user: str, name: str, key: paramiko.PKey, tried: list[str]) -> bool:
    try:
        wire.auth_publickey(user, key)
        return wire.is_authenticated()
    except BadAuthenticationType:
        tried.append(f"{name} (the server takes no keys)")
    except AuthenticationException:
        tried.append(name)
    return False


def _password(wire: Wire, target: Target, tried: list[str]) -> bool:
    assert target.password
    try:
        wire.auth_password(target.user, target.password.reveal())
        return wire.is_authenticated()
    except AuthenticationException:
        tried.append("password")
        return False
