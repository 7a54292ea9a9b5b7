"""The recipes, the hardware table and the releases, read from `qcluster/recipes/*.yaml`.

Adding a model is adding a file there; nothing here names one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

Args = Mapping[str, Any]
_TABLES = ("hardware", "releases", "base", "deviations", "flags")


@dataclass(frozen=True)
class Preset:
    """A scenario of the seed's section 9.1, with the hardware it was given for."""

    hardware: list[str]
    tp: int
    args: Args


@dataclass(frozen=True)
class RoleRecipe:
    """What one role (prefill, decode, standalone) adds."""

    args: Args = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """One served model of a family. `weights_gb` in 10⁹ bytes, of them `experts_gb`; `scores` are published ones, for
    `qcluster eval`."""

    name: str
    weights: str
    served_name: str
    since: str = ""
    weights_gb: float = 0
    experts_gb: float = 0
    args: Args = field(default_factory=dict)
    scores: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Recipe:
    """A model family: its shape, its flags by role, its presets, and the figures for sizing."""

    family: str
    title: str = ""
    source: str = ""
    shape: str = "dense"
    hybrid: bool = False
    max_model_len: int = 0
    pd_since: str = ""
    connector: str = "MooncakeConnectorV1"
    tp: int = 1
    tp_allowed: list[int] = field(default_factory=list)
    kv_bytes_per_token: int = 0
    args: Args = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, RoleRecipe] = field(default_factory=dict)
    preset: str = ""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    models: Mapping[str, Variant] = field(default_factory=dict)
    seed: bool = False


@dataclass(frozen=True)
class Hardware:
    """A server type. `npus` is how many a whole server has, `hbm_gb` what each holds."""

    name: str
    title: str
    npus: int
    hbm_gb: int
    suffix: str
    kv_port: int
    devices: list[str] = field(default_factory=list)
    mounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shim:
    """A change that one range of releases makes to what a recipe supplies."""

    id: str
    when: Mapping[str, Any]
    what: str
    why: str
    source: str
    args: Args = field(default_factory=dict)
    env: Mapping[str, str | None] = field(default_factory=dict)
    merge: Mapping[str, Args] = field(default_factory=dict)
    only_replacing: str = ""


@dataclass(frozen=True)
class Deviation:
    """Where a plan departs from the seed document."""

    id: str
    when: Mapping[str, Any]
    what: str
    why: str
    source: str


@cache
def _table(name: str) -> dict[str, Any]:
    text = files("qcluster.recipes").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return dict(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {})


@cache
def recipes() -> Mapping[str, Recipe]:
    """Every family, by its file's name."""
    names = sorted(entry.name[:-5] for entry in files("qcluster.recipes").iterdir() if entry.name.endswith(".yaml"))
    return {name: _recipe(name, _table(name)) for name in names if name not in _TABLES}


def _recipe(family: str, data: Mapping[str, Any]) -> Recipe:
    parts = {
        "roles": {role: RoleRecipe(**entry) for role, entry in data.get("roles", {}).items()},
        "presets": {name: Preset(**entry) for name, entry in data.get("presets", {}).items()},
        "models": {name: Variant(name, **entry) for name, entry in data.get("models", {}).items()},
    }
    return Recipe(family, **{**data, **parts})


@cache
def models() -> Mapping[str, tuple[Recipe, Variant]]:
    """Every model that has a recipe, by its name."""
    return {name: (recipe, variant) for recipe in recipes().values() for name, variant in recipe.models.items()}


@cache
def hardware() -> Mapping[str, Hardware]:
    """Every server type, by its name in inventories."""
    return {name: Hardware(name, **entry) for name, entry in _table("hardware").items()}


def releases() -> Mapping[str, Any]:
    """`releases.yaml` as written: default, registries, the matrix."""
    return _table("releases")


@cache
def shims() -> tuple[Shim, ...]:
    """The release shims, in the order in which they are applied."""
    return tuple(Shim(**entry) for entry in _table("releases")["shims"])


@cache
def deviations() -> tuple[Deviation, ...]:
    """Every known departure from the seed document."""
    return tuple(Deviation(**entry) for entry in _deviations())


@cache
def _deviations() -> tuple[Mapping[str, Any], ...]:
    return tuple(_table("deviations")["deviations"])


@cache
def flags(vllm: str) -> frozenset[str]:
    """The flags that `vllm serve` of a version takes; for a version that was not read, those of any."""
    table = _table("flags")
    some: Mapping[str, list[str]] = table["some"]
    known = vllm in table["versions"]
    return frozenset((*table["always"].split(), *(name for name, had in some.items() if not known or vllm in had)))


def base() -> Mapping[str, Any]:
    """`base.yaml`: what every instance gets."""
    return _table("base")


def oldest_driver(version: str) -> str:
    """The driver that a release is made for; of one whose row does not say, that of the next older one."""
    rows: Mapping[str, Mapping[str, Any]] = releases()["releases"]
    names = list(rows)
    start = names.index(version) if version in rows else 0
    return next((str(rows[name]["driver"]) for name in names[start:] if "driver" in rows[name]), "")


def release_entry(version: str) -> Mapping[str, Any]:
    """The matrix row of a release; of the newest one for a version that is not listed."""
    rows: Mapping[str, Mapping[str, Any]] = releases()["releases"]
    return rows.get(version) or next(iter(rows.values()))
