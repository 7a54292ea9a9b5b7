"""An image's ways to a host: pulled, loaded from an archive, or sent by another host. Each is a detached job.

The programs are in `onhost/`. Sources: vllm-ascend's installation.md and faqs.md §2 (offline images, registries);
issue 6, Image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts import docker
from qcluster.facts.fact import Fact
from qcluster.facts.jobs import Job
from qcluster.facts.onhost import program
from qcluster.facts.ports import split
from qcluster.facts.streaming import Shelf
from qcluster.result import Outcome

FOUND = r"""
echo '==image'; docker image inspect "$1" 2>/dev/null
echo '==file'; [ -z "$2" ] || stat -c %s "$2" 2>/dev/null
echo '==tools'; for tool in python3 bash; do command -v "$tool" >/dev/null && echo "$tool"; done
echo '==end'
"""


@dataclass(frozen=True)
class Found:
    """What a host has of an image: the image itself, the archive (bytes, 0 for none), and tools to send it with."""

    image: docker.Image | None
    file: int
    tools: frozenset[str]


def find(name: str, file: str) -> Fact[Found]:
    """Look for the image and for the archive `file` (a path on the host; empty for none)."""
    return Fact(sh(FOUND, name, file, timeout=120), parse)


def parse(outcome: Outcome) -> Found:
    part = split(outcome.out)
    if "end" not in part:
        raise UnreadableOutput("the look at the image is cut off", outcome.out[-300:] + outcome.err[-300:])
    text = "\n".join(part.get("image", [])).strip()
    image = docker.parse_image(Outcome(outcome.command, 0, text.encode())) if text not in ("", "[]") else None
    size = next((int(line) for line in part.get("file", []) if line.strip().isdigit()), 0)
    return Found(image, size, frozenset(part.get("tools", [])))


def place(jobs: str, name: str) -> str:
    """The folder of an image's job."""
    return f"{jobs}/image-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def pull(jobs: str, platform: str, names: Sequence[str], limit: int) -> Job:
    """From the first of `names` that a registry gives; the first one is what it is then called."""
    return Job(place(jobs, names[0]), f"pull {names[0]}", program("image_pull.sh"), (platform, *names), limit)


def load(jobs: str, file: str, name: str, limit: int) -> Job:
    return Job(place(jobs, name), f"load {name}", program("image_load.sh"), (file, name), limit)


def receive(jobs: str, name: str, source: str, limit: int) -> Job:
    """What `source` sends, loaded. It exits with `streaming.CUT_OFF` where the source is not to be had."""
    directory = place(jobs, name)
    receiver = program("lock.sh", "receive.sh")
    args = (receiver, f"{directory}.in", f"{directory}.peer", source, name)
    return Job(directory, f"receive {name} from {source}", program("image_receive.sh"), args, limit)


def save(jobs: str, name: str, file: str, limit: int) -> Job:
    """Make an archive ready for other hosts: `file` where it is given, else one that is saved."""
    directory = f"{place(jobs, name)}.out"
    return Job(f"{directory}.job", f"save {name} {file}", program("image_save.sh"), (directory, name, file), limit)


def shelf(jobs: str, name: str, file: str, address: str, times: int) -> Shelf:
    """Where `save` puts what is to be sent."""
    directory = f"{place(jobs, name)}.out"
    folder = file.rpartition("/")[0] or "/" if file else directory
    return Shelf(folder, f"{directory}/list", address, f"{directory}.job", name, times, directory)
