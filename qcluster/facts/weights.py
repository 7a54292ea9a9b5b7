"""Model weights in a folder on a host: complete or not, and a manifest (size, sha256) that is computed once.

The manifest lies beside the weights (`.qcluster-manifest`; for a folder that was given, in this tool's own folder) with
one line a file: sha256, size, modification time, name. The programs that run on the host are in `onhost/`.
Source: issue 6, Weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.facts.jobs import Job
from qcluster.facts.onhost import program
from qcluster.facts.ports import split
from qcluster.result import Outcome


@dataclass(frozen=True)
class File:
    """`intact` is false where size or time differ from the manifest, or the file is gone."""

    name: str
    size: int
    sha256: str
    intact: bool


@dataclass(frozen=True)
class Weights:
    """What a look found. `missing` are shards that the safetensors index names and the folder lacks.

    `room` and `there` are bytes: free where the folder is or would be, and in it already. `tools` are those that can
    fetch weights.
    """

    files: tuple[File, ...]
    missing: tuple[str, ...]
    folder: bool
    filesystem: str
    room: int = 0
    there: int = 0
    tools: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        return bool(self.files) and all(file.intact for file in self.files) and not self.missing

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def manifest(self) -> str:
        """One sha256 over hash, size and name of every file: equal on two hosts means the same weights."""
        lines = sorted(f"{file.sha256} {file.size} {file.name}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Source:
    """Where weights come from. `how` is modelscope, huggingface, rsync or path; `id` a hub id or an rsync source."""

    how: str
    id: str
    path: str
    manifest: str
    image: str = ""
    cache: str = ""
    image_job: str = ""
    reread: bool = False


def look(path: str, manifest: str) -> Fact[Weights]:
    return Fact(sh(program("weights_look.sh"), path, manifest, timeout=300), parse)


def fetch(source: Source, job_dir: str, limit: int) -> Job:
    """The download as a detached job; whoever runs it again attaches to it."""
    key = f"{source.how} {source.id} {source.path}"
    where = (source.path, source.manifest, source.how, source.id, source.image, source.cache, source.image_job)
    args = (*where, "reread" if source.reread else "stamps", program("hub.py"))
    return Job(job_dir, key, program("lock.sh", "weights_fetch.sh"), args, limit)


def wait(source: Source, holder: str, job_dir: str, limit: int) -> Job:
    """Wait, as a detached job, for what `holder` downloads into the folder that this host shares."""
    args = (source.path, source.manifest, holder)
    return Job(job_dir, f"wait {source.path}", program("lock.sh", "weights_wait.sh"), args, limit)


def plain(source: Source, found: Weights) -> dict[str, Any]:
    """Values for other tasks. `digest` is equal on two hosts that have the same weights."""
    return {
        "path": source.path,
        "list": source.manifest,
        "how": source.how,
        "image": source.image,
        "whole": found.complete,
        "digest": found.manifest,
        "bytes": found.size,
        "there": found.there,
        "room": found.room,
        "tools": sorted(found.tools),
        "files": [[file.name, file.size, file.sha256] for file in found.files],
    }


def parse(outcome: Outcome) -> Weights:
    part = split(outcome.out)
    if "end" not in part:
        raise UnreadableOutput("the look at the weights is cut off", outcome.out[-300:] + outcome.err[-300:])
    rows = [line.split(" ", 3) for line in part.get("files", [])]
    return Weights(
        files=tuple(File(row[3], int(row[2]), row[1], row[0] == "ok") for row in rows if len(row) == 4),
        missing=tuple(part.get("absent", [])),
        folder="yes" in part.get("folder", []),
        filesystem=(part.get("type") or [""])[0].strip(),
        room=1024 * _number(part.get("room", [])),
        there=1024 * _number(part.get("there", [])),
        tools=frozenset(part.get("tools", [])),
    )


def _number(lines: Sequence[str]) -> int:
    return next((int(line) for line in lines if line.strip().isdigit()), 0)
