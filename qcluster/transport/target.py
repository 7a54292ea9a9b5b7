"""One SSH endpoint, everything decided: what `Settings` and the user's ssh_config say together."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path

from qcluster.secret import Secret
from qcluster.transport.settings import CONNECT_TIMEOUT, HostKeys, Settings

DEFAULT_IDENTITIES = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True)
class Target:
    """`name` is the inventory name (for messages). `jump` are the gateways in order, from the controller outward.

    `identity_files` are tried before the agent; `fallback_files` (the user's defaults) after it.
    """

    name: str
    address: str
    port: int
    user: str
    identity_files: tuple[Path, ...] = ()
    fallback_files: tuple[Path, ...] = ()
    password: Secret | None = None
    passphrase: Secret | None = None
    host_keys: HostKeys = HostKeys.STRICT
    known_hosts: tuple[Path, ...] = ()
    host_key_alias: str = ""
    jump: tuple[Target, ...] = ()
    connect_timeout: float = CONNECT_TIMEOUT


def resolve(settings: Settings) -> Target:
    """Decide an endpoint: what the inventory says, then ssh_config, then OpenSSH's defaults."""
    home = Path.home() / ".ssh"
    return Target(
        name=settings.name,
        address=settings.address or settings.name,
        port=settings.port or 22,
        user=settings.user or getpass.getuser(),
        identity_files=settings.identity_files,
        fallback_files=tuple(home / name for name in DEFAULT_IDENTITIES),
        password=settings.password,
        passphrase=settings.passphrase,
        host_keys=settings.host_keys or HostKeys.STRICT,
        known_hosts=settings.known_hosts or (home / "known_hosts", home / "known_hosts2"),
        connect_timeout=settings.connect_timeout or CONNECT_TIMEOUT,
        jump=tuple(_gateway(settings, hop) for hop in settings.jump.split(",") if hop),
    )


def _gateway(settings: Settings, hop: str) -> Target:
    from dataclasses import replace

    user, _, place = hop.rpartition("@")
    address, _, port = place.partition(":")
    return resolve(replace(settings, address=address, user=user or None, port=int(port or 22), jump=""))
