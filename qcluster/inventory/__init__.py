"""Who: hosts, groups and variables from Ansible's YAML inventory format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcluster.inventory.merge import build
from qcluster.inventory.model import Group, Host, Inventory, Origin
from qcluster.inventory.read import read_source
from qcluster.inventory.vault import Vault, secrets_of

__all__ = ["Group", "Host", "Inventory", "Origin", "Vault", "load", "secrets_of"]


def load(
    path: Path | str,
    *,
    extra: Mapping[str, Any] | None = None,
    vault: Vault | None = None,
    playbook_dir: Path | None = None,
) -> Inventory:
    """The inventory of a YAML file or a directory of them, with group_vars/ and host_vars/ beside it.

    Those beside the playbook (`playbook_dir`) are read too and win over those beside the inventory, as in Ansible.
    `extra` (`-e`) wins over everything. Variables are as written, templates not yet rendered.
    Raises InputError with every mistake in every file.
    """
    source = Path(path)
    return build(source, read_source(source, vault or Vault(), playbook_dir), extra or {})
