"""Each host's part: images, containers, mounts, folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from qcluster.serving import catalogue
from qcluster.serving.deployment import Deployment
from qcluster.serving.options import options
from qcluster.serving.placement import Placement
from qcluster.serving.plan import Container, DraftModel, HostPlan, Instance
from qcluster.serving.topology import Slot


def state_dir(deployment: str, placement: Placement) -> str:
    """Where qcluster keeps everything of this deployment on the host (docs/decisions/0003)."""
    variables = placement.host.variables
    root = variables.get("ansible_user") == "root" or bool(variables.get("ansible_become"))
    default = "/var/lib/qcluster" if root else "~/.local/state/qcluster"
    return f"{from_home(placement.settings.state_root or default)}/{deployment}"


def weights_dir(placement: Placement) -> str:
    """The weights folder of the host."""
    return from_home(placement.settings.weights_dir)


def from_home(folder: str) -> str:
    """A folder without its last slash; `~` becomes the fact that `up` binds."""
    return "<fact:home>" + folder.rstrip("/")[1:] if folder.startswith("~/") else folder.rstrip("/")


def model_path(deployment: Deployment, placement: Placement) -> str:
    """What the engines are given: a local folder, filled before the first engine starts."""
    weights = deployment.variant.weights
    return f"{weights_dir(placement)}/{weights}" if deployment.downloaded else weights


def images(deployment: Deployment, placement: Placement) -> tuple[str, ...]:
    """The image in every registry, in the order to try."""
    settings = placement.settings
    if settings.container_runtime == "host":
        return ()
    if settings.image:
        return (settings.image,)
    table = catalogue.releases()
    tag = deployment.release + _chip(settings.hardware) + _os(settings.image_os)
    return tuple(
        f"{registry.rstrip('/')}/{table['image']}:{tag}" for registry in settings.registries or table["registries"]
    )


def _chip(hardware: str) -> str:
    return "<fact:chip_suffix>" if hardware == "auto" else catalogue.hardware()[hardware].suffix


def _os(image_os: str) -> str:
    suffixes: Mapping[str, str] = catalogue.releases()["image_os"]
    return "<fact:os_suffix>" if image_os == "auto" else suffixes[image_os]


def container_name(deployment: Deployment, slot: Slot) -> str:
    """One container a host, or one a replica."""
    return f"qcluster-{deployment.name}" + (f"-{slot.name}" if _alone(slot) else "")


def _alone(slot: Slot) -> bool:
    """Whether the process has a container for itself."""
    return slot.placement.settings.container_per == "engine" and slot.kind == "replica"


def container_devices(slot: Slot, own: Iterable[Slot]) -> tuple[int, ...]:
    """Physical ids that the slot's container maps: its own, or all that the roles of its host (`own`) were given."""
    return tuple(sorted(slot.devices)) if _alone(slot) else host_npus(own)


def host_npus(own: Iterable[Slot]) -> tuple[int, ...]:
    """What the roles of a host were given, used or not."""
    return tuple(sorted({npu for slot in own for npu in slot.placement.settings.npus or ()}))


def host_plan(deployment: Deployment, own: Sequence[Slot], instances: Iterable[Instance]) -> HostPlan:
    """A host that serves, from its processes. Digests and labels are put in later."""
    first = own[0].placement
    return HostPlan(
        name=first.host.name,
        address=first.address,
        nic=first.settings.nic,
        hardware=hardware_name(first),
        npus=host_npus(own),
        roles=tuple(dict.fromkeys(slot.placement.role for slot in own)),
        state_dir=state_dir(deployment.name, first),
        weights_dir=weights_dir(first),
        weights_shared=first.settings.weights_shared,
        containers=tuple(_containers(deployment, own)),
        digest="",
        drafts=_drafts(weights_dir(first), instances),
    )


def _drafts(weights: str, own: Iterable[Instance]) -> tuple[DraftModel, ...]:
    """The draft models that the host's engines name by a folder; a hub id is left to the lint (QC604)."""
    paths = dict.fromkeys(draft_path(one.argv) for one in own)
    return tuple(DraftModel(path, _hub_id(path, weights)) for path in paths if path)


def draft_path(argv: Sequence[str]) -> str:
    """The folder of the draft model in a command line; empty where the model drafts for itself (MTP)."""
    config = options(argv).get("speculative-config")
    named = config.get("model") if isinstance(config, dict) else ""
    own = not isinstance(named, str) or named == argv[2]
    return "" if own or not str(named).startswith(("/", "<fact:home>/")) else str(named)


def _hub_id(path: str, weights: str) -> str:
    below = path.removeprefix(f"{weights}/")
    return below if below != path and re.fullmatch(r"[^/]+/[^/]+", below) else ""


def hardware_name(placement: Placement) -> str:
    """The server type, or the fact that `up` binds."""
    return "<fact:hardware>" if placement.settings.hardware == "auto" else placement.settings.hardware


def _containers(deployment: Deployment, own: Sequence[Slot]) -> Iterator[Container]:
    for name, members in groupby(own, lambda slot: container_name(deployment, slot)):
        yield _container(deployment, name, list(members), own)


def _container(deployment: Deployment, name: str, members: list[Slot], own: Sequence[Slot]) -> Container:
    placement = members[0].placement
    settings = placement.settings
    tags = images(deployment, placement)
    devices = container_devices(members[0], own)
    docker = settings.container_runtime == "docker"
    return Container(
        name=name,
        host=placement.host.name,
        image=tags[0] if tags else "",
        images=tags,
        runtime=settings.container_runtime,
        devices=devices,
        device_paths=device_paths(settings.hardware, devices) if docker else (),
        mounts=mounts(deployment, placement) if docker else (),
        shm_size=settings.shm_size,
        labels={},
        instances=tuple(slot.name for slot in members),
        image_digest=settings.image_digest if docker else "",
    )


def device_paths(hardware: str, devices: Sequence[int]) -> tuple[str, ...]:
    """The character devices of a container: its NPUs, then the managers."""
    extra = catalogue.hardware()[hardware].devices if hardware != "auto" else []
    return (*(f"/dev/davinci{npu}" for npu in devices), *catalogue.base()["devices"], *extra)


def mounts(deployment: Deployment, placement: Placement) -> tuple[tuple[str, str], ...]:
    """(host path, container path): driver and tools, hccn.conf, weights, this deployment's state at the same path."""
    hardware = placement.settings.hardware
    extra = catalogue.hardware()[hardware].mounts if hardware != "auto" else {}
    state = state_dir(deployment.name, placement)
    weights = weights_dir(placement) if deployment.downloaded else deployment.variant.weights
    own = {state: state, f"{state}/cache": "/root/.cache", weights: weights}
    return tuple({**catalogue.base()["mounts"], **extra, **own}.items())
