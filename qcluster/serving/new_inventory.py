"""A new inventory as text, with comments that say what may be changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Hosts = Sequence[tuple[str, str]]
"""(name, address) in order."""


@dataclass(frozen=True)
class Wanted:
    """What `qcluster init` was told."""

    model: str
    hardware: str
    user: str
    roles: Mapping[str, Hosts]
    tp: int | None = None
    dp: int | None = None
    preset: str = ""
    shape: str = ""
    """Of a model without a recipe: `model` is then its hub id or folder."""


def inventory_text(wanted: Wanted) -> str:
    """The YAML of an inventory."""
    return "\n".join(_lines(wanted)) + "\n"


def _lines(wanted: Wanted) -> Iterator[str]:
    counts = ", ".join(f"{len(hosts)} {role}" for role, hosts in wanted.roles.items() if hosts)
    yield f"# {wanted.model}: {counts}. Check it: qcluster check; see it: qcluster plan; start it: qcluster up"
    yield "all:"
    yield "  vars:"
    yield f"    ansible_user: {wanted.user}  # the SSH user; with ansible_become: true for sudo"
    yield from _model(wanted)
    yield f"    hardware: {wanted.hardware}  # a2, a3, or auto (asked of the host)"
    yield from _sizes(wanted)
    yield "    # release: v0.23.0            # vllm-ascend's release; the image follows from it and the hardware"
    yield "    # weights_dir: ~/.cache/qcluster  # weights_shared: true where it is one folder for all hosts"
    yield from _flags(wanted)
    yield "  children:"
    for role, hosts in wanted.roles.items():
        if hosts:
            yield f"    {role}:"
            yield "      hosts:"
            yield from (f"        {name}: {{ansible_host: {quoted(address)}}}" for name, address in hosts)


def _model(wanted: Wanted) -> Iterator[str]:
    if not wanted.shape:
        yield f"    model: {wanted.model}  # qcluster recipes lists what is known"
        return
    yield "    model:  # without a recipe"
    yield f"      weights: {wanted.model}  # a hub id, or a folder of the hosts"
    yield f"      served_name: {wanted.model.rstrip('/').rpartition('/')[2]}  # what clients ask for"
    yield f"      shape: {wanted.shape}  # dense, or moe (mixture of experts)"


def _flags(wanted: Wanted) -> Iterator[str]:
    if not wanted.shape:
        yield "    # vllm_args: {max-model-len: 65536}  # over the recipe's flags; null removes one"
        return
    yield "    # vllm_args:  # as the model's own guide says, also for prefill and decode each; for example:"
    yield "    #   max-model-len: 32768"
    yield "    #   quantization: ascend  # of weights in w8a8 or w4a8"


def _sizes(wanted: Wanted) -> Iterator[str]:
    if wanted.preset:
        yield f"    preset: {wanted.preset}  # high-throughput, low-latency or long-context"
    if wanted.tp:
        yield f"    tp: {wanted.tp}  # NPUs that share one replica"
    if wanted.dp:
        yield f"    dp: {wanted.dp}  # replicas a host"


def quoted(address: str) -> str:
    """As YAML: the colons of an IPv6 address need quotes."""
    return f'"{address}"' if ":" in address else address
