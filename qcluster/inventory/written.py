"""An inventory as YAML again. What a vault holds stays in it, as the same encrypted text under the same password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from qcluster.errors import InputError
from qcluster.inventory.vault import Vaulted
from qcluster.secret import Secret


class _Dumper(yaml.SafeDumper):
    """Every value is written out where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(Vaulted, lambda dumper, one: dumper.represent_scalar("!vault", one.ciphertext, style="|"))


def text(document: Mapping[str, Any]) -> str:
    """`document` in YAML, its keys in their order. Raises InputError for a secret that is not in a vault of its own."""
    return str(yaml.dump(_simple(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def _simple(value: Any) -> Any:
    """Without what a loader remembers of texts and mappings, such as their lines."""
    if isinstance(value, Vaulted):
        return value
    if isinstance(value, Secret):
        raise InputError(
            "the values of a file that is encrypted as a whole stay there: encrypt them one by one (!vault)"
        )
    if isinstance(value, Mapping):
        return {str(name): _simple(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_simple(one) for one in value]
    return str(value) if isinstance(value, str) else value
