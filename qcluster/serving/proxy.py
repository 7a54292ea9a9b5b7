"""The proxy: where it runs, which program it is, and its command line with every instance exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from qcluster.errors import Problem
from qcluster.inventory.folding import told
from qcluster.inventory.settings import problem_of
from qcluster.serving import catalogue
from qcluster.serving.deployment import CONNECTED, Deployment
from qcluster.serving.hosts import from_home, images, state_dir, weights_dir
from qcluster.serving.placement import Placement, read, rendered
from qcluster.serving.plan import HostPlan, Instance, ProxyPlan

_PLACE = ("ip", "nic", "ansible_host", "state_root", "weights_dir", "proxy_port", "proxy_kind", "proxy", "image")
"""What a host that only runs the proxy may say of itself."""
LAYERWISE = "MooncakeLayerwiseConnector"


def proxy_plan(deployment: Deployment, instances: Sequence[Instance], problems: list[Problem]) -> ProxyPlan | None:
    """The proxy of a PD deployment; None for standalone hosts, which are services of their own."""
    prefill = deployment.of("prefill")
    if not prefill or not deployment.of("decode"):
        return None
    there = _placed(deployment, prefill[0], problems)
    address = there.address
    settings = prefill[0].settings
    port = _own(there, "proxy_port", settings.proxy_port)
    kind = _kind(_own(there, "proxy_kind", settings.proxy_kind), settings.connector)
    image = images(deployment, prefill[0])
    if settings.container_runtime == "docker" and (own := _own(there, "image", "")):
        image = (own,)
    return ProxyPlan(
        host=there.host.name,
        address=address,
        port=port,
        kind=kind,
        argv=tuple(_argv(kind, deployment, (address, port), instances)),
        image=image[0] if image else "",
        container=f"qcluster-{deployment.name}-proxy",
        labels={},
        log=f"{state_dir(deployment.name, there)}/logs/proxy.log",
        digest="",
        images=image,
    )


def _own(there: Placement, name: str, otherwise: Any) -> Any:
    """What the proxy's host says, where it says something."""
    said = name in there.variables or (name == "proxy_kind" and "proxy" in there.variables)
    return getattr(there.settings, name) if said else otherwise


def proxy_only(deployment: Deployment, hosts: Sequence[HostPlan]) -> Iterator[HostPlan]:
    """The proxy's host, where it serves nothing itself."""
    there = _placed(deployment, deployment.placements[0], []) if deployment.of("prefill") else None
    if there is None or there.host.name in {host.name for host in hosts}:
        return
    yield HostPlan(
        name=there.host.name,
        address=there.address,
        nic=there.settings.nic or "<fact:nic>",
        hardware="",
        npus=(),
        roles=("proxy",),
        state_dir=state_dir(deployment.name, there),
        weights_dir=weights_dir(there),
        weights_shared=False,
        containers=(),
        digest="",
    )


def _placed(deployment: Deployment, first: Placement, problems: list[Problem]) -> Placement:
    """The one host of group `proxy`, else the first prefill host."""
    group = deployment.inventory.groups.get("proxy")
    if group is None or not group.hosts:
        return first
    if len(group.hosts) > 1:
        what = f"has several hosts ({told(group.hosts)})"
        problems.append(problem_of(deployment.inventory, "proxy", what, "a deployment has one proxy"))
    host = deployment.inventory.hosts[group.hosts[0]]
    settings = read(host, rendered(host, host.variables, _PLACE, problems), problems)
    return Placement(host, "proxy", "proxy", settings, host.variables)


def _kind(wanted: str, connector: str) -> str:
    if wanted != "auto":
        return wanted
    return "vllm-ascend-layerwise" if connector == LAYERWISE else "vllm-ascend"


def _argv(kind: str, deployment: Deployment, at: tuple[str, int], instances: Sequence[Instance]) -> Iterator[str]:
    sides = [[one for one in instances if one.role == role and one.port] for role in CONNECTED]
    return _router(at, sides) if kind == "vllm-router" else _example(_program(kind, deployment), at, sides)


def _program(kind: str, deployment: Deployment) -> str:
    """Where the example's file is: in the image, or in the sources on the host."""
    base, settings = catalogue.base(), deployment.placements[0].settings
    there = base["source_home"] if settings.container_runtime == "host" else base["source_dir"]
    return f"{from_home(settings.source_dir or there)}/{base['proxy'][kind]}"


def _example(program: str, at: tuple[str, int], sides: Sequence[Sequence[Instance]]) -> Iterator[str]:
    """vllm-ascend's example balancers (examples/disaggregated_prefill_v1 at v0.23.0)."""
    yield from ("python3", program, "--port", str(at[1]), "--host", at[0])
    for side, members in zip(("prefiller", "decoder"), sides, strict=True):
        yield from (f"--{side}-hosts", *(one.address for one in members))
        yield from (f"--{side}-ports", *(str(one.port) for one in members))


def _router(at: tuple[str, int], sides: Sequence[Sequence[Instance]]) -> Iterator[str]:
    """vllm-router 0.1.17 in PD mode; its `nixl` protocol is the one that the example balancers speak."""
    yield from ("vllm-router", "--host", at[0], "--port", str(at[1]), "--vllm-pd-disaggregation")
    for side, members in zip(CONNECTED, sides, strict=True):
        for one in members:
            yield from (f"--{side}", f"http://{one.address}:{one.port}")
    yield from ("--policy", "round_robin", "--kv-connector", "nixl")
