"""Room for an image before it is fetched: what it takes on the disk, against what is free there. Issue 6, Image.

A pull transfers compressed layers and unpacks them; a registry says how much it transfers. A loaded archive is unpacked
twice for a while: docker puts its files beside the layers that it makes of them (moby, image/tarexport/load.go).
"""

from __future__ import annotations

from typing import Any

from qcluster.errors import UnreadableOutput
from qcluster.facts import image_room as fact
from qcluster.facts import images
from qcluster.facts.image_room import Room
from qcluster.modules import spread
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.carriage import size
from qcluster.modules.docker_image import archive, sources
from qcluster.modules.streams import progress

ROUGHLY = 25e9
"""Bytes that an image of vllm-ascend takes once unpacked, where no registry tells: 15 to 20 GB, and some air."""

LOADED = 2
"""What `docker load` takes for a while, for each byte of an image."""

PLAIN = ".tar"
"""How an archive ends that is not compressed."""

REMEDY = "free room there (docker system df; docker image prune -a)"


class ImageRoom:
    spec = Spec(
        {
            "name": Option("str", required=True, help="As that of docker_image."),
            "sources": Option("list", elements="str", default=(), help="As that of docker_image."),
            "platform": Option("str", default="", help="As that of docker_image."),
            "source": Option("str", default="pull", help="As that of docker_image."),
            "file": Option("path", default="", help="As that of docker_image."),
            "route": Option("dict", default=None, help="As that of docker_image."),
            "job_dir": Option("path", required=True, help="As that of docker_image."),
            "unpacks_to": Option(
                "float", default=3.0, help="Bytes on the disk for each that is pulled; 0: room is not looked at."
            ),
        },
        help="Fail where docker's disk has no room for an image that is to be fetched; warn where its size is unknown.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        loads = loaded(call, reach)
        if not call.args["unpacks_to"] or loads == 0:
            return Report(skipped="what will be fetched is not known, or is not to be looked at")
        job = images.place(str(call.args["job_dir"]), str(call.args["name"]))
        question = fact.image_room(job, str(call.args["platform"]), sources(call), ask=loads is None)
        try:
            room = question.parse(reach.transport.run(question.command))
        except UnreadableOutput as error:
            return _told(call, reach, f"the size of {call.args['name']} is unknown ({error})")
        return judged(call, reach, room, loads)


def loaded(call: Call, reach: Reach) -> int | None:
    """Bytes that an archive takes here, by the image of its sender or by its own size; None for a pull, 0: unknown."""
    route = call.args["route"] or {"how": spread.FETCH}
    if route["how"] == spread.STREAM:
        return LOADED * int((reach.variables_of(route["source"]).get("qcluster_image") or {}).get("size", 0))
    if route["how"] != spread.FETCH:
        return 0
    file = str(route.get("file") or archive(call))
    if not file:
        return None
    known = int((call.variables.get("qcluster_image") or {}).get("file_size", 0))
    return int(LOADED * known * (1 if file.endswith(PLAIN) else float(call.args["unpacks_to"])))


def judged(call: Call, reach: Reach, room: Room, loads: int | None) -> Report:
    """Nothing to say where the image is here or on its way, or where docker does not answer: others say that."""
    if room.present or room.running or not room.root:
        return Report()
    if room.free is None:
        return _told(call, reach, f"what is free in {room.root} is unknown, and the image wants room there")
    if loads:
        return _compared(call, reach, room, (loads, f"an archive that takes about {size(loads)} while it is loaded"))
    if room.download is None:
        return _unknown(call, reach, room)
    factor = float(call.args["unpacks_to"])
    wanted = int(room.download * factor)
    how = f"{room.source}, about {size(wanted)}: {size(room.download)} to pull, {factor:g} times that unpacked"
    return _compared(call, reach, room, (wanted, how))


def _compared(call: Call, reach: Reach, room: Room, wanted: tuple[int, str]) -> Report:
    values = {"download": room.download, "wanted": wanted[0], "free": room.free, "source": room.source}
    free = room.free or 0
    if free >= wanted[0]:
        return Report(values=values)
    what = f"{size(free)} are free in {room.root} for {wanted[1]}"
    if room.kin and free >= (room.download or wanted[0]):
        shared = f"{what}, less what it shares with the {room.kin} other images of its name"
        return _told(call, reach, shared, values)
    remedy = f"{REMEDY}, or `image_unpacks_to: 2` (0: do not look) where you know that it takes less"
    return Report(failed=f"{what}: {remedy}", values=values)


def _unknown(call: Call, reach: Reach, room: Room) -> Report:
    why = room.refused[-1] if room.refused else "no registry was asked"
    values = {"download": None, "free": room.free, "refused": list(room.refused)}
    if room.free is None or room.free >= ROUGHLY:
        return Report(values=values)
    what = f"the size of {call.args['name']} is unknown ({why}) and {size(room.free)} are free in {room.root}"
    return _told(call, reach, f"{what}; such an image wants about {size(ROUGHLY)}", values)


def _told(call: Call, reach: Reach, what: str, values: dict[str, Any] | None = None) -> Report:
    told = {"id": "disk", "summary": what, "remedy": REMEDY}
    progress(reach, call.host, f"{what}: {REMEDY}", kind="finding", data=told)
    return Report(values=values or {})


image_room = ImageRoom()
