"""What a person would run by hand: the seed's scripts, filled in. `run_dp_template.sh`, launcher, docker, proxy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from qcluster.command import Command
from qcluster.inventory.settings import SETTINGS
from qcluster.serving import catalogue
from qcluster.serving.hosts import device_paths
from qcluster.serving.options import options
from qcluster.serving.plan import Container, HostPlan, Instance, Plan

POSITIONAL = {
    "--port": "$2",
    "--data-parallel-size": "$3",
    "--data-parallel-rank": "$4",
    "--data-parallel-address": "$5",
    "--data-parallel-rpc-port": "$6",
    "--tensor-parallel-size": "$7",
}
"""What launch_online_dp.py passes to the template (examples/external_online_dp at v0.23.0)."""

_FACTS = {
    "<fact:nic>": "$nic_name",
    "<fact:home>": "${host_home:-$HOME}",  # inside a container HOME is another one
    "<fact:os_suffix>": "$os_suffix",
    "<fact:chip_suffix>": "$chip_suffix",
    "<fact:arch>": "$(uname -m)",
}
"""Facts of an unbound plan as shell expressions."""
DIGEST = "qcluster.digest"
"""The label of what `up` started; what a person starts is not that, so it has none and `up` replaces it."""


def quoted(text: str) -> str:
    """One word, as the one function that quotes for a shell writes it."""
    return Command((text,)).line


def scripts(plan: Plan) -> dict[str, str]:
    """File name → content, a folder a host."""
    files: dict[str, str] = {}
    for host in plan.hosts:
        for container in host.containers:
            if container.runtime == "docker":
                files[f"{host.name}/docker_run_{container.name}.sh"] = _script(_docker(host, container))
        for role in (role for role in host.roles if role != "proxy"):
            members = [one for one in plan.instances if one.host == host.name and one.role == role]
            folder = f"{host.name}/{role}" if len(host.roles) > 1 else host.name
            files.update({f"{folder}/{name}": text for name, text in _engines(plan, host, members).items()})
    if plan.proxy:
        files[f"{plan.proxy.host}/proxy.sh"] = _script(["exec " + _words(plan.proxy.argv, {})])
    return files


def _script(lines: Iterable[str]) -> str:
    return "\n".join(["#!/usr/bin/env bash", *lines]) + "\n"


def _engines(plan: Plan, host: HostPlan, members: Sequence[Instance]) -> dict[str, str]:
    """Template and launcher where the launcher can do it, else a script a process."""
    if _launchable(members):
        launcher = _launcher(plan, members)
        return {"run_dp_template.sh": _script(list(_template(host, members))), "launch.sh": _script(launcher)}
    return {f"run_{one.name}.sh": _script(_alone(host, one)) for one in members}


def _alone(host: HostPlan, one: Instance) -> Iterator[str]:
    yield from _preamble(host)
    yield from _environment(host, one, {})
    yield from _serve(one, {})


def _launchable(members: Sequence[Instance]) -> bool:
    """launch_online_dp.py counts devices from 0 without gaps and starts external ranks only."""
    width = len(members[0].devices)
    counted = [tuple(range(index * width, (index + 1) * width)) for index in range(len(members))]
    external = members[0].role != "standalone" and width == members[0].tp
    fits = external and [one.devices for one in members] == counted and members[0].port is not None
    return fits and all(_neutral(one) == _neutral(members[0]) for one in members)


def _neutral(one: Instance) -> tuple[object, ...]:
    """What one template must say for all: a process without what the launcher passes, its name and its kv_port."""
    env = {**one.env, "ASCEND_RT_VISIBLE_DEVICES": ""}
    words = [
        "" if before in POSITIONAL else word.replace(one.name, "NAME").replace(f'"{one.kv_port}"', "KV")
        for before, word in zip(one.argv, one.argv[1:], strict=False)
    ]
    return env, words


def _launcher(plan: Plan, members: Sequence[Instance]) -> list[str]:
    first = members[0]
    flags = options(first.argv)
    size = first.dp_size if first.dp_rank is not None else len(members)
    values = {
        "dp-size": size,
        "tp-size": first.tp,
        "dp-size-local": len(members),
        "dp-rank-start": first.dp_rank or 0,
        "dp-address": flags.get("data-parallel-address", first.address),
        "dp-rpc-port": flags.get("data-parallel-rpc-port", SETTINGS["dp_rpc_port"].default),
        "vllm-start-port": first.port,
    }
    words = " ".join(f"--{name} {value}" for name, value in values.items())
    folder = "/vllm-workspace/vllm-ascend/examples/external_online_dp"
    note = "" if plan.model.moe else "# Dense: the template uses devices, port, rank (as index) and tp only."
    call = f'cd "$(dirname "$0")" && exec python3 {folder}/launch_online_dp.py {words}'
    return [note, call] if note else [call]


def _preamble(host: HostPlan) -> Iterator[str]:
    yield f"local_ip={quoted(host.address)}"
    if host.nic.startswith("<fact"):
        yield "# The interface that holds local_ip"
        yield """nic_name=$(ip -o -4 addr show | awk -v ip="$local_ip" '$4 ~ "^"ip"/" {print $2; exit}')"""
    else:
        yield f"nic_name={quoted(host.nic)}"
    yield "unset http_proxy https_proxy ftp_proxy"


def _template(host: HostPlan, members: Sequence[Instance]) -> Iterator[str]:
    first = members[0]
    yield "# $1 devices, $2 port, $3 dp size, $4 dp rank, $5 dp address, $6 dp rpc port, $7 tp size"
    yield from _preamble(host)
    yield from _environment(host, first, {"ASCEND_RT_VISIBLE_DEVICES": '"$1"'})
    yield from _serve(first, _varying(members))


def _varying(members: Sequence[Instance]) -> dict[str, str]:
    """Texts of the first process that differ in the others, and the shell expressions that give them."""
    first = members[0]
    start = first.dp_rank or 0
    index = f"$(($4 - {start}))" if start else "$4"
    stem = first.name.removesuffix("0")
    varying = {first.name: f"{stem}{index}"}
    if len(members) > 1 and first.kv_port != members[1].kv_port and first.kv_port and members[1].kv_port:
        varying[f'"{first.kv_port}"'] = f'\\"$(({first.kv_port} + $4 * {members[1].kv_port - first.kv_port}))\\"'
    return varying


def _environment(host: HostPlan, one: Instance, given: Mapping[str, str]) -> Iterator[str]:
    for name, value in one.env.items():
        if "libjemalloc" in value or "jemalloc>" in value:
            yield from _jemalloc(value)
        else:
            own = '"$local_ip"' if value == host.address else _expanding(value)
            yield f"export {name}={given.get(name) or own}"


def _jemalloc(value: str) -> Iterator[str]:
    """Preloaded where it is installed: at the planned path, else at the one of either OS."""
    known = [path.format(arch="<fact:arch>") for path in catalogue.base()["jemalloc"].values()]
    paths = " ".join(_expanding(path) for path in (known if value.startswith("<fact:") else [value]))
    yield f"for jemalloc in {paths}; do"
    yield '  if [ -e "$jemalloc" ]; then export LD_PRELOAD="$jemalloc"; fi'
    yield "done"


def _expanding(value: str) -> str:
    """A double-quoted text in which `$NAME` is expanded, as in an engine's environment, and nothing is run."""
    value = re.sub(r'(["\\`]|\$(?![A-Za-z_{]))', r"\\\1", value)
    for fact, expression in _FACTS.items():
        value = value.replace(fact, expression)
    return f'"{value}"'


