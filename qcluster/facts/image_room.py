"""What an image weighs in its registry, and the room where docker keeps images; asked before anything is pulled.

Sources: `docker manifest inspect -v` (docker/cli, cli/command/manifest/inspect.go, v28.2), OCI image-spec v1.1
(manifest.md: `layers[].size` is what is transferred, compressed); issue 6, "Disk space first".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.facts.onhost import program
from qcluster.facts.ports import split
from qcluster.result import Outcome

BODIES = ("SchemaV2Manifest", "OCIManifest")
"""Where docker's client shows a manifest, by its media type."""


@dataclass(frozen=True)
class Room:
    """A host and an image that it may lack.

    present   the image is here
    running   a job that fetches it is under way: what is free shrinks meanwhile
    kin       images of the same repository that are here; a pull skips the layers it shares with them
    root      the folder that docker keeps images in, empty where docker does not answer
    free      bytes free there, None where df does not tell
    source    the reference that a registry answered for, empty where none did
    download  bytes that a pull would transfer, None where they are unknown
    refused   what each registry that was asked in vain said
    """

    present: bool
    running: bool
    kin: int
    root: str
    free: int | None
    source: str = ""
    download: int | None = None
    refused: tuple[str, ...] = ()


def image_room(job: str, platform: str, references: Sequence[str], ask: bool = True) -> Fact[Room]:
    """`job` is the folder of the image's job, `references` the image's names, the wanted one first.

    `ask`: also its registries.
    """
    limit = 60 + 35 * len(references)

    def read(outcome: Outcome) -> Room:
        return parse(outcome, platform)

    return Fact(sh(program("image_room.sh"), job, "yes" if ask else "no", *references, timeout=limit), read)


def parse(outcome: Outcome, platform: str = "") -> Room:
    part = split(outcome.out)
    if "end" not in part:
        raise UnreadableOutput("the look at docker's disk is cut off", outcome.out[-300:] + outcome.err[-300:])
    words = " ".join(part["free"]).split()
    return Room(
        present=bool(part["image"]),
        running=bool(part["running"]),
        kin=len(set(part["kin"])),
        root="".join(part["root"]),
        free=int(words[3]) * 1024 if len(words) > 3 and words[3].isdigit() else None,
        source="".join(part.get("from", [])),
        download=download("\n".join(part.get("manifest", [])), platform or f"linux/{''.join(part['arch'])}"),
        refused=tuple(part.get("refused", [])),
    )


def download(text: str, platform: str) -> int | None:
    """Bytes of the layers, each once, of the manifest for `platform` (`linux/arm64`); None where there is none."""
    layers = {
        str(layer["digest"]): int(layer["size"])
        for one in _shown(text)
        if _fits(one, platform)
        for body in BODIES
        for layer in (one.get(body) or {}).get("layers", ())
    }
    return sum(layers.values()) or None


def _shown(text: str) -> Iterator[Mapping[str, Any]]:
    """The manifests of an index, or the only one."""
    try:
        value = json.loads(text or "[]")
    except ValueError as error:
        raise UnreadableOutput("docker manifest inspect is not JSON", text[:300]) from error
    yield from value if isinstance(value, list) else [value]


def _fits(one: Mapping[str, Any], platform: str) -> bool:
    seen = (one.get("Descriptor") or {}).get("platform") or {}
    words = [str(seen.get(name, "")) for name in ("os", "architecture")]
    return not any(words) or words == platform.split("/")[:2]
