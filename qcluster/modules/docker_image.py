"""An image is on a host: pulled once, from the first registry that gives it, loaded from a file, or sent by a host.

It comes by a detached job on the host: a lost connection or Ctrl-C does not end it, and the next run attaches to it.
Sources: installation.md and faqs.md §2 of vllm-ascend (offline images, registries); issue 6, Image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from qcluster.command import Command
from qcluster.facts import docker, images
from qcluster.facts.jobs import Job, attach
from qcluster.modules import spread
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.carriage import Carriage
from qcluster.modules.streams import follow, progress, started, tail
from qcluster.result import Outcome
from qcluster.spelling import counted

STEP = re.compile(r"^[0-9a-f]{12}: (Pulling fs layer|Pull complete|Already exists)$")
BEGAN = "qcluster_image_began"
"""The fact that a job was begun by this run: whoever finds the image later says that it changed."""


class DockerImage:
    spec = Spec(
        {
            "name": Option("str", required=True, help="The full reference that containers are started with."),
            "sources": Option("list", elements="str", default=(), help="The same image in other registries, in order."),
            "platform": Option("str", default="", help="As `docker pull --platform`."),
            "source": Option("str", default="pull", help="Where it comes from: pull, `load FILE` or `from HOST`."),
            "file": Option("path", default="", help="With load: the archive, where `source` does not name it."),
            "route": Option("dict", default=None, help="What image_route decided: `how`, `source` (a host), `file`."),
            "digest": Option(
                "str", default="", help="sha256:… of the registry, or the image's id; else the task fails."
            ),
            "job_dir": Option("path", required=True, help="Folder for the job's log and exit code."),
            "wait": Option("bool", default=True, help="false: begin the pull and go on; the next task joins it."),
            "timeout": Option("int", default=7200, help="Seconds for the whole pull."),
        },
        help="An image is present on the host.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        name, route = str(call.args["name"]), call.args["route"] or {"how": spread.FETCH}
        found = _look(reach, name)
        if found is not None:
            return checked(call, found, bool(call.variables.get(BEGAN)))
        if call.check:
            return Report(changed=True, values={"missing": name})
        if route["how"] == spread.LATER:
            return Report(skipped=f"{route['source']} can send once it has the image")
        if not call.args["wait"]:
            return replace(started(reach, job(call, route)), facts={BEGAN: True})
        outcome = follow(reach, attach(job(call, route)), Layers(reach, name).on_line)
        if not outcome.ok:
            return Report(failed=why(name, _tried(call, route), outcome))
        found = _look(reach, name)
        if found is None:
            return Report(failed=f"{name} was fetched, but docker does not show it")
        return checked(call, found, changed=True)


def checked(call: Call, found: docker.Image, changed: bool) -> Report:
    """Is it the one that was pinned? What was loaded has no digest of a registry; there the image's id counts."""
    wanted = str(call.args["digest"])
    sent = (call.args["route"] or {}).get("how") in (spread.STREAM, spread.LATER)
    if wanted and wanted not in (found.digest, found.id) and not (sent and not found.digest):
        has = f"the digest {found.digest}" if found.digest else f"no digest, since it was loaded, and the id {found.id}"
        why_so = ": the tag moved" if found.digest else ""
        what = f"{call.args['name']} has {has}, wanted is {wanted}{why_so}"
        return Report(failed=f"{what}: correct `image` or `image_digest`, or remove the image and run again")
    values = {"id": found.id, "digest": found.digest, "architecture": found.architecture}
    fact = {**values, "name": str(call.args["name"]), "layers": list(found.layers), "present": True}
    return Report(changed=changed, values=values, facts={"qcluster_image": fact, BEGAN: False})


def _look(reach: Reach, name: str) -> docker.Image | None:
    return docker.parse_image(reach.transport.run(Command(("docker", "image", "inspect", name), timeout=60)))


def sources(call: Call) -> tuple[str, ...]:
    """The wanted reference first, then the mirrors, each once."""
    return tuple(dict.fromkeys([str(call.args["name"]), *(str(one) for one in call.args["sources"])]))


def archive(call: Call) -> str:
    """The file of `load FILE`; empty for another source."""
    word, _, said = str(call.args["source"]).partition(" ")
    return (said.strip() or str(call.args["file"])) if word == "load" else ""


def job(call: Call, route: Mapping[str, Any]) -> Job:
    """The detached work of a route."""
    jobs, name, limit = str(call.args["job_dir"]), str(call.args["name"]), int(call.args["timeout"])
    if route["how"] == spread.STREAM:
        return images.receive(jobs, name, str(route["source"]), limit)
    file = str(route.get("file") or archive(call))
    if file:
        return images.load(jobs, file, name, limit)
    return images.pull(jobs, str(call.args["platform"]), sources(call), limit)


def _tried(call: Call, route: Mapping[str, Any]) -> Sequence[str]:
    if route["how"] == spread.STREAM:
        return (str(route["source"]),)
    return (archive(call),) if archive(call) else sources(call)


class Layers:
    """Bytes where docker tells them (it needs a terminal for that), else layers announced and finished."""

    def __init__(self, reach: Reach, name: str):
        self._reach, self._name = reach, name
        self._carriage = Carriage(reach, "image")
        self._known: set[str] = set()
        self._done: set[str] = set()
        self._bytes = False

    def on_line(self, line: str) -> None:
        match = STEP.match(line.strip())
        if match is None:
            self._bytes = self._bytes or line.startswith("bytes ")
            self._carriage.on_line(line)
            return
        self._known.add(line[:12])
        if match[1] != "Pulling fs layer":
            self._done.add(line[:12])
        if self._done and not self._bytes:
            done, total = len(self._done), len(self._known)
            text = f"{done}/{total} layers"
            progress(self._reach, "image", text, kind="count", done=done, total=total, unit="layers")


NO_WAY = (
    r"no such host|Temporary failure in name resolution|connection refused|i/o timeout|TLS handshake timeout"
    r"|network is unreachable|Client.Timeout"
)
CAUSES = (
    (r"manifest unknown|manifest for .* not found", "the registry has no such tag", "correct `release` or `image`"),
    (r"no space left", "the disk is full", "free room where docker keeps images (docker system df)"),
    (r"no such file: ", "the archive is not there", "correct `image_source: load FILE`, a path on the host or here"),
    (
        r"invalid tar header",
        "this host's docker cannot unpack it",
        "`image_source: from HOST`, a host whose docker can",
    ),
    (r"unauthorized|denied", "the registry wants a login", "docker login, or another registry in `registries`"),
    (r"cannot be reached \(", "a host cannot reach the other", "open TCP between them, or `image_source: pull`"),
    (
        NO_WAY,
        "the registry cannot be reached",
        "put a reachable mirror first in `registries`, or `image_source: from HOST`",
    ),
)
"""What docker says, what it means, what to do."""


def why(name: str, tried: Sequence[str], outcome: Outcome) -> str:
    """What to tell the operator when no source gave the image."""
    text = outcome.out + outcome.err
    if outcome.exit in (124, 137) or outcome.timed_out:
        return f"{name}: not complete in time; run again to go on where it stopped"
    cause = next((f": {what} ({then})" for pattern, what, then in CAUSES if re.search(pattern, text)), "")
    return f"{name}: none of {counted(len(tried), 'source')} gave it{cause}\n{tail(outcome)}"


docker_image = DockerImage()
