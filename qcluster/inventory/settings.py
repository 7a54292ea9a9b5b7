"""This project's inventory variables: types, defaults, meaning. Any other variable is free, as in Ansible.

`validate(inventory)` says what is wrong with them, all at once; `plan`, `check` and `up` refuse it, `run` and `exec`
do not ask. Source: issue 2.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qcluster.errors import InputError, Problem
from qcluster.facts import weights_pins
from qcluster.inventory.kinds import CONVERTERS, Setting, WrongValue
from qcluster.inventory.model import Group, Host, Inventory, Origin
from qcluster.schema import base_trap, bool_trap
from qcluster.spelling import all_nearest, nearest
from qcluster.templating import Templar, TemplateError

ROLES = ("prefill", "decode", "standalone")
GROUPS = (*ROLES, "proxy")
GROUP_MEANINGS = {
    "prefill": "Hosts whose engines read prompts and hand their KV cache on; needs `decode`.",
    "decode": "Hosts whose engines write the answers; needs `prefill`.",
    "standalone": "Hosts whose engines do both, each a service of its own, without a proxy.",
    "proxy": "The one host that the proxy runs on, in `prefill` or not; default: the first prefill host.",
}
"""What a deployment's groups are; hosts outside of them take no part."""
PER_RANK = ("vllm_args", "vllm_env")
"""Rendered later, for each rank, over the rank's own facts."""


def _of(group: str, **settings: Setting) -> dict[str, Setting]:
    return {name: Setting(**{**vars(setting), "group": group}) for name, setting in settings.items()}


