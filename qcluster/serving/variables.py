"""This project's inventory variables: their types, defaults and meaning. Others are free, as in Ansible."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("prefill", "decode", "standalone")
GROUPS = (*ROLES, "proxy")


@dataclass(frozen=True)
class Variable:
    """`kind`: text, int, bool, texts, mapping, npus, model. `shared`: one value for the whole deployment."""

    kind: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    shared: bool = False
    smallest: int = 1


VARIABLES: Mapping[str, Variable] = {
    "deployment": Variable("text", "", "name of the deployment; default: the inventory file's name", shared=True),
    "model": Variable("model", "Qwen3.5-27B-w8a8", "a recipe's model, or a mapping that defines one", shared=True),
    "release": Variable("text", "", "vllm-ascend release, such as v0.23.0", shared=True),
    "registries": Variable("texts", (), "image registries, tried in order", shared=True),
    "image": Variable("text", "", "full image reference, instead of release and hardware"),
    "image_os": Variable("text", "auto", "OS of the image", ("auto", "ubuntu", "openeuler")),
    "hardware": Variable("text", "auto", "server type", ("a2", "a3", "a5", "310p", "auto")),
    "npus": Variable("npus", None, "how many NPUs, or the list of physical ids"),
    "ip": Variable("text", "", "address that other hosts reach; default: ansible_host"),
    "nic": Variable("text", "", "network interface; default: the one that holds ip"),
    "dp": Variable("int", None, "dense: replicas a host; MoE: size of one DP group"),
    "dp_local": Variable("int", None, "MoE: ranks of a group on this host"),
    "dp_mode": Variable("text", "", "one process with all ranks, or one a rank", ("internal", "external")),
    "tp": Variable("int", None, "tensor parallel size"),
    "pp": Variable("int", 1, "pipeline parallel size"),
    "pcp": Variable("int", None, "prefill context parallel size (alias: cp)"),
    "cp": Variable("int", None, "alias of pcp"),
    "dcp": Variable("int", 1, "decode context parallel size"),
    "preset": Variable("text", "", "scenario of the seed's section 9.1, standalone only"),
    "port_base": Variable("int", None, "first API port: 7100, standalone 8000", smallest=1024),
    "dp_rpc_port": Variable("int", 12321, "port of a MoE group's master", smallest=1024),
    "kv_port": Variable("int", None, "first KV handshake port: 36000 on A3, 28000 on A2, decode +200", smallest=1024),
    "kv_extra": Variable("mapping", {}, "merged into kv_connector_extra_config"),
    "kv_pool": Variable("mapping", {}, "a second connector (MultiConnector), such as AscendStoreConnector"),
    "connector": Variable("text", "", "KV connector; default: the recipe's"),
    "proxy_port": Variable("int", 1999, "port that clients use", shared=True, smallest=1),
    "proxy_kind": Variable(
        "text", "auto", "proxy program", ("auto", "vllm-ascend", "vllm-ascend-layerwise", "vllm-router"), shared=True
    ),
    "weights_dir": Variable("text", "~/.cache/qcluster", "folder for downloaded weights"),
    "state_root": Variable("text", "", "folder for qcluster's state; default: /var/lib/qcluster as root, else under ~"),
    "weights_shared": Variable("bool", False, "weights_dir is the same folder on every host"),
    "vllm_args": Variable("mapping", {}, "flag → value, over the recipe's; null removes"),
    "vllm_env": Variable("mapping", {}, "environment, over the recipe's; null removes"),
    "container_runtime": Variable("text", "docker", "where engines run", ("docker", "host")),
    "container_per": Variable("text", "host", "one container a host, or (dense) a replica", ("host", "engine")),
    "shm_size": Variable("text", "16g", "/dev/shm of a container"),
    "jemalloc": Variable("text", "auto", "preload jemalloc where it is installed", ("auto", "off")),
    "source_dir": Variable("text", "", "vllm-ascend's source folder (container_runtime: host)"),
    "concurrency": Variable("int", None, "expected concurrent requests; only linted", shared=True),
}


class WrongValue(ValueError):
    """A value that its variable cannot take; the text says why."""


def convert(name: str, value: Any) -> Any:
    """`value` as the type of variable `name`. Raises WrongValue."""
    variable = VARIABLES[name]
    if value is None:
        return variable.default
    converted = _CONVERTERS[variable.kind](value, variable)
    if variable.choices and converted not in variable.choices:
        raise WrongValue(f"is {converted!r}; it takes {', '.join(variable.choices)}")
    return converted


def _text(value: Any, _variable: Variable) -> str:
    if isinstance(value, bool | list | dict | float):
        raise WrongValue(f"is {_kind(value)}, not a text; quote it")
    return str(value)


def _int(value: Any, variable: Variable) -> int:
    if isinstance(value, bool) or not str(value).strip().lstrip("-").isdigit():
        raise WrongValue(f"is {value!r}, not a whole number")
    if not variable.smallest <= int(value) <= 65535:
        raise WrongValue(f"is {value}; it takes {variable.smallest} to 65535")
    return int(value)


def _bool(value: Any, _variable: Variable) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise WrongValue(f"is {value!r}, not true or false")
    return words[str(value).lower()]


def _texts(value: Any, variable: Variable) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise WrongValue("is not a list")
    return tuple(_text(item, variable) for item in value)


def _mapping(value: Any, _variable: Variable) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongValue(f"is {_kind(value)}, not a mapping")
    return value


def _npus(value: Any, variable: Variable) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        return tuple(range(_int(value, variable)))
    ids = tuple(_int(item, Variable("int", None, "", smallest=0)) for item in value)
    if not ids or len(set(ids)) != len(ids):
        raise WrongValue("is empty" if not ids else "names an NPU twice")
    return ids


def _model(value: Any, variable: Variable) -> Any:
    return value if isinstance(value, dict) else _text(value, variable)


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", bool: "true or false", float: "a number with a fraction"}.get(
        next((kind for kind in (bool, dict, list, float) if isinstance(value, kind)), str), "a text"
    )


_CONVERTERS = {
    "text": _text,
    "int": _int,
    "bool": _bool,
    "texts": _texts,
    "mapping": _mapping,
    "npus": _npus,
    "model": _model,
}


def near_miss(name: str) -> str:
    """The variable that `name` probably misspells, else ''."""
    if name in VARIABLES or name.startswith("ansible_"):
        return ""
    return next(iter(difflib.get_close_matches(name, list(VARIABLES), n=1, cutoff=0.8)), "")
