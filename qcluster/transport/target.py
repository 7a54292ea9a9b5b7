"""One SSH endpoint, everything decided: the inventory, then the user's ssh_config, then OpenSSH's defaults."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path

from qcluster.errors import InputError, Problem
from qcluster.secret import Secret
from qcluster.transport.settings import CONNECT_TIMEOUT, Alive, HostKeys, Settings
from qcluster.transport.ssh_config import Answer, configured

_DEFAULT_IDENTITIES = ("id_ed25519", "id_ecdsa", "id_rsa")
_ALL_DEFAULTS = frozenset({*_DEFAULT_IDENTITIES, "id_ecdsa_sk", "id_ed25519_sk", "id_xmss", "id_dsa"})
SYSTEM_KNOWN_HOSTS = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
_MOST_HOPS = 8


@dataclass(frozen=True)
class Target:
    """`name` is the inventory name (for messages). `jump` are the gateways in order, from the controller outward.

    `identity_files` are tried before the agent; `fallback_files` (the user's defaults) after it.
    A new key is written to the first of `known_hosts`; the system's files are only read.
    """

    name: str
    address: str
    port: int
    user: str
    identity_files: tuple[Path, ...] = ()
    fallback_files: tuple[Path, ...] = ()
    agent: bool = True
    password: Secret | None = None
    passphrase: Secret | None = None
    host_keys: HostKeys = HostKeys.STRICT
    known_hosts: tuple[Path, ...] = ()
    system_known_hosts: tuple[Path, ...] = SYSTEM_KNOWN_HOSTS
    host_key_alias: str = ""
    jump: tuple[Target, ...] = ()
    connect_timeout: float = CONNECT_TIMEOUT
    alive: Alive = field(default_factory=Alive)


def resolve(settings: Settings, hops: int = 0) -> Target:
    """Decide an endpoint. Raises `InputError` where ssh_config asks for what is not supported."""
    alias = settings.address or settings.name
    said = _Said(configured(alias, settings.user, settings.port, settings.ssh_config), settings)
    user = said.user
    return Target(
        name=settings.name,
        address=said.text("hostname") or alias,
        port=settings.port or int(said.text("port") or 22),
        user=user,
        identity_files=settings.identity_files or said.identities(),
        fallback_files=tuple(Path.home() / ".ssh" / name for name in _DEFAULT_IDENTITIES),
        agent=said.text("identitiesonly") != "yes",
        password=settings.password,
        passphrase=settings.passphrase,
        host_keys=settings.host_keys or said.host_keys(),
        known_hosts=settings.known_hosts or said.paths("userknownhostsfile") or _own_known_hosts(),
        system_known_hosts=said.paths("globalknownhostsfile") or SYSTEM_KNOWN_HOSTS,
        host_key_alias=said.text("hostkeyalias"),
        jump=_jump(settings, said, hops),
        connect_timeout=settings.connect_timeout or float(said.text("connecttimeout") or CONNECT_TIMEOUT),
        alive=_alive(settings, said),
    )


def _own_known_hosts() -> tuple[Path, ...]:
    return (Path.home() / ".ssh/known_hosts", Path.home() / ".ssh/known_hosts2")


def _alive(settings: Settings, said: _Said) -> Alive:
    """`ssh -G` tells 0, OpenSSH's default, also where nobody wrote it: then this tool's own interval holds."""
    interval = said.number("serveraliveinterval") or Alive.interval
    count = said.number("serveralivecountmax") or Alive.count
    return Alive(
        interval if settings.alive_interval is None else settings.alive_interval,
        count if settings.alive_count is None else settings.alive_count,
    )


class _Said:
    """What ssh_config says about one host."""

    def __init__(self, answer: Answer, settings: Settings):
        self._answer = answer
        self._alias = settings.address or settings.name
        self.user = settings.user or self.text("user") or getpass.getuser()
        self._port = str(settings.port or self.text("port") or 22)

    def expanded(self, text: str) -> str:
        """`text` with OpenSSH's tokens in it resolved (ssh_config(5), TOKENS). `ssh -G` leaves them as written."""
        return re.sub("%[%CdhijkLlnpru]", lambda found: self._token(found[0][1]), text)

    def _token(self, letter: str) -> str:
        name, address = socket.gethostname(), self.text("hostname") or self._alias
        whole = (name, address, self._port, self.user, self.text("proxyjump"))
        words = {"%": "%", "d": str(Path.home()), "u": getpass.getuser(), "i": str(os.getuid()), "r": self.user}
        words |= {"h": address, "n": self._alias, "p": self._port, "k": self.text("hostkeyalias") or self._alias}
        words |= {"l": name, "L": name.partition(".")[0], "j": self.text("proxyjump")}
        if letter != "C":
            return words[letter]
        return hashlib.sha1("".join(whole).encode(), usedforsecurity=False).hexdigest()

    def text(self, option: str) -> str:
        value = self._answer.get(option, [""])[0]
        return "" if value == "none" else value

    def number(self, option: str) -> int:
        """0 where nothing, or no whole number, is said."""
        value = self.text(option)
        return int(value) if value.isdigit() else 0

    def paths(self, option: str) -> tuple[Path, ...]:
        return tuple(Path(word).expanduser() for word in self.text(option).split())

    def identities(self) -> tuple[Path, ...]:
        """Files named in the configuration. `ssh -G` also lists the defaults: those stay behind the agent."""
        named = (value for value in self._answer.get("identityfile", []) if value != "none")
        files = (Path(self.expanded(value)).expanduser() for value in named)
        default = Path.home() / ".ssh"
        return tuple(file for file in files if not (file.parent == default and file.name in _ALL_DEFAULTS))

    def host_keys(self) -> HostKeys:
        new = self.text("stricthostkeychecking") in ("accept-new", "no", "off", "false")
        return HostKeys.ACCEPT_NEW if new else HostKeys.STRICT


def _jump(settings: Settings, said: _Said, hops: int) -> tuple[Target, ...]:
    spec = settings.jump or said.expanded(said.text("proxyjump"))
    if spec in ("", "none"):
        if said.text("proxycommand"):
            raise _problem(settings, f"ProxyCommand is not supported: {said.text('proxycommand')}", "use ProxyJump")
        return ()
    if hops > _MOST_HOPS:
        raise _problem(settings, f"ProxyJump goes round in a circle at {spec}", "see ssh_config")
    first, *others = (_hop(settings, hop.strip(), hops + 1) for hop in spec.split(","))
    return (*first.jump, replace(first, jump=()), *(replace(other, jump=()) for other in others))


_HOP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^]]+\]|[^:]+)(?::(?P<port>\d+))?/?")


def _hop(settings: Settings, text: str, hops: int) -> Target:
    """A gateway is reached with the host's keys and known_hosts, but its own user, port and password-less login."""
    found = _HOP.fullmatch(text)
    if not found:
        raise _problem(settings, f"ProxyJump {text!r} is not [user@]host[:port]", "")
    port = int(found["port"]) if found["port"] else None
    address = found["host"].strip("[]")
    return resolve(
        replace(settings, address=address, user=found["user"], port=port, jump="", password=None, become=None), hops
    )


def _problem(settings: Settings, what: str, hint: str) -> InputError:
    return InputError([Problem("", 0, settings.name, what, hint)])
