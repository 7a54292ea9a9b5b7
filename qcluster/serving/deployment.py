"""The deployment as the inventory means it: model, release, placements, with every default filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from qcluster.errors import Problem
from qcluster.inventory.model import Inventory
from qcluster.inventory.settings import SETTINGS, problem_of, validate
from qcluster.serving import catalogue, versions
from qcluster.serving.catalogue import Preset, Recipe, Variant
from qcluster.serving.models import mistakes, read_model, shaped
from qcluster.serving.placement import Placement, placements
from qcluster.serving.situation import Situation

CONNECTED = ("prefill", "decode")
"""Roles that have a KV connector."""
PORT_BASE = {"prefill": 7100, "decode": 7100, "standalone": 8000}
"""Port of a host's first process (seed, sections 5.1 and 5.2)."""
DECODE_ABOVE = 200
"""How far decode's handshake ports lie above prefill's (seed, section 5.2: 30000 and 30200)."""


@dataclass(frozen=True)
class Deployment:
    """What is to be served, and where. Sizes and ports of every placement are numbers now."""

    name: str
    inventory: Inventory
    recipe: Recipe
    variant: Variant
    release: str
    placements: tuple[Placement, ...]

    @property
    def moe(self) -> bool:
        return self.recipe.shape == "moe"

    @property
    def downloaded(self) -> bool:
        """Whether the weights come from a hub (else they are a folder that exists already)."""
        return not self.variant.weights.startswith("/")

    def of(self, role: str) -> tuple[Placement, ...]:
        """The placements of one role."""
        return tuple(placement for placement in self.placements if placement.role == role)

    def preset(self, placement: Placement) -> Preset | None:
        """The scenario that a standalone placement follows."""
        return self.recipe.presets.get(placement.settings.preset) if placement.role == "standalone" else None

    def situation(self, placement: Placement) -> Situation:
        """What shims and deviations are compared with."""
        settings = placement.settings
        return {
            "release": self.release,
            "role": placement.role,
            "shape": self.recipe.shape,
            "hybrid": self.recipe.hybrid,
            "seed": self.recipe.seed,
            "hardware": settings.hardware,
            "runtime": settings.container_runtime,
            "connected": placement.role in CONNECTED,
            "preset": settings.preset,
            "downloaded": self.downloaded,
            "jemalloc": settings.jemalloc == "auto",
        }


def read_deployment(inventory: Inventory, problems: list[Problem]) -> Deployment | None:
    """The deployment of an inventory.

    None when it has no serving host, or a model of unknown shape: what was said of another one's sizes would mislead.
    """
    problems.extend(validate(inventory))
    found = placements(inventory, problems)
    if not found:
        hint = "add hosts to prefill and decode, or standalone"
        problems.append(replace(problem_of(inventory, "all", "no host serves", hint), path=""))
        return None
    problems.extend(_both_sides(inventory, found))
    problems.extend(_not_shared(found))
    first = found[0]
    problems.extend(first.problem("model", *mistake) for mistake in mistakes(first.settings.model))
    if not shaped(first.settings.model):
        return None
    recipe, variant = read_model(first.settings.model, SETTINGS["model"].default)
    return Deployment(
        _name(first, inventory.path, problems),
        inventory,
        recipe,
        variant,
        _release(first, problems),
        tuple(_defaulted(placement, recipe, problems) for placement in found),
    )


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _name(placement: Placement, path: str, problems: list[Problem]) -> str:
    """It becomes part of container names and folders, so it must be plain."""
    name = placement.settings.deployment
    if name and not _PLAIN.fullmatch(name):
        problems.append(placement.problem("deployment", f"{name!r} is not plain", "letters, digits, - _ and . only"))
    return name or re.sub(r"[^A-Za-z0-9_.-]", "-", Path(path).stem).lstrip("-_.") or "qcluster"


