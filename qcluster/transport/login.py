"""Prove who we are: named keys, the agent, default keys, a password; in that order, each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.ssh_exception import AuthenticationException, BadAuthenticationType

from qcluster.errors import AuthenticationFailed
from qcluster.transport.keyring import Keyring, Unusable
from qcluster.transport.target import Target
from qcluster.transport.wire import Wire


def log_in(wire: Wire, target: Target, ring: Keyring) -> None:
    """Raises `AuthenticationFailed` that names everything tried."""
    tried: list[str] = []
    keys = _Keys(target, ring, tried)
    try:
        if any(_accepted(wire, target.user, name, key, tried) for name, key in keys.each()):
            return
    finally:
        keys.close()
    if target.password and _password(wire, target, tried):
        return
    raise AuthenticationFailed(
        target.name,
        f"{target.user}@{target.address} accepted none of: {', '.join(tried) or 'nothing (there is no key to offer)'}",
        f"ssh-copy-id -p {target.port} {target.user}@{target.address}, or set ansible_ssh_private_key_file",
    )


class _Keys:
    """The keys to offer, loaded as they are needed."""

    def __init__(self, target: Target, ring: Keyring, tried: list[str]):
        self._target, self._ring, self._tried = target, ring, tried
        self._agent: paramiko.Agent | None = None

    def each(self) -> Iterator[tuple[str, paramiko.PKey]]:
        target = self._target
        yield from self._files(target.identity_files)
        if target.agent:
            self._agent = paramiko.Agent()
            yield from ((f"agent key {key.comment or key.fingerprint}", key) for key in self._agent.get_keys())
        if not target.identity_files:
            yield from self._files(tuple(file for file in target.fallback_files if file.exists()))

    def _files(self, files: tuple[Path, ...]) -> Iterator[tuple[str, paramiko.PKey]]:
        for file in files:
            try:
                yield f"key {file}", self._ring.load(file, self._target.passphrase)
            except Unusable as error:
                self._tried.append(f"key {file} ({error})")

    def close(self) -> None:
        if self._agent:
            self._agent.close()


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