def _serve(one: Instance, varying: Mapping[str, str]) -> Iterator[str]:
    positional = POSITIONAL if varying else {}
    words = [quoted(word) for word in one.argv[:2]] + [_word(one.argv[2], {})]
    lines = [" ".join(words)]
    for word, before in zip(one.argv[3:], one.argv[2:], strict=False):
        if word.startswith("--"):
            lines.append(f"  {word}")
        else:
            lines[-1] += f' "{positional[before]}"' if before in positional else f" {_word(word, varying)}"
    yield " \\\n".join(["exec " + lines[0], *lines[1:]])


def _words(argv: Sequence[str], varying: Mapping[str, str]) -> str:
    return " ".join(_word(word, varying) for word in argv)


def _word(word: str, varying: Mapping[str, str]) -> str:
    """One shell word: literal parts single-quoted, marked parts as double-quoted expressions."""
    return _spliced(word, list({**_FACTS, **varying}.items())) or "''"


def _spliced(text: str, marks: Sequence[tuple[str, str]]) -> str:
    for position, (mark, expression) in enumerate(marks):
        if mark in text:
            before, after = text.split(mark, 1)
            return _spliced(before, marks[position + 1 :]) + f'"{expression}"' + _spliced(after, marks)
    return quoted(text) if text else ""


def _docker(host: HostPlan, container: Container) -> Iterator[str]:
    if "<fact:os_suffix>" in container.image:
        yield "os_suffix=  # or -openeuler"
    if "<fact:chip_suffix>" in container.image:
        yield "chip_suffix=  # A2; -a3 on A3, -a5 on 950"
    home = {"<fact:home>": "$HOME"}
    lines = [
        f"docker run -d --name {container.name} --net=host --shm-size={container.shm_size}",
        *(f"  --device {path}" for path in container.device_paths or device_paths("auto", container.devices)),
        *(['  -e host_home="$HOME"'] if "<fact:home>" in str(container.mounts) else []),
        *(f"  -v {_word(outside, home)}:{_word(inside, home)}" for outside, inside in container.mounts),
        *(f"  --label {name}={quoted(value)}" for name, value in container.labels.items() if name != DIGEST),
        f"  {_word(container.image, {})} sleep infinity",
    ]
    yield " \\\n".join(lines)