def _both_sides(inventory: Inventory, found: Iterable[Placement]) -> Iterable[Problem]:
    roles = {placement.role for placement in found}
    for one, other in (CONNECTED, reversed(CONNECTED)):
        if one in roles and other not in roles:
            yield problem_of(inventory, one, f"has hosts, but {other} has none", "use standalone without PD")


def _not_shared(found: list[Placement]) -> Iterable[Problem]:
    for name, setting in SETTINGS.items():
        if not setting.shared:
            continue
        first = getattr(found[0].settings, name, None)
        for placement in found[1:]:
            if getattr(placement.settings, name, None) != first:
                yield placement.problem(
                    name, f"differs from {found[0].host.name}'s", "it holds for the whole deployment"
                )


def _release(placement: Placement, problems: list[Problem]) -> str:
    settings = placement.settings
    known = catalogue.releases()["releases"]
    if settings.release and settings.release not in known:
        meant = versions.of_image(f":v{settings.release.lstrip('v')}")
        if meant in known:
            what = f"is {settings.release!r}, not a release's name; hardware and image_os give the image's suffix"
            problems.append(placement.problem("release", what, f"did you mean {meant!r}?"))
            return meant
    return settings.release or versions.of_image(settings.image) or str(catalogue.releases()["default"])


def _defaulted(placement: Placement, recipe: Recipe, problems: list[Problem]) -> Placement:
    """Fill in tp, npus, dp, ports, preset: what follows from the recipe and the hardware.

    What is not given is the most that fits: all NPUs of the server type, and dp = npus / (tp·pp·pcp).
    """
    settings = placement.settings
    preset = _preset(placement, recipe, problems)
    tp = settings.tp or (recipe.presets[preset].tp if preset else recipe.tp)
    width = tp * settings.pp * settings.pcp
    npus = settings.npus or _all_npus(placement, width, problems)
    filled = replace(
        settings,
        preset=preset,
        tp=tp,
        npus=npus,
        dp=settings.dp or max(1, len(npus) // width),
        nic=settings.nic or "<fact:nic>",
        dp_mode=settings.dp_mode or ("internal" if placement.role == "standalone" else "external"),
        port_base=settings.port_base or PORT_BASE[placement.role],
        kv_port=settings.kv_port or _kv_port(placement),
        connector=settings.connector or recipe.connector,
    )
    return replace(placement, settings=filled)


def _preset(placement: Placement, recipe: Recipe, problems: list[Problem]) -> str:
    settings = placement.settings
    if placement.role != "standalone":
        if settings.preset:
            problems.append(
                placement.problem("preset", "is for standalone hosts", "the seed gives one PD configuration")
            )
        return ""
    known = [name for name, preset in recipe.presets.items() if settings.hardware in (*preset.hardware, "auto")]
    if settings.preset and settings.preset not in known:
        what = f"{settings.preset!r} is not given for {recipe.title or recipe.family} on {settings.hardware}"
        problems.append(placement.problem("preset", what, f"known: {', '.join(known) or 'none'}"))
    chosen = settings.preset or recipe.preset
    return chosen if chosen in known else ""


def _all_npus(placement: Placement, width: int, problems: list[Problem]) -> tuple[int, ...]:
    settings = placement.settings
    if settings.hardware != "auto":
        return tuple(range(catalogue.hardware()[settings.hardware].npus))
    if settings.dp is None and placement.variables.get("hardware", "auto") == "auto":
        hint = "say hardware: a2 or a3, or npus, or dp"
        problems.append(placement.problem("hardware", "is auto, so the number of NPUs is not known yet", hint))
    return tuple(range((settings.dp_local or settings.dp or 1) * width))


def _kv_port(placement: Placement) -> int:
    table = catalogue.hardware()
    name = placement.settings.hardware
    first = max(entry.kv_port for entry in table.values()) if name == "auto" else table[name].kv_port
    return first + (DECODE_ABOVE if placement.role == "decode" else 0)
