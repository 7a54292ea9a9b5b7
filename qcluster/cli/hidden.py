"""What a run must not show: the passwords it is given, and every text that is a secret."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcluster.inventory import Inventory, Vault

SECRET_WORDS = ("password", "passwd", "secret", "api_key", "token", "ansible_become_pass", "ansible_ssh_pass")


def vault_of(password_file: str, tell: Callable[[str], None] | None = None) -> Vault:
    """The vault that a password file opens: its text without the newline, or what it prints if it is a program.

    Without a file nothing opens. `tell` hears every text that is decrypted, whenever that happens.
    """
    from qcluster.inventory import Vault
    from qcluster.secret import Secret

    passwords = {"default": Secret(_password(password_file))} if password_file else {}
    return Vault(passwords, tell)


def _password(file: str) -> str:
    from qcluster.errors import InputError

    path = Path(file).expanduser()
    try:
        text = _printed(path) if os.access(path, os.X_OK) and path.is_file() else path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"--vault-password-file {file}: {error.strerror}") from error
    if not text.strip():
        raise InputError(f"--vault-password-file {file}: there is no password in it")
    return text.strip()


def _printed(program: Path) -> str:
    """What a program says, as Ansible asks it; one that is called `…-client` is told the vault's id."""
    import subprocess

    from qcluster.errors import InputError

    words = ["--vault-id", "default"] if program.stem.endswith("-client") else []
    asked = subprocess.run([program.absolute(), *words], stdout=subprocess.PIPE, text=True, check=False)
    if asked.returncode:
        raise InputError(f"--vault-password-file {program}: the program ended with exit code {asked.returncode}")
    return asked.stdout


def secrets_known(inventory: Inventory, extra: Mapping[str, Any]) -> Iterator[str]:
    """What is secret before anything runs: vault values, and every variable whose name says that it is one."""
    from qcluster.inventory import secrets_of

    for variables in (*(host.variables for host in inventory.hosts.values()), extra):
        yield from secrets_of(variables)
        for name, value in variables.items():
            if isinstance(value, str) and any(word in name.lower() for word in SECRET_WORDS):
                yield str(value)
