"""Ansible Vault: `!vault` values and whole encrypted files (formats 1.1 and 1.2, AES256)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcluster.schema import Tag, Text, load_yaml
from qcluster.secret import Secret


class Vault:
    """Passwords by vault id. Without any, encrypted values are carried, and refused only where they are used."""

    def __init__(self, passwords: Mapping[str, Secret] | None = None):
        self.passwords = dict(passwords or {})

    @property
    def tags(self) -> Mapping[str, Tag]:
        return {"!vault": self._value, "!vault-encrypted": self._value}

    def load(self, file: Path) -> Any:
        """A file of variables, decrypted where it is encrypted as a whole."""
        return load_yaml(file, tags=self.tags)

    def _value(self, tag: str, text: Text) -> Secret:
        return Secret(str(text))