_PROXIES = ("auto", "vllm-ascend", "vllm-ascend-layerwise", "vllm-router")
_WEIGHTS = ("modelscope", "huggingface", "path", "rsync FROM", "from HOST")
SETTINGS: Mapping[str, Setting] = {
    **_of(
        "What is served",
        deployment=Setting("text", "", "name of the deployment; default: the inventory file's name", shared=True),
        model=Setting("model", "Qwen3.5-27B-w8a8", "a recipe's model, or a mapping that defines one", shared=True),
        preset=Setting("text", "", "scenario of the seed's section 9.1, standalone only"),
        concurrency=Setting("int", None, "expected concurrent requests; only linted", shared=True),
        api_key=Setting("secret", "", "key that clients must send; use !vault", shared=True),
    ),
    **_of(
        "Release and image",
        release=Setting("text", "", "vllm-ascend release, such as v0.23.0", shared=True),
        registries=Setting("texts", (), "image registries, tried in order", shared=True),
        image=Setting("text", "", "full image reference, instead of release and hardware"),
        image_os=Setting("text", "auto", "OS of the image", ("auto", "ubuntu", "openeuler")),
        image_source=Setting("source", "pull", "how the image gets to a host", ("pull", "load FILE", "from HOST")),
        image_file=Setting("text", "", "archive that `docker load` reads (image_source: load)"),
        image_digest=Setting("text", "", "digest that the image must have (sha256:…)"),
        image_platform=Setting("text", "", "platform to pull, such as linux/arm64"),
        container_runtime=Setting("text", "docker", "where engines run", ("docker", "host")),
        container_per=Setting("text", "host", "one container a host, or (dense) a replica", ("host", "engine")),
        shm_size=Setting("text", "16g", "/dev/shm of a container"),
        source_dir=Setting(
            "text", "", "vllm-ascend's source folder with container_runtime: host (default ~/vllm-ascend)"
        ),
    ),
    **_of(
        "Hosts",
        hardware=Setting("text", "auto", "server type", ("a2", "a3", "a5", "310p", "auto")),
        npus=Setting("npus", None, "how many NPUs, or their physical ids: [0, 1, 6, 7] or 0-1,6-7"),
        ip=Setting("text", "", "address that other hosts reach; default: ansible_host"),
        nic=Setting("text", "", "network interface; default: the one that holds ip"),
        state_root=Setting("text", "", "folder for qcluster's state; default: /var/lib/qcluster as root, else under ~"),
        jemalloc=Setting("text", "auto", "preload jemalloc where it is installed", ("auto", "off")),
    ),
    **_of(
        "Parallel sizes",
        dp=Setting("int", None, "dense: replicas a host; MoE: size of one DP group"),
        dp_local=Setting("int", None, "MoE: ranks of a group on this host"),
        dp_mode=Setting("text", "", "one process with all ranks, or one a rank", ("internal", "external")),
        tp=Setting("int", None, "tensor parallel size"),
        pp=Setting("int", 1, "pipeline parallel size; tp·pp·pcp may take several hosts (then dp is 1)"),
        pcp=Setting("int", None, "prefill context parallel size (alias: cp)"),
        cp=Setting("int", None, "alias of pcp"),
        dcp=Setting("int", 1, "decode context parallel size"),
    ),
    **_of(
        "Ports",
        port_base=Setting("int", None, "first API port: 7100, standalone 8000", smallest=1024),
        dp_rpc_port=Setting("int", 12321, "port of a MoE group's master", smallest=1024),
        master_port=Setting("int", 12331, "where the hosts of a rank larger than a host meet", smallest=1024),
        kv_port=Setting("int", None, "first KV handshake port: 36000 on A3, 28000 on A2, decode +200", smallest=1024),
        proxy_port=Setting("int", 1999, "port that clients use", shared=True),
    ),
    **_of(
        "KV transfer and proxy",
        connector=Setting("text", "", "KV connector; default: the recipe's"),
        kv_extra=Setting("mapping", {}, "merged into kv_connector_extra_config"),
        kv_pool=Setting("mapping", {}, "a second connector (MultiConnector), such as AscendStoreConnector"),
        proxy_kind=Setting("text", "auto", "proxy program (alias: proxy)", _PROXIES, shared=True),
        proxy=Setting("text", "", "alias of proxy_kind", _PROXIES, shared=True),
    ),
    **_of(
        "Weights",
        weights_dir=Setting("text", "~/.cache/qcluster", "folder for downloaded weights"),
        weights_shared=Setting("bool", False, "weights_dir is the same folder on every host"),
        weights_source=Setting("source", "", "where weights come from; default: modelscope, or path", _WEIGHTS),
        weights_spread=Setting("text", "stream", "once and from host to host, or each by itself", ("stream", "each")),
        weights_manifest=Setting("text", "", "file on the controller: `SHA256 SIZE NAME` lines, or those of sha256sum"),
        weights_reread=Setting("bool", False, "read the weights anew instead of trusting size and time"),
    ),
    **_of(
        "Engines",
        vllm_args=Setting("mapping", {}, "flag → value, over the recipe's; null removes"),
        vllm_env=Setting("mapping", {}, "environment, over the recipe's; null removes"),
    ),
}


def convert(name: str, value: Any) -> Any:
    """`value` (rendered) as the type of variable `name`; its default for None. Raises WrongValue."""
    setting = SETTINGS[name]
    if value is None:
        return setting.default
    converted = CONVERTERS[setting.kind](value, setting)
    if setting.choices and setting.kind != "source" and converted not in setting.choices:
        near = nearest(str(converted), setting.choices)
        meant = f"; did you mean {near!r}?" if near else ""
        raise WrongValue(f"is {converted!r}; it takes {', '.join(setting.choices)}{meant}")
    return converted


def near_miss(name: str) -> str:
    """The variable that `name` probably misspells (`x`; `x' or 'y` where both are as near), else ''."""
    if name in SETTINGS or name.startswith("ansible_"):
        return ""
    return "' or '".join(all_nearest(name, SETTINGS, cutoff=0.8))


def validate(inventory: Inventory) -> list[Problem]:
    """Everything that is wrong with this project's variables, sorted by place; each place once."""
    problems = {problem for host in inventory.hosts.values() for problem in _of_host(host)}
    problems.update(_of_groups(inventory))
    problems.update(_of_sources(inventory))
    problems.update(_of_files(inventory))
    return sorted(problems)


