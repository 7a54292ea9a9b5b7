"""Rules about sizes: parallelism, memory, lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qcluster.inventory.folding import told
from qcluster.serving.catalogue import hardware
from qcluster.serving.lint.rule import ERROR, INFO, WARNING, Fault, Seat, Subject, once, rule
from qcluster.serving.memory import UTILIZATION, Budget, budget
from qcluster.serving.notes import idle
from qcluster.serving.options import number


@rule("QC401", ERROR, "tp divides the model's heads", "vllm/config/model.py", "tp: 3")
def tp_allowed(subject: Subject) -> Iterator[Fault]:
    allowed = subject.deployment.recipe.tp_allowed
    for seat in subject.firsts:
        if allowed and seat.instance.tp not in allowed:
            what = f"tp {seat.instance.tp} does not divide the heads of {subject.plan.model.name}"
            yield Fault(what, f"use {', '.join(map(str, allowed))}", seat.placement, "tp")


@rule("QC402", WARNING, "tp 8 on A2", "issue #7360", "tp: 8")
def tp8_on_a2(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if seat.instance.hardware == "a2" and seat.instance.tp >= 8 and subject.plan.model.hybrid:
            what = "tp 8 of a hybrid model fails on A2 (aclnnCausalConv1d)"
            yield Fault(what, "tp: 2 or 4", seat.placement, "tp")


@rule("QC403", ERROR, "max-model-len fits the model", "seed, section 9.1", "max-model-len: 266000")
def too_long(subject: Subject) -> Iterator[Fault]:
    longest = subject.deployment.recipe.max_model_len
    for seat in subject.firsts:
        length = number(seat.flags, "max-model-len")
        if longest and length and length > longest:
            what = f"max-model-len {length:.0f} is more than the model's {longest}"
            yield Fault(what, f"max-model-len: {longest}", seat.placement, "vllm_args")


@rule("QC404", WARNING, "room for the expected concurrency", "seed, section 5.1", "concurrency: 4000")
def concurrency(subject: Subject) -> Iterator[Fault]:
    wanted = subject.deployment.placements[0].settings.concurrency
    role = "decode" if subject.pd else "standalone"
    seats = [seat for seat in subject.seats if seat.instance.role == role]
    room = sum((number(seat.flags, "max-num-seqs") or 0) * seat.slot.ranks for seat in seats)
    if wanted and room and room < wanted:
        what = f"{room:.0f} requests run at once, {wanted} are expected; the others wait"
        yield Fault(what, "more dp, or a larger max-num-seqs", seats[0].placement, "concurrency")


@rule("QC405", ERROR, "a batch holds every sequence", "vllm/config/scheduler.py", "max-num-batched-tokens: 8")
def batch(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        tokens, sequences = number(seat.flags, "max-num-batched-tokens"), number(seat.flags, "max-num-seqs")
        if tokens and sequences and tokens < sequences:
            what = f"max-num-batched-tokens {tokens:.0f} is less than max-num-seqs {sequences:.0f}"
            yield Fault(what, "vLLM refuses it", seat.placement, "vllm_args")


@rule("QC406", ERROR, "memory share between 0 and 1", "vllm/config/cache.py", "gpu-memory-utilization: 1.5")
def utilization(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        share = number(seat.flags, "gpu-memory-utilization")
        if share is not None and not 0 < share <= 1:
            yield Fault(f"gpu-memory-utilization is {share:g}", "it is above 0, up to 1", seat.placement, "vllm_args")


@rule("QC407", WARNING, "memory share leaves room", "faqs.md §12", "gpu-memory-utilization: 0.99")
def tight(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        share = number(seat.flags, "gpu-memory-utilization")
        if share is not None and 0.96 < share <= 1:
            what = f"gpu-memory-utilization {share:g} leaves no room beside the cache"
            yield Fault(what, "0.95 at most", seat.placement, "vllm_args")


def _budget(subject: Subject, seat: Seat) -> Budget | None:
    share = number(seat.flags, "gpu-memory-utilization") or UTILIZATION
    if not 0 < share <= 1:
        return None  # told by itself
    ranks = seat.instance.dp_size if "enable-expert-parallel" in seat.flags else 1
    return budget(subject.deployment, seat.placement, share, ranks)


@rule("QC408", ERROR, "weights fit", "seed, section 5.2", "tp: 1")
def weights_fit(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        room = _budget(subject, seat)
        if room and room.cache_gb <= 0:
            what = f"{room.weights_gb:.0f} GB of weights a NPU leave no room for the cache in {room.usable_gb:.0f} GB"
            yield Fault(what, _lighter(subject, seat), seat.placement, "tp")


def _lighter(subject: Subject, seat: Seat) -> str:
    if not subject.deployment.moe:
        return "a larger tp"
    return "a larger dp or tp" if "enable-expert-parallel" in seat.flags else "enable-expert-parallel, or a larger tp"


@rule("QC409", WARNING, "the cache holds one request", "vllm/v1/core/kv_cache_utils.py", "max-model-len: 262144")
def one_request_fits(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        room, length = _budget(subject, seat), number(seat.flags, "max-model-len")
        if room and room.cache_gb > 0 and length and 0 < room.tokens < length:
            what = f"the cache holds about {room.tokens} tokens, one request may have {length:.0f}"
            yield Fault(what, "a larger tp or a smaller max-model-len", seat.placement, "vllm_args")


@rule("QC410", INFO, "no NPU stays idle", "seed, section 9.1", "dp: 1")
def idle_npus(subject: Subject) -> Iterator[Fault]:
    for placement, what in idle(subject.deployment, subject.plan.instances):
        yield Fault(what, "a larger dp, or npus", placement, "dp")


@rule("QC411", INFO, "A3 cards stay whole", "issue #8519", "npus: [0, 2, 4, 6]")
def split_cards(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if seat.instance.hardware == "a3" and any(map(_halved, _ranks(seat))):
            what = f"{seat.instance.name} uses halves of A3 cards ({','.join(map(str, seat.instance.devices))})"
            yield Fault(what, "list npus so that 2k and 2k+1 stay together", seat.placement, "npus")


def _ranks(seat: Seat) -> Iterator[Sequence[int]]:
    """The NPUs of each rank of a process."""
    devices = seat.instance.devices
    step = max(1, len(devices) // seat.slot.ranks)
    yield from (devices[start : start + step] for start in range(0, len(devices), step))


def _halved(rank: Sequence[int]) -> bool:
    return len({npu // 2 for npu in rank}) > (len(rank) + 1) // 2


@rule("QC417", WARNING, "tp stays within a host", "vLLM, parallelism_scaling.md", "tp: 16 on a2")
def tensor_over_hosts(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if seat.slot.node == 0 and seat.instance.tp > len(seat.instance.devices):
            hosts = told(share.placement.host.name for share in seat.slot.team.shares)
            what = f"tp {seat.instance.tp} goes over {hosts}: every layer waits for the network between them"
            yield Fault(what, "tp within a host, pp over hosts", seat.placement, "tp")


@rule("QC412", ERROR, "dcp divides tp", "vllm/config/parallel.py", "dcp: 3")
def decode_context(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if seat.instance.tp % seat.instance.dcp:
            what = f"dcp {seat.instance.dcp} does not divide tp {seat.instance.tp}"
            yield Fault(what, "", seat.placement, "dcp")


@rule("QC413", ERROR, "NPU ids exist", "issue #8519", "npus: [16, 17]")
def ids_exist(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        settings = seat.placement.settings
        known = hardware().get(settings.hardware)
        missing = [npu for npu in settings.npus or () if known and npu >= known.npus]
        if known and missing:
            what = f"NPU {missing[0]} is beyond the {known.npus} of {settings.hardware}"
            yield Fault(what, "ids start at 0", seat.placement, "npus")


@rule("QC414", ERROR, "no NPU is used twice", "issue #2698", "p1 in prefill and decode")
def shared_npus(subject: Subject) -> Iterator[Fault]:
    owners: dict[tuple[str, int], Seat] = {}
    uses = [(seat, npu) for seat in subject.seats for npu in seat.instance.devices]
    twice = [(owners.setdefault((seat.instance.host, npu), seat), seat, npu) for seat, npu in uses]
    for first, second, npu in once((use for use in twice if use[0] is not use[1]), _roles):
        what = f"NPU {npu} of {first.instance.host} is used by {first.instance.role} and {second.instance.role}"
        yield Fault(what, "give each role its own npus list", second.placement, "npus")


def _roles(use: tuple[Seat, Seat, int]) -> tuple[str, str, str]:
    return use[0].instance.host, use[0].instance.role, use[1].instance.role


@rule("QC415", INFO, "graphs on decode", "seed, section 5.2", "enforce-eager: true")
def eager_decode(subject: Subject) -> Iterator[Fault]:
    for seat in (*subject.of("decode"), *subject.of("standalone")):
        if "enforce-eager" in seat.flags and subject.deployment.recipe.roles:
            yield Fault("enforce-eager makes each token slower", "leave it to prefill", seat.placement, "vllm_args")
