"""The NPUs of an engine: which physical ones it sees, whether they are free, and what it holds on them."""

from __future__ import annotations

import os
import re

from qcluster.lab.tools import here
from qcluster.lab.tools.boxes import images, store

TOTAL_MB = 65536
IDLE_MB = 3450


class Unusable(Exception):
    """Why the devices cannot be used, as the log shows it."""


def visible(count: int) -> list[int]:
    """The physical ids that the engine's indices mean; `count` of them are needed."""
    mapped = _mapped()
    words = os.environ.get("ASCEND_RT_VISIBLE_DEVICES", "")
    indices = [int(word) for word in words.split(",")] if words else list(range(len(mapped)))
    outside = [index for index in indices if index >= len(mapped)]
    if outside:
        raise Unusable(f"RuntimeError: ASCEND_RT_VISIBLE_DEVICES:{outside[0]} out of range [0-{len(mapped)})")
    if len(indices) < count:
        raise Unusable(
            f"ValueError: World size ({count}) is larger than the number of available NPUs ({len(indices)}) in this "
            "node."
        )
    return [mapped[index] for index in indices[:count]]


def _mapped() -> list[int]:
    """The physical ids in this container, or of this host."""
    if not here.root():  # a real container made for tests: what is mapped in is in /dev
        return sorted(int(name[7:]) for name in os.listdir("/dev") if re.fullmatch(r"davinci\d+", name))
    record = own_container()
    if record is None:
        return [int(word) for word in here.machine().get("npus", "").split()]
    return _devices(record)


def _devices(record: store.Record) -> list[int]:
    paths = (device["PathOnHost"] for device in record["HostConfig"]["Devices"])
    return sorted(int(found[1]) for path in paths if (found := re.fullmatch(r"/dev/davinci(\d+)", path)))


def own_container() -> store.Record | None:
    ident = os.environ.get("QCLUSTER_LAB_CONTAINER")
    return store.container_file(ident) if ident and here.root() else None


def check(devices: list[int], utilization: float) -> None:
    """Raise Unusable for a wrong image, a missing driver, a device of another container, or one that is full."""
    if not here.root():
        return
    record = own_container()
    if record is not None:
        _check_container(record, devices)
    for device in devices:
        free = TOTAL_MB - IDLE_MB - used(device)
        if free < utilization * TOTAL_MB - IDLE_MB:
            raise Unusable(
                f"ValueError: Free memory on device ({free / 1024:.2f}/64.0 GiB) on startup is less than desired GPU "
                f"memory utilization ({utilization}, {utilization * 64:.2f} GiB). Decrease GPU memory utilization or "
                "reduce GPU memory used by other processes."
            )


def _check_container(record: store.Record, devices: list[int]) -> None:
    mounts = {mount["Destination"].rstrip("/") for mount in record["Mounts"]}
    if (
        not any(mount.startswith("/usr/local/Ascend/driver") for mount in mounts)
        and not record["HostConfig"]["Privileged"]
    ):
        raise Unusable("ImportError: libascend_hal.so: cannot open shared object file: No such file or directory")
    built = images.soc(images.reference(record["Config"]["Image"])[1])
    wanted = {"a2": "ascend910b1", "a3": "ascend910_9391"}.get(here.machine().get("hardware", ""), built)
    if built != wanted:
        raise Unusable(
            f"RuntimeError: the socversion {built.capitalize()} of bin package does not match the socversion "
            f"{wanted.capitalize()} of the device"
        )
    for other in store.containers():
        if other["Id"] != record["Id"] and store.settle(other)["State"]["Running"]:
            shared = sorted(set(_devices(other)) & set(devices))
            if shared:
                raise Unusable(
                    f"RuntimeError: rtSetDevice({shared[0]}) failed, error code is 507033. drvErr=87: device is busy"
                )


def used(device: int) -> int:
    """MB that live processes (and a leftover, by fault) hold on a device."""
    folder = f"{here.root()}/lab/use/{device}"
    total = 49105 if here.fault("npu-busy", f"{here.host()}:{device}") is not None else 0
    for pid in filter(str.isdigit, os.listdir(folder) if os.path.isdir(folder) else []):
        _, mb, *began = here.read(f"{folder}/{pid}").split()
        if here.alive(int(pid)) and began in ([], [here.began(int(pid))]):
            total += int(mb)
        else:
            os.unlink(f"{folder}/{pid}")
    return total


def hold(device: int, pid: int, title: str, utilization: float) -> None:
    """Show `pid` on the device in npu-smi for as long as it lives."""
    folder = f"{here.root()}/lab/use/{device}"
    if here.root() and os.path.isdir(folder):
        here.write(f"{folder}/{pid}", f"{title} {int(utilization * TOTAL_MB) - IDLE_MB} {here.began(pid)}\n")
