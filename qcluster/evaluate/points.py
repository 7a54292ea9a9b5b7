"""Which points a sweep has: every service times every concurrency. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qcluster.errors import InputError
from qcluster.evaluate.model import Point, Subject
from qcluster.serving.plan import Instance, Plan

PROXY = "proxy"


@dataclass(frozen=True)
class Rates:
    """What the operator said about the load: concurrencies, or one request rate (requests a second)."""

    concurrencies: tuple[int, ...] = ()
    request_rate: float | None = None


def subject(plan: Plan) -> Subject:
    counts = {role: sum(one.role == role for one in plan.instances) for role in ("prefill", "decode", "standalone")}
    shape = " + ".join(f"{count} {role}" for role, count in counts.items() if count)
    hardware = "+".join(sorted({one.hardware for one in plan.instances}))
    return Subject(plan.deployment, plan.digest, plan.release, plan.model.name, hardware, shape)


def services(plan: Plan) -> tuple[tuple[str, str], ...]:
    """What clients talk to, as (name, host that runs the tool): the proxy, or every instance that stands alone."""
    if plan.proxy:
        return ((PROXY, runner(plan, plan.proxy.host).host),)
    return tuple((one.name, one.host) for one in plan.instances if one.port is not None)


def runner(plan: Plan, host: str) -> Instance:
    """The engine in whose container tools run: on `host`, else on the first that has one.

    A proxy's own container does not see the weights, and the tools want their tokenizer.
    """
    mine = [one for one in plan.instances if one.host == host]
    return (mine or list(plan.instances))[0]


def address(plan: Plan, service: str) -> tuple[str, int]:
    """Where a service of `services` listens."""
    if plan.proxy and service == PROXY:
        return plan.proxy.address, plan.proxy.port
    found = next(one for one in plan.instances if one.name == service)
    assert found.port is not None
    return found.address, found.port


def loads(plan: Plan, rates: Rates) -> tuple[Point, ...]:
    """The points of a load test; names are safe for file names and unique."""
    levels: Sequence[int | None] = rates.concurrencies or (None,)
    places = services(plan)
    return tuple(
        Point(_name(service, level, rates.request_rate, len(places) > 1), host, service, level, rates.request_rate)
        for service, host in places
        for level in levels
    )


def _name(service: str, level: int | None, rate: float | None, several: bool) -> str:
    parts = [service] if several else []
    parts += [f"concurrency-{level}"] if level is not None else []
    parts += [f"rate-{rate:g}"] if rate is not None else []
    return "-".join(parts) or "all-at-once"


def offline(plan: Plan, kind: str) -> tuple[Point, ...]:
    """One engine that loads the model itself, on the NPUs of the first that answers: a prefill engine never would."""
    first = next((one for one in plan.instances if one.role != "prefill"), plan.instances[0])
    return (Point(kind, first.host, first.name),)


def sweep(plan: Plan) -> tuple[int, ...]:
    """Powers of two up to what the answering engines take at once (`--max-num-seqs`), that number last."""
    answering = [one for one in plan.instances if one.role != "prefill" and one.port is not None]
    most = sum(_seats(one) for one in (answering if plan.proxy else answering[:1]))
    steps = [1]
    while steps[-1] * 2 < most:
        steps.append(steps[-1] * 2)
    return tuple(dict.fromkeys([*steps, most]))


def _seats(one: Instance) -> int:
    """Requests that an instance takes at once: of each data-parallel rank, where it has several inside."""
    ranks = one.dp_size if one.dp_rank is None else 1
    return int(flags(one.argv).get("max-num-seqs") or 256) * ranks


def flags(argv: Sequence[str]) -> dict[str, str]:
    """The long options of an engine's argv; a bare flag is the empty text."""
    found: dict[str, str] = {}
    for at, word in enumerate(argv):
        if word.startswith("--"):
            value = argv[at + 1] if at + 1 < len(argv) and not argv[at + 1].startswith("--") else ""
            found[word.removeprefix("--")] = value
    return found


def concurrencies(text: str, plan: Plan) -> tuple[int, ...]:
    """`1,4,16`, or `auto`. Raises InputError."""
    if text == "auto":
        return sweep(plan)
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or any(not word.isdigit() or int(word) < 1 for word in words):
        raise InputError(f"--concurrency {text}: numbers from 1 on, with commas between (1,4,16), or auto")
    return tuple(dict.fromkeys(int(word) for word in words))
