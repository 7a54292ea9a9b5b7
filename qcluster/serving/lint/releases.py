"""Rules about versions and images."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qcluster.serving import catalogue, versions
from qcluster.serving.lint.rule import ERROR, INFO, WARNING, Fault, Subject, rule
from qcluster.serving.placement import Placement


def _written(subject: Subject) -> str:
    """The variable that decided the release."""
    settings = subject.deployment.placements[0].settings
    return "release" if settings.release or not settings.image else "image"


@rule("QC101", ERROR, "PD needs a release that moves hybrid KV", "issue #9246", "release: v0.18.0")
def pd_floor(subject: Subject) -> Iterator[Fault]:
    floor, release = subject.deployment.recipe.pd_since, subject.plan.release
    if subject.pd and floor and versions.older(release, floor):
        what = f"{release} cannot separate prefill and decode of {subject.plan.model.name}"
        yield Fault(what, f"use {floor} or newer", subject.deployment.placements[0], _written(subject))


@rule("QC102", ERROR, "the release knows the model", "seed, section 4.1", "release: v0.17.0rc1")
def model_floor(subject: Subject) -> Iterator[Fault]:
    floor, release = subject.deployment.variant.since, subject.plan.release
    if floor and versions.older(release, floor):
        what = f"{subject.plan.model.name} is not supported by {release}"
        yield Fault(what, f"use {floor} or newer", subject.deployment.placements[0], _written(subject))


_SUFFIX = re.compile(r"-(a3|a5|310p|950dt)\b")


@rule("QC103", ERROR, "the image fits the hardware", "issue #2725", "image: …:v0.23.0-a3 on a2")
def image_for_hardware(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        image, hardware = seat.placement.settings.image, seat.placement.settings.hardware
        found = _SUFFIX.search(image.rpartition("/")[2].partition(":")[2])
        if image and hardware != "auto" and (found or versions.of_image(image)):
            wanted = catalogue.hardware()[hardware].suffix
            if (found[0] if found else "") != wanted and (not found or found[1] != "950dt"):
                what = f"{image.rpartition('/')[2]} is not built for {hardware}"
                yield Fault(what, f"its tag wants the suffix {wanted or '(none)'}", seat.placement, "image")


@rule("QC104", ERROR, "the image tag exists", "schedule_image_build_and_push.yaml", "image: …-950dt")
def no_such_suffix(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if "-950dt" in seat.placement.settings.image:
            yield Fault("no image is published with -950dt", "use -a5", seat.placement, "image")


@rule("QC105", WARNING, "the release is in the table", "versioning_policy.md", "release: v0.23.7")
def unlisted_release(subject: Subject) -> Iterator[Fault]:
    release = subject.plan.release
    if release not in catalogue.releases()["releases"] and versions.key(release) != versions.MAIN:
        known = ", ".join(catalogue.releases()["releases"])
        yield Fault(f"{release} is not in the table of releases", f"known: {known}", _first(subject), _written(subject))


@rule("QC106", WARNING, "the release does not move", "versioning_policy.md", "release: main")
def moving_release(subject: Subject) -> Iterator[Fault]:
    if versions.key(subject.plan.release) == versions.MAIN:
        yield Fault(
            f"{subject.plan.release} changes from day to day", "pin a release", _first(subject), _written(subject)
        )


@rule("QC107", WARNING, "PD with MTP keeps its precision", "issue #10961", "release: v0.22.1rc1")
def stale_blocks(subject: Subject) -> Iterator[Fault]:
    mtp = any("speculative-config" in seat.flags for seat in subject.seats)
    if subject.pd and subject.plan.model.hybrid and mtp and versions.older(subject.plan.release, "v0.23.0"):
        what = f"{subject.plan.release}: PD with MTP of a hybrid model can lose precision"
        yield Fault(what, "use v0.23.0, or remove speculative-config", _first(subject), _written(subject))


@rule("QC108", ERROR, "PD is accurate in the release", "issue #8421", "release: v0.18.0")
def accuracy_018(subject: Subject) -> Iterator[Fault]:
    if subject.pd and subject.plan.release.startswith("v0.18.0") and subject.plan.model.hybrid:
        yield Fault("PD of Qwen3.x in v0.18.0 gives wrong answers", "use v0.23.0", _first(subject), _written(subject))


@rule("QC109", WARNING, "the image names its version", "issue 5", "image: registry.local/mine:latest")
def untagged_image(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        image = seat.placement.settings.image
        if image and not versions.of_image(image) and not seat.placement.settings.release:
            what = f"{image}: its tag names no version, so flags follow {subject.plan.release}"
            yield Fault(what, "say release too", seat.placement, "image")


@rule("QC110", WARNING, "image and release agree", "issue 5", "image: …:v0.22.1rc1, release: v0.23.0")
def two_releases(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        tagged, release = versions.of_image(seat.placement.settings.image), seat.placement.settings.release
        if tagged and release and tagged != release:
            yield Fault(f"the image is {tagged}, release says {release}", "say one of them", seat.placement, "image")


@rule("QC111", INFO, "a final release is used", "seed, section 4.1", "release: v0.23.0rc1")
def candidate(subject: Subject) -> Iterator[Fault]:
    if "rc" in subject.plan.release:
        what = f"{subject.plan.release} is a release candidate"
        yield Fault(what, f"the newest final is {catalogue.releases()['default']}", _first(subject), _written(subject))


def _first(subject: Subject) -> Placement:
    return subject.deployment.placements[0]
