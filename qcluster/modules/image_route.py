"""Decide for all hosts at once how each gets the image where it is not pulled, and open the way (run_once).

With `load FILE` the hosts that have the file load it and send it to the others; a file that only the controller has is
sent to one host first. With `from HOST` that host pulls the image if it lacks it, saves it and sends it. Needs the fact
`qcluster_image` (image_found) of every host; sets `qcluster_image_route`. Issue 6, Image.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcluster.errors import InputError, TaskFailed
from qcluster.facts import images
from qcluster.facts.jobs import begin
from qcluster.modules import spread
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.sending import open_way
from qcluster.modules.streams import note, tail
from qcluster.modules.upload import upload

Known = Mapping[str, Mapping[str, Any]]
Routes = dict[str, dict[str, str]]


class ImageRoute:
    spec = Spec(
        {
            "source": Option("str", default="pull", help="As that of docker_image."),
            "file": Option("path", default="", help="As that of docker_image."),
            "begin": Option("bool", default=False, help="Only what needs no waiting."),
            "timeout": Option("int", default=7200, help="Seconds that a server may live."),
        },
        help="How each host gets the image that is loaded or sent (run_once).",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        seen = {host: reach.variables_of(host).get("qcluster_image") for host in reach.play_hosts}
        known = {host: fact for host, fact in seen.items() if fact}
        word, _, said = str(call.args["source"]).partition(" ")
        try:
            found = self._routes(call, reach, known, (word, said.strip() or str(call.args["file"])))
        except InputError as error:
            return Report(failed=str(error), fatal=error.exit_code)
        except TaskFailed as error:
            return Report(failed=str(error))
        return Report(
            facts_for={host: {"qcluster_image_route": route} for host, route in found.items()}, values={"routes": found}
        )

    def _routes(self, call: Call, reach: Reach, known: Known, source: tuple[str, str]) -> Routes:
        word, said = source
        if all(fact["present"] for fact in known.values()) or call.check or word == "pull":
            return {host: _route(spread.HAVE if fact["present"] else spread.FETCH) for host, fact in known.items()}
        if word == "load":
            sender, found = _by_file(call, reach, known, said)
        else:
            sender, found = said, _by_host(known, said)
        receivers = [host for host, route in found.items() if route["how"] == spread.STREAM]
        if receivers:
            file = "" if known[sender]["present"] else found[sender]["file"]
            _send(call, reach, known, (sender, file), receivers)
            if any(reach.variables_of(host).get("qcluster_image_route") != found[host] for host in receivers):
                note(reach, "image", f"{sender} sends it to {', '.join(receivers)}")
        return found


def _route(how: str, source: str = "", file: str = "") -> dict[str, str]:
    return {"how": how, "source": source, "file": file}


def _by_host(known: Known, sender: str) -> Routes:
    """`from HOST`: nobody is sent anything before that host has the image."""
    if sender not in known:
        raise InputError(f"image_source: from {sender}: no such host among {', '.join(known)}")
    waiting = spread.STREAM if known[sender]["present"] else spread.LATER
    found = {host: _route(waiting, sender) for host in known} | {sender: _route(spread.FETCH)}
    return found | {host: _route(spread.HAVE) for host, fact in known.items() if fact["present"]}


def _by_file(call: Call, reach: Reach, known: Known, file: str) -> tuple[str, Routes]:
    """`load FILE`: who has the file loads it; the others are sent it."""
    if not file:
        raise InputError("image_source: load needs a file: `image_source: load FILE`, or image_file")
    having = [host for host, fact in known.items() if fact["file"]]
    holders = having or [host for host, fact in known.items() if fact["present"]]
    given = {host: str(known[host]["file"]) for host in having}
    if not holders:
        first = next(iter(known))
        folder = images.place(str(known[first]["jobs"]), str(known[first]["name"]))
        given[first] = _brought(call, reach, first, file, f"{folder}.out")
        holders = [first]
    sender = holders[0]
    able = known[sender]["present"] or (given[sender] and "python3" in known[sender]["tools"])
    found = {}
    for host, fact in known.items():
        if fact["present"]:
            found[host] = _route(spread.HAVE)
        elif given.get(host):
            found[host] = _route(spread.FETCH, file=given[host])
        else:
            found[host] = _route(spread.STREAM if able else spread.LATER, sender)
    return sender, found


def _brought(call: Call, reach: Reach, host: str, file: str, folder: str) -> str:
    """Where the controller's file is on `host` after it was sent; '' where that has to wait."""
    local = Path(str(call.variables.get("inventory_dir", ""))) / Path(file).expanduser()
    if not local.is_file():
        raise InputError(f"image_source: load {file}: no host has this file, and there is no {local} here")
    if call.args["begin"]:
        return ""
    target = f"{folder}/{local.name}"
    upload(reach, host, local, target)
    return target


def _send(call: Call, reach: Reach, known: Known, sender: tuple[str, str], receivers: list[str]) -> None:
    """First the server, then what it serves: so it sees whether the archive comes to be."""
    (source, file), limit = sender, int(call.args["timeout"])
    name, jobs = str(known[source]["name"]), str(known[source]["jobs"])
    address = str(reach.variables_of(source)["qcluster_host"]["address"])
    shelf = images.shelf(jobs, name, file, address, len(receivers))
    for host in receivers:
        trouble = open_way(reach, (source, host), shelf, images.place(str(known[host]["jobs"]), name), limit)
        if trouble:
            raise TaskFailed(f"{source} cannot send the image to {host}: {trouble}")
    saving = reach.fleet[source].run(begin(images.save(jobs, name, file, limit)))
    if not saving.ok:
        raise TaskFailed(f"{source} cannot save the image: {tail(saving, 1)}")


image_route = ImageRoute()
