"""An image is on a host: pulled once, from the first registry that gives it, or loaded from a file.

The pull is a detached job on the host: a lost connection or Ctrl-C does not end it, and the next run attaches to it.
Sources: facts §1.5 (registries, offline images), field notes I1; issue 5.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from qcluster.command import Command
from qcluster.errors import TaskFailed
from qcluster.facts import docker
from qcluster.facts.jobs import Job, attach
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.streams import follow, progress, started, tail
from qcluster.result import Outcome

PULL = r"""
platform=$1; shift
want=$1
for reference in "$@"; do
  echo "trying $reference"
  if [ -n "$platform" ]; then docker pull --platform "$platform" "$reference"; else docker pull "$reference"; fi && {
    [ "$reference" = "$want" ] || docker tag "$reference" "$want" || exit
    echo "got $reference"
    exit 0
  }
done
exit 1
"""

LOAD = r"""
file=$1 want=$2
[ -r "$file" ] || { echo "no such file: $file"; exit 66; }
docker load -i "$file" || exit
docker image inspect "$want" >/dev/null 2>&1 || { echo "$file holds no $want"; exit 65; }
"""

STEP = re.compile(r"^[0-9a-f]{12}: (\w[\w ]*?)(?:\s+[\d.]+.*)?$")
DONE = ("Pull complete", "Already exists", "Download complete", "Verifying Checksum", "Extracting")


class DockerImage:
    spec = Spec(
        {
            "name": Option("str", required=True, help="The full reference that containers are started with."),
            "sources": Option("list", elements="str", default=(), help="The same image in other registries, in order."),
            "platform": Option("str", default="", help="As `docker pull --platform`."),
            "source": Option("str", default="pull", choices=("pull", "load"), help="Where it comes from."),
            "file": Option("path", default="", help="With load: the archive on the host."),
            "digest": Option("str", default="", help="sha256:…; another one fails the task."),
            "job_dir": Option("path", required=True, help="Folder for the job's log and exit code."),
            "wait": Option("bool", default=True, help="false: begin the pull and go on; the next task joins it."),
            "timeout": Option("int", default=7200, help="Seconds for the whole pull."),
        },
        help="An image is present on the host.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        name = str(call.args["name"])
        found = _look(reach, name)
        if found is not None:
            return self._checked(call, found, changed=False)
        if call.check:
            return Report(changed=True, values={"missing": name})
        if not call.args["wait"]:
            return started(reach, job(call))
        outcome = follow(reach, attach(job(call)), Layers(reach, name).on_line)
        if not outcome.ok:
            return Report(failed=why(name, sources(call), outcome))
        found = _look(reach, name)
        if found is None:
            return Report(failed=f"{name} was fetched, but docker does not show it")
        return self._checked(call, found, changed=True)

    def _checked(self, call: Call, found: docker.Image, changed: bool) -> Report:
        wanted = str(call.args["digest"])
        if wanted and found.digest and found.digest != wanted:
            what = f"{call.args['name']} has the digest {found.digest}, wanted is {wanted}"
            return Report(failed=f"{what}: the tag moved; correct `image`, or remove the image and run again")
        values = {"id": found.id, "digest": found.digest, "architecture": found.architecture}
        return Report(changed=changed, values=values)


def _look(reach: Reach, name: str) -> docker.Image | None:
    return docker.parse_image(reach.transport.run(Command(("docker", "image", "inspect", name), timeout=60)))


def sources(call: Call) -> tuple[str, ...]:
    """The wanted reference first, then the mirrors, each once."""
    return tuple(dict.fromkeys([str(call.args["name"]), *(str(one) for one in call.args["sources"])]))


def job(call: Call) -> Job:
    name, limit = str(call.args["name"]), int(call.args["timeout"])
    folder = f"{call.args['job_dir']}/image-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    if call.args["source"] == "load":
        return Job(folder, f"load {name}", LOAD, (str(call.args["file"]), name), limit)
    return Job(folder, f"pull {name}", PULL, (str(call.args["platform"]), *sources(call)), limit)


class Layers:
    """Counts the layers that `docker pull` announces and finishes (it prints one line a step without a terminal)."""

    def __init__(self, reach: Reach, name: str):
        self._reach, self._name = reach, name
        self._known: set[str] = set()
        self._done: set[str] = set()

    def on_line(self, line: str) -> None:
        match = STEP.match(line.strip())
        if match is None:
            if line.startswith(("trying ", "got ", "Error")):
                progress(self._reach, "image", line.strip()[:200])
            return
        layer, step = line.strip()[:12], match[1]
        self._known.add(layer)
        if step in ("Pull complete", "Already exists"):
            self._done.add(layer)
            text = f"{len(self._done)}/{len(self._known)} layers"
            progress(
                self._reach, "image", text, kind="count", done=len(self._done), total=len(self._known), unit="layers"
            )


NO_WAY = (
    r"no such host|Temporary failure in name resolution|connection refused|i/o timeout|TLS handshake timeout"
    r"|network is unreachable|Client.Timeout"
)
CAUSES = (
    (r"manifest unknown|manifest for .* not found", "the registry has no such tag", "correct `release` or `image`"),
    (r"no space left on device", "the disk is full", "free room where docker keeps images (docker system df)"),
    (r"invalid tar header", "this host's docker cannot unpack it", "pull elsewhere, docker save, `image_source: load`"),
    (r"unauthorized|denied", "the registry wants a login", "docker login, or another registry in `registries`"),
    (NO_WAY, "the registry cannot be reached", "put a reachable mirror first in `registries`"),
)
"""What docker says, what it means, what to do."""


def why(name: str, tried: Sequence[str], outcome: Outcome) -> str:
    """What to tell the operator when no source gave the image."""
    text = outcome.out + outcome.err
    if outcome.exit in (124, 137) or outcome.timed_out:
        return f"{name}: not complete in time; run again to go on where it stopped"
    cause = next((f": {what} ({then})" for pattern, what, then in CAUSES if re.search(pattern, text)), "")
    return f"{name}: none of {len(tried)} sources gave it{cause}\n{tail(outcome)}"


def check_inside(outcome: Outcome) -> None:
    """Raise where a look inside the image failed."""
    if not outcome.ok:
        raise TaskFailed(tail(outcome))


docker_image = DockerImage()
