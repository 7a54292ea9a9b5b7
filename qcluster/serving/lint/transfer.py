"""Rules about the KV transfer configuration: each side names its own sizes and the other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from qcluster.serving.connector import KV_ROLES, connectors
from qcluster.serving.deployment import CONNECTED
from qcluster.serving.lint.rule import ERROR, Fault, Seat, Subject, rule


def pairs(subject: Subject) -> Iterator[tuple[Seat, Seat]]:
    """Each kind of prefill with each kind of decode, first hosts first."""
    return product(subject.of("prefill"), subject.of("decode"))


def transfers(seat: Seat) -> list[Mapping[str, Any]]:
    """The connector configurations of a process, those inside a MultiConnector too."""
    return connectors(seat.config("kv-transfer-config"))


def point_to_point(seat: Seat) -> Mapping[str, Any]:
    """The part that moves KV from prefill to decode."""
    return next((one for one in transfers(seat) if sides(one)), seat.config("kv-transfer-config"))


def sides(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What it says of prefill and of decode; nothing where that is no mapping."""
    extra = config.get("kv_connector_extra_config")
    found = {role: extra[role] for role in CONNECTED if role in extra} if isinstance(extra, dict) else {}
    return found if all(isinstance(side, dict) for side in found.values()) else {}


@rule("QC203", ERROR, "own sizes in the KV config", "issue #8345", "kv-transfer-config: {…dp_size: 8}")
def own_side(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        stated = sides(point_to_point(seat)).get(seat.instance.role, {})
        for key, actual in (("dp_size", seat.instance.dp_size), ("tp_size", seat.instance.tp)):
            if key in stated and str(stated[key]) != str(actual):
                what = f"kv-transfer-config says {key} {stated[key]} for {seat.instance.role}, the process has {actual}"
                hint = "leave kv-transfer-config to the plan"
                yield Fault(what, hint, seat.placement, "vllm_args")


@rule("QC204", ERROR, "the other side's sizes in the KV config", "issue #8442", "…decode: {tp_size: 4}")
def other_side(subject: Subject) -> Iterator[Fault]:
    for seat in subject.connected:
        other = _across(seat)
        stated = sides(point_to_point(seat)).get(other, {}).get("tp_size")
        for one in subject.of(other) if stated is not None else ():
            if str(stated) != str(one.instance.tp):
                what = f"kv-transfer-config says tp_size {stated} for {other}, it has {one.instance.tp}"
                hint = _SAME if _typed(seat) else f"the same tp on every {other} host"
                yield Fault(what, hint, *((seat.placement, "vllm_args") if _typed(seat) else (one.placement, "tp")))
    yield from _other_ranks(subject)


def _across(seat: Seat) -> str:
    """The role on the other side."""
    return next(role for role in CONNECTED if role != seat.instance.role)


_SAME = "both sides must name the same sizes"


def _typed(seat: Seat) -> bool:
    """Whether the inventory writes the configuration, which then is taken as it is."""
    return seat.typed("kv-transfer-config")


def _other_ranks(subject: Subject) -> Iterator[Fault]:
    """The plan itself names the first group of the other side; what is typed must name one that there is."""
    for seat in filter(_typed, subject.connected):
        other = _across(seat)
        stated = sides(point_to_point(seat)).get(other, {}).get("dp_size")
        actual = sorted({one.instance.dp_size for one in subject.of(other)})
        if stated is not None and actual and str(stated) not in map(str, actual):
            what = f"kv-transfer-config says dp_size {stated} for {other}, it has {' and '.join(map(str, actual))}"
            yield Fault(what, _SAME, seat.placement, "vllm_args")


@rule("QC205", ERROR, "both sides in the KV config", "mooncake_connector.py", "kv-transfer-config: {…}")
def missing_sides(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        config = point_to_point(seat)
        if seat.instance.role in CONNECTED and "Mooncake" in str(config.get("kv_connector")) and len(sides(config)) < 2:
            what = "kv-transfer-config lacks kv_connector_extra_config.prefill or .decode"
            yield Fault(what, "each needs dp_size and tp_size", seat.placement, "vllm_args")


@rule("QC213", ERROR, "kv_role fits the role", "mooncake_connector.py", "kv_role: kv_consumer")
def kv_role(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        role = seat.config("kv-transfer-config").get("kv_role")
        wanted = KV_ROLES.get(seat.instance.role)
        if wanted and "kv-transfer-config" not in seat.flags:
            what = f"{seat.instance.role} has no kv-transfer-config, so nothing is transferred"
            yield Fault(what, "leave it to the plan, or use standalone", seat.placement, "vllm_args")
        elif wanted and seat.config("kv-transfer-config") and role not in (wanted, "kv_both"):
            what = f"kv_role is {role} on {seat.instance.role}"
            yield Fault(what, f"it is {wanted}", seat.placement, "vllm_args")