def _of_host(host: Host) -> Iterator[Problem]:
    templar = Templar({"inventory_hostname": host.name, **host.variables})
    for name in host.variables:
        if near := near_miss(name):
            yield problem_at(host, name, "is not a variable of qcluster", f"did you mean '{near}'?")
        elif name in SETTINGS and (problem := _wrong(host, name, templar)) is not None:
            yield problem


def _wrong(host: Host, name: str, templar: Templar) -> Problem | None:
    value = host.variables[name]
    if hint := value_trap(name, origin_of(host, name)):
        return problem_at(host, name, "is not what it looks like", hint)
    try:
        convert(name, value if name in PER_RANK else templar.render(value))
    except WrongValue as error:
        return wrong_value(host, name, error)
    except TemplateError as error:
        return problem_at(host, name, error.what)
    return None


def wrong_value(host: Host, name: str, error: WrongValue) -> Problem:
    """The problem that a wrong value is, with what YAML made of it where that surprises."""
    return problem_at(host, name, str(error), bool_trap(origin_of(host, name).written))


def value_trap(name: str, origin: Origin) -> str:
    """Why a number is not the one that was written (base 60, octal); '' for anything else."""
    return base_trap(origin.written) if SETTINGS[name].kind in ("text", "int", "npus", "model") else ""


def _of_sources(inventory: Inventory) -> Iterator[Problem]:
    """`from HOST` names a host of the inventory, and `load` has a file."""
    for host in inventory.hosts.values():
        for name in ("image_source", "weights_source"):
            word, _, source = str(host.variables.get(name, "")).partition(" ")
            if word == "from" and source and "{{" not in source and source.strip() not in inventory.hosts:
                near = nearest(source.strip(), inventory.hosts)
                hint = f"did you mean '{near}'?" if near else f"hosts: {', '.join(inventory.hosts)}"
                yield problem_at(host, name, f"there is no host {source.strip()!r}", hint)
        if str(host.variables.get("image_source", "")).strip() == "load" and not host.variables.get("image_file"):
            yield problem_at(host, "image_source", "is 'load', which needs a file", "load FILE, or image_file")


def _of_files(inventory: Inventory) -> Iterator[Problem]:
    """A file of the controller that a variable names, beside the inventory or at its own place, can be used."""
    source = Path(inventory.path)
    beside = source if source.is_dir() else source.parent
    wrong = functools.cache(_of_pins)
    for host in inventory.hosts.values():
        name = host.variables.get("weights_manifest")
        if isinstance(name, str) and name and "{{" not in name and (what := wrong(beside / Path(name).expanduser())):
            yield problem_at(host, "weights_manifest", what)


def _of_pins(path: Path) -> str:
    """What is wrong with a manifest of weights; empty where nothing is."""
    if not path.is_file():
        return f"there is no file {path}"
    try:
        weights_pins.read(path)
    except InputError as error:
        return str(error)
    return ""


def _of_groups(inventory: Inventory) -> Iterator[Problem]:
    for name in inventory.groups:
        near = nearest(name, GROUPS, cutoff=0.8)
        if name not in GROUPS and near and near not in inventory.groups:
            yield problem_of(inventory, name, "is not a role", f"did you mean '{near}'?")


def origin_of(host: Host, name: str) -> Origin:
    """Where the winning value of a variable was written."""
    origins = host.origins.get(name, ())
    return origins[-1] if origins else Origin("", 0, "")


def problem_at(host: Host, name: str, what: str, hint: str = "") -> Problem:
    """A problem with a host's variable, where that was written; one that was not, where the host is first named."""
    origin = origin_of(host, name)
    owner = host.name if origin.level in ("host", "") else origin.level
    place = (origin.file, origin.line) if origin.level else (host.file, host.line)
    return Problem(*place, f"{owner}: {name}", what, hint)


def problem_of(inventory: Inventory, group: str, what: str, hint: str = "") -> Problem:
    """A problem with a group as such, where it is first named."""
    named = inventory.groups.get(group, Group(group))
    return Problem(named.file or inventory.path, named.line, group, what, hint)
