"""How one host is reached, read from Ansible's own connection variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from qcluster.command import Become
from qcluster.errors import InputError, Problem
from qcluster.schema import place
from qcluster.secret import Secret
from qcluster.transport.ssh_args import SshArgs, read_args

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection, Ansible's default."""


@dataclass(frozen=True)
class Alive:
    """How long a host may stay silent: every `interval` seconds without a word it is asked for one, and after `count`
    questions without an answer the connection is lost. A long command on a healthy host says nothing; its sshd answers.

    An interval or a count of 0: never asked. The words are those of ssh_config(5), ServerAliveInterval.
    """

    interval: float = 10.0
    count: int = 3

    @property
    def asks(self) -> bool:
        return self.interval > 0 and self.count > 0


class HostKeys(StrEnum):
    """What to do with a host key that no known_hosts file holds. A changed key is refused in every case."""

    STRICT = "strict"
    ACCEPT_NEW = "accept-new"


@dataclass(frozen=True)
class Settings:
    """Everything needed to reach one host. None and () mean: as the user's ssh_config says.

    `name` is the inventory name, `address` what is dialled. `ssh_config` replaces the user's own file.
    """

    name: str
    address: str = ""
    connection: str = "ssh"
    user: str | None = None
    port: int | None = None
    identity_files: tuple[Path, ...] = ()
    password: Secret | None = None
    passphrase: Secret | None = None
    host_keys: HostKeys | None = None
    known_hosts: tuple[Path, ...] = ()
    jump: str = ""
    connect_timeout: float | None = None
    alive_interval: float | None = None
    alive_count: int | None = None
    become: Become | None = None
    become_password: Secret | None = None
    ssh_config: Path | None = None

    @classmethod
    def from_variables(cls, name: str, variables: Mapping[str, Any], *, ssh_config: Path | None = None) -> Settings:
        """Read Ansible's variables of one host, already rendered. Raises `InputError` with every problem."""
        return _Reader(name, variables).settings(ssh_config)


REFUSED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "ansible_shell_executable": (("/bin/sh", "sh"), "commands run under sh; `shell` has `args: {executable: …}`"),
    "ansible_shell_type": (("sh",), "hosts are driven through sh"),
    "ansible_become_exe": (("sudo",), "sudo is looked up on the host's PATH"),
    "ansible_ssh_executable": (("ssh",), "no ssh program is run; what it is to do goes into ssh_config"),
    "ansible_ssh_private_key": ((), "write the key into a file: ansible_private_key_file"),
    "ansible_ssh_pkcs11_provider": ((), "give the key to ssh-agent"),
}
"""What Ansible reads of a connection and what would be missed here: values that say nothing new, and the way out."""

_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
_FALSE = frozenset({"false", "no", "off", "0", "n", "f"})


class _Reader:
    """Collects the problems of one host's variables while reading them."""

    def __init__(self, name: str, variables: Mapping[str, Any]):
        self.name, self.variables = name, variables
        self.problems: list[Problem] = []

    def settings(self, ssh_config: Path | None) -> Settings:
        self.refuse()
        args = self.ssh_args()
        found = Settings(
            name=self.name,
            address=self.text("ansible_host", "ansible_ssh_host") or self.name,
            connection=self.connection(),
            user=self.text("ansible_user", "ansible_ssh_user") or None,
            port=self.number("ansible_port", "ansible_ssh_port") or args.port,
            identity_files=self.identity_files(args),
            password=self.secret("ansible_password", "ansible_ssh_password", "ansible_ssh_pass"),
            passphrase=self.secret("ansible_private_key_passphrase", "ansible_ssh_private_key_passphrase"),
            host_keys=self.host_keys(args),
            known_hosts=args.known_hosts,
            jump=args.jump,
            connect_timeout=args.connect_timeout or self.number("ansible_timeout", "ansible_ssh_timeout"),
            alive_interval=args.alive_interval,
            alive_count=args.alive_count,
            become=self.become(),
            become_password=self.become_password(),
            ssh_config=ssh_config,
        )
        if self.problems:
            raise InputError(self.problems)
        return found

    def refuse(self) -> None:
        for name, (same, hint) in REFUSED.items():
            if name in self.variables and self.text(name) not in same:
                self.problem(name, "is not supported", hint)

    def problem(self, variable: str, what: str, hint: str = "") -> None:
        file, line = place(self.variables.get(variable))[:2]
        self.problems.append(Problem(file, line, f"{self.name}: {variable}", what, hint))

    def first(self, *names: str) -> tuple[str, Any]:
        found = ((name, self.variables[name]) for name in names if self.variables.get(name) is not None)
        return next(found, ("", None))

    def text(self, *names: str) -> str:
        name, value = self.first(*names)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.problem(name, f"is a {type(value).__name__}, expected text")
        return str(value)

    def number(self, *names: str) -> int | None:
        name, value = self.first(*names)
        if value is None:
            return None
        if isinstance(value, bool) or not str(value).strip().isdigit():
            self.problem(name, f"{value!r} is not a whole number")
            return None
        return int(value)

    def flag(self, *names: str) -> bool | None:
        name, value = self.first(*names)
        if value is None or isinstance(value, bool):
            return value
        word = str(value).lower()
        if word not in _TRUE | _FALSE:
            self.problem(name, f"{value!r} is not yes or no")
        return word in _TRUE

    def secret(self, *names: str) -> Secret | None:
        _, value = self.first(*names)
        return value if value is None or isinstance(value, Secret) else Secret(str(value))

    def connection(self) -> str:
        word = self.text("ansible_connection").removeprefix("ansible.builtin.") or "ssh"
        if word in ("smart", "paramiko", "paramiko_ssh"):
            return "ssh"
        if word not in ("ssh", "local"):
            self.problem("ansible_connection", f"{word!r} is not supported", "use ssh or local")
        return word

    def ssh_args(self) -> SshArgs:
        found = SshArgs()
        for variable in ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"):
            found, wrong = read_args(self.text(variable), found)
            for what in wrong:
                self.problem(variable, what)
        return found

    def identity_files(self, args: SshArgs) -> tuple[Path, ...]:
        named = self.text("ansible_private_key_file", "ansible_ssh_private_key_file")
        return (*((Path(named).expanduser(),) if named else ()), *args.identity_files)

    def host_keys(self, args: SshArgs) -> HostKeys | None:
        checking = self.flag("ansible_host_key_checking", "ansible_ssh_host_key_checking")
        chosen = args.host_keys or ("" if checking is None else "yes" if checking else "accept-new")
        return {"": None, "yes": HostKeys.STRICT, "ask": HostKeys.STRICT}.get(chosen, HostKeys.ACCEPT_NEW)

    def become_password(self) -> Secret | None:
        return self.secret("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")

    def become(self) -> Become | None:
        method = self.text("ansible_become_method").removeprefix("ansible.builtin.") or "sudo"
        if method != "sudo":
            self.problem("ansible_become_method", f"{method!r} is not supported", "use sudo")
        if not self.flag("ansible_become"):
            return None
        user = self.text("ansible_become_user") or "root"
        flags = self.text("ansible_become_flags") or Become.flags
        return Become(user, self.become_password(), flags)
