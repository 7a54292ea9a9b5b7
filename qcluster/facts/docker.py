"""Questions to a host's container engine. Formats: docker's `--format` templates, one JSON text or tab line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qcluster.command import Command
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

DEPLOYMENT, HOST, DIGEST = "qcluster.deployment", "qcluster.host", "qcluster.digest"
SCRIPTS = "qcluster.scripts"
"""The label that carries the checksum of the scripts a container was started with."""

PORTS, NPUS = "qcluster.ports", "qcluster.npus"
"""The labels that say what a container claims of its host, for other deployments to see."""

LISTING = "\\t".join(
    (
        "{{.Names}}",
        "{{.State}}",
        *(f'{{{{.Label "{label}"}}}}' for label in (DEPLOYMENT, DIGEST)),
        "{{.Status}}",
        *(f'{{{{.Label "{label}"}}}}' for label in (PORTS, NPUS)),
    )
)


@dataclass(frozen=True)
class Listed:
    """One container as `docker ps -a` shows it. `state`: running, exited, created, …; `ports` and `npus` are claims."""

    name: str
    state: str
    deployment: str
    digest: str
    status: str
    ports: str = ""
    npus: str = ""

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True)
class Inspected:
    """One container as `docker inspect` shows it."""

    name: str
    running: bool
    exit: int
    image: str
    labels: Mapping[str, str] = field(default_factory=dict)
    started: str = ""


@dataclass(frozen=True)
class Image:
    """`digest` is the repository digest (`sha256:…`), empty for an image that was loaded or built.

    `layers` are the checksums of what it holds: equal for the same image however it came, and whatever docker calls it.
    `size` in bytes.
    """

    id: str
    digest: str
    architecture: str
    layers: tuple[str, ...] = ()
    size: int = 0


def containers() -> Fact[tuple[Listed, ...]]:
    """All containers of a host, this project's or not."""
    return Fact(Command(("docker", "ps", "-a", "--no-trunc", "--format", LISTING), timeout=60), parse_listing)


def parse_listing(outcome: Outcome) -> tuple[Listed, ...]:
    if not outcome.ok:
        raise UnreadableOutput("docker does not answer", outcome.err or outcome.out)
    return tuple(listed(line) for line in outcome.out.splitlines() if line.strip())


def listed(line: str) -> Listed:
    parts = [*line.split("\t"), "", "", "", "", "", ""][:7]
    return Listed(*(part.strip() for part in parts))


def parse_inspect(text: str) -> Inspected | None:
    """One object, or a list of one, of `docker inspect`; None for an empty answer (no such container)."""
    value = _json(text)
    if not value:
        return None
    state, config = value.get("State", {}), value.get("Config", {})
    return Inspected(
        name=str(value.get("Name", "")).lstrip("/"),
        running=bool(state.get("Running")),
        exit=int(state.get("ExitCode", 0)),
        image=str(config.get("Image", "")),
        labels={str(key): str(label) for key, label in (config.get("Labels") or {}).items()},
        started=str(state.get("StartedAt", "")),
    )


def parse_image(outcome: Outcome) -> Image | None:
    """What `docker image inspect REF` says; None where the image is absent."""
    if not outcome.ok:
        return None
    value = _json(outcome.out)
    digests = value.get("RepoDigests") or []
    digest = str(digests[0]).partition("@")[2] if digests else ""
    layers = (value.get("RootFS") or {}).get("Layers") or ()
    return Image(
        id=str(value.get("Id", "")),
        digest=digest,
        architecture=str(value.get("Architecture", "")),
        layers=tuple(str(layer) for layer in layers),
        size=int(value.get("Size", 0)),
    )


def _json(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UnreadableOutput("docker inspect is not JSON", text) from error
    if isinstance(value, list):
        value = value[0] if value else {}
    if not isinstance(value, dict):
        raise UnreadableOutput("docker inspect shows no object", text)
    return value


def remove(*names: str) -> Command:
    """End and remove containers by name."""
    return Command(("docker", "rm", "-f", *names), timeout=120)
