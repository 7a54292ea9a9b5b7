"""Rules about the command line as the real parser reads it."""

from __future__ import annotations

from collections.abc import Iterator

from qcluster.schema import did_you_mean
from qcluster.serving import catalogue, versions
from qcluster.serving.lint.rule import ERROR, Fault, Rule, Seat, Subject

NEWEST = "0.27.1"
"""The vLLM of vllm-ascend's main, whose flags were read."""


def known_flags(release: str) -> frozenset[str]:
    """The flags of the vLLM in a release."""
    moving = versions.key(release) == versions.MAIN
    return catalogue.flags(NEWEST if moving else str(catalogue.release_entry(release)["vllm"]))


def unknown_flag(subject: Subject) -> Iterator[Fault]:
    known = known_flags(subject.plan.release)
    for seat in subject.firsts:
        for name in seat.flags:
            if name not in known and not _begins(name, known):
                what = f"--{name} is not a flag of vLLM in {subject.plan.release}"
                yield Fault(what, did_you_mean(name, known), seat.placement, _variable(seat))


def abbreviated(subject: Subject) -> Iterator[Fault]:
    known = known_flags(subject.plan.release)
    for seat in subject.firsts:
        for name in seat.flags:
            if name not in known and (whole := _begins(name, known)):
                what = f"--{name} is a beginning of --{', --'.join(whole)}"
                yield Fault(what, "write the whole flag", seat.placement, _variable(seat))


def _begins(name: str, known: frozenset[str]) -> list[str]:
    return sorted(flag for flag in known if flag.startswith(name))


def _variable(seat: Seat) -> str:
    return "vllm_args" if seat.placement.settings.vllm_args else "model"


RULES = (
    Rule("QC601", ERROR, "vLLM has the flag", "the real parsers (make judge)", "max-num-sequences: 4", unknown_flag),
    Rule("QC602", ERROR, "flags are written whole", "the real parsers (make judge)", "max-num-seq: 4", abbreviated),
)
