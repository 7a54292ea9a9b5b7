"""Rules about prefill and decode fitting together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qcluster.serving.deployment import CONNECTED
from qcluster.serving.lint.rule import ERROR, INFO, WARNING, Fault, Seat, Subject, rule
from qcluster.serving.lint.transfer import pairs, point_to_point, transfers
from qcluster.serving.ports import HCCL_HOST
from qcluster.serving.proxy import LAYERWISE


@rule("QC201", ERROR, "tp of prefill ≥ tp of decode", "mooncake_connector.py at v0.23.0", "tp: 1")
def tp_order(subject: Subject) -> Iterator[Fault]:
    for prefill, decode in pairs(subject):
        one, other = prefill.instance.tp, decode.instance.tp
        if one < other:
            what = f"prefill has tp {one}, decode {other}"
            yield Fault(what, "tp of prefill must be at least that of decode", prefill.placement, "tp")


@rule("QC202", ERROR, "tp of prefill is a multiple of decode's", "disaggregated_prefill.md", "tp: 6")
def tp_multiple(subject: Subject) -> Iterator[Fault]:
    for prefill, decode in pairs(subject):
        one, other = prefill.instance.tp, decode.instance.tp
        if one > other and one % other:
            yield Fault(f"tp {one} of prefill is no multiple of decode's {other}", "", prefill.placement, "tp")


def _tokens(seat: Seat) -> Any:
    return seat.config("speculative-config").get("num_speculative_tokens")


@rule("QC206", ERROR, "equal MTP for hybrid models", "issue #16160", "num_speculative_tokens: 1")
def same_speculation(subject: Subject) -> Iterator[Fault]:
    for prefill, decode in pairs(subject):
        one, other = _tokens(prefill), _tokens(decode)
        if subject.plan.model.hybrid and None not in (one, other) and one != other:
            what = f"num_speculative_tokens is {one} on prefill and {other} on decode"
            yield Fault(what, "a hybrid model needs the same on both", decode.placement, "vllm_args")


@rule("QC207", ERROR, "MTP on both sides or none", "issue #16177", "speculative-config: null")
def one_sided_speculation(subject: Subject) -> Iterator[Fault]:
    for prefill, decode in pairs(subject):
        if (_tokens(prefill) is None) != (_tokens(decode) is None):
            yield Fault("only one side decodes speculatively", "both or none", decode.placement, "vllm_args")


@rule(
    "QC208", INFO, "one MTP token on prefill", "pd_disaggregation_mooncake_multi_node.md", "num_speculative_tokens: 3"
)
def prefill_speculation(subject: Subject) -> Iterator[Fault]:
    for seat in subject.of("prefill"):
        if not subject.plan.model.hybrid and _tokens(seat) not in (None, 1, "1"):
            what = f"prefill computes {_tokens(seat)} speculative tokens and uses one"
            yield Fault(what, "num_speculative_tokens: 1 on prefill", seat.placement, "vllm_args")


@rule("QC209", ERROR, "no prefix caching for hybrid PD", "issue #7722", "enable-prefix-caching: true")
def prefix_cache(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        off = "no-enable-prefix-caching" in seat.flags
        if subject.plan.model.hybrid and seat.instance.role in CONNECTED and not off:
            what = "prefix caching of a hybrid model hangs prefill and breaks decode"
            yield Fault(what, "no-enable-prefix-caching: true", seat.placement, "vllm_args")


@rule("QC210", ERROR, "the connector moves hybrid state", "issue #10246", f"connector: {LAYERWISE}")
def layerwise_hybrid(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        names = [one.get("kv_connector") for one in transfers(seat)]
        if subject.plan.model.hybrid and LAYERWISE in names and not subject.since("v0.23.0rc1"):
            what = f"{LAYERWISE} does not transfer a hybrid model's state in {subject.plan.release}"
            yield Fault(what, "MooncakeConnectorV1, or v0.23.0", seat.placement, "connector")


@rule("QC211", ERROR, "proxy and connector match", "disaggregated_prefill_v1", "proxy_kind: vllm-ascend-layerwise")
def proxy_for_connector(subject: Subject) -> Iterator[Fault]:
    proxy = subject.plan.proxy
    for seat in subject.of("prefill") if proxy else ():
        layerwise = any(one.get("kv_connector") == LAYERWISE for one in transfers(seat))
        if proxy and layerwise != (proxy.kind == "vllm-ascend-layerwise"):
            what = f"proxy {proxy.kind} does not speak to {point_to_point(seat).get('kv_connector')}"
            yield Fault(what, "leave proxy_kind to the plan", seat.placement, "proxy_kind")


@rule("QC212", ERROR, "one connector for both sides", "issue #10246", "connector: … on one side")
def same_connector(subject: Subject) -> Iterator[Fault]:
    used = {seat.instance.name: point_to_point(seat).get("kv_connector") for seat in subject.connected}
    for prefill, decode in pairs(subject):
        one, other = used[prefill.instance.name], used[decode.instance.name]
        if one and other and one != other:
            yield Fault(f"prefill uses {one}, decode {other}", "one connector for both", decode.placement, "connector")


@rule("QC214", ERROR, "decode is not pipeline parallel", "mooncake_connector.py", "pp: 2")
def decode_pipeline(subject: Subject) -> Iterator[Fault]:
    for seat in subject.of("decode"):
        if seat.instance.pp > 1:
            yield Fault("decode cannot be pipeline parallel with Mooncake", "pp: 1", seat.placement, "pp")


@rule("QC215", ERROR, "pp or pcp, not both", "mooncake_connector.py", "pp: 2, pcp: 2")
def pipeline_and_context(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if seat.instance.pp > 1 and seat.instance.pcp > 1:
            yield Fault("pp and pcp exclude one another", "set one of them to 1", seat.placement, "pp")


@rule("QC227", ERROR, "context parallel sizes fit", "mooncake_connector.py", "dcp: 2 on decode")
def context_multiple(subject: Subject) -> Iterator[Fault]:
    for prefill, decode in pairs(subject):
        one, other = (seat.instance.pcp * seat.instance.dcp for seat in (prefill, decode))
        layerwise = any(part.get("kv_connector") == LAYERWISE for part in transfers(decode))
        if one % other and not layerwise:
            what = f"pcp · dcp is {one} on prefill, no multiple of decode's {other}: every transfer fails"
            yield Fault(what, "a smaller dcp on decode, or a larger pcp or dcp on prefill", decode.placement, "dcp")


@rule("QC216", WARNING, "no recompute scheduler on prefill", "PR #11490", "recompute_scheduler_enable: true")
def recompute_on_prefill(subject: Subject) -> Iterator[Fault]:
    for seat in subject.of("prefill"):
        wanted = seat.config("additional-config").get("recompute_scheduler_enable")
        if wanted and subject.since("v0.23.0rc1"):
            yield Fault("recompute_scheduler_enable is ignored on prefill", "remove it", seat.placement, "vllm_args")


@rule("QC217", ERROR, "recompute scheduler on decode only", "platform.py", "recompute_scheduler_enable: true")
def recompute_elsewhere(subject: Subject) -> Iterator[Fault]:
    for seat in subject.of("standalone"):
        if seat.config("additional-config").get("recompute_scheduler_enable"):
            what = "recompute_scheduler_enable is refused outside decode hosts"
            yield Fault(what, "remove it", seat.placement, "vllm_args")


@rule("QC218", ERROR, "KV load failures", "mooncake_connector.py", "kv_load_failure_policy: recompute")
def load_failure_policy(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        policy = seat.config("kv-transfer-config").get("kv_load_failure_policy")
        if subject.plan.model.hybrid and policy == "recompute":
            yield Fault("hybrid models have no kv_load_failure_policy recompute", "", seat.placement, "vllm_args")


@rule("QC219", WARNING, "no reduced sampling in PD", "issue #12827", "enable_reduce_sample: true")
def reduce_sample(subject: Subject) -> Iterator[Fault]:
    for seat in subject.connected:
        if seat.config("additional-config").get("enable_reduce_sample"):
            yield Fault("enable_reduce_sample garbles PD output", "remove it", seat.placement, "vllm_args")


@rule("QC220", ERROR, "one hardware type in PD", "disaggregated_prefill.md", "hardware: a2")
def mixed_hardware(subject: Subject) -> Iterator[Fault]:
    seats = [seat for seat in subject.connected if not seat.instance.hardware.startswith("<")]
    kinds = {seat.instance.hardware for seat in seats}
    if subject.pd and len(kinds) > 1:
        odd = next(seat for seat in seats if seat.instance.hardware != seats[0].instance.hardware)
        what = f"prefill and decode mix {' and '.join(sorted(kinds))}"
        yield Fault(what, "KV transfer needs one hardware type", odd.placement, "hardware")


@rule("QC221", WARNING, "27B PD on A2", "issue #11863; vllm-ascend-recipes", "hardware: a2")
def a2_unverified(subject: Subject) -> Iterator[Fault]:
    seats = [seat for seat in subject.connected if seat.instance.hardware == "a2"]
    if subject.pd and seats and subject.deployment.recipe.seed:
        what = (
            "27B PD on A2 is unverified: vllm-ascend's guide has an A2 tab, vllm-ascend-recipes calls it not supported"
        )
        yield Fault(what, "prove it with qcluster smoke before use", seats[0].placement, "hardware")


@rule("QC222", WARNING, "HCCL ports of one host's roles", "issue #4725", "p1 in prefill and decode")
def same_host(subject: Subject) -> Iterator[Fault]:
    for prefill, decode in pairs(subject):
        if prefill.instance.host == decode.instance.host and not _separated(prefill, decode):
            what = f"prefill and decode share {prefill.instance.host} and HCCL's port {HCCL_HOST[0]}"
            yield Fault(what, "HCCL_IF_BASE_PORT in one role's vllm_env", decode.placement, "vllm_env")


def _separated(one: Seat, other: Seat) -> bool:
    name = "HCCL_IF_BASE_PORT"
    return one.instance.env.get(name) != other.instance.env.get(name)


@rule("QC223", WARNING, "KV inside one A2 host", "issue #4866", "p1 in prefill and decode")
def same_host_transport(subject: Subject) -> Iterator[Fault]:
    for prefill, decode in pairs(subject):
        roce = prefill.instance.env.get("HCCL_INTRA_ROCE_ENABLE")
        if prefill.instance.host == decode.instance.host and prefill.instance.hardware == "a2" and roce != "1":
            what = "prefill and decode on one A2 host exchange KV over RoCE only"
            yield Fault(what, "HCCL_INTRA_ROCE_ENABLE: 1 in vllm_env", prefill.placement, "vllm_env")


@rule("QC224", INFO, "vllm-router", "issue 5", "proxy_kind: vllm-router")
def router(subject: Subject) -> Iterator[Fault]:
    if subject.plan.proxy and subject.plan.proxy.kind == "vllm-router":
        what = "vllm-router is tested with NIXL engines, not with vllm-ascend's Mooncake connector"
        yield Fault(what, "prove it with qcluster smoke", subject.firsts[0].placement, "proxy_kind")


@rule("QC226", ERROR, "dense PD has replicas", "vllm_ascend/utils.py", "dp_mode: internal")
def dense_internal(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        wanted = seat.placement.variables.get("dp_mode") == "internal"
        if wanted and seat.instance.role in CONNECTED and not subject.plan.model.moe:
            what = "a dense model cannot have internal data parallelism with a KV connector"
            yield Fault(what, "leave dp_mode out: each replica is a process", seat.placement, "dp_mode")
