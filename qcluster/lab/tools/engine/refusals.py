"""What real vLLM with vllm-ascend refuses while it builds its configuration, in the order it finds it.

Each check returns the exception's text, or None. Sources: vllm/engine/arg_utils.py and vllm/config at 0.18 to 0.27,
vllm_ascend/utils.py, vllm_ascend/platform.py and mooncake_connector.py at v0.22.1rc1 and v0.23.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qcluster.lab.tools.engine.options import Options

ROLES = ("kv_producer", "kv_consumer", "kv_both")
CONNECTORS = ("MooncakeConnectorV1", "MooncakeConnector", "MooncakeLayerwiseConnector", "MultiConnector")
KV_FIELDS = frozenset(
    [
        "kv_connector",
        "kv_connector_module_path",
        "kv_connector_extra_config",
        "kv_role",
        "kv_rank",
        "kv_parallel_size",
        "kv_ip",
        "kv_port",
        "kv_buffer_device",
        "kv_buffer_size",
        "engine_id",
        "enable_permute_local_kv",
        "kv_load_failure_policy",
    ]
)
GRAPH_MODES = ("NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE")
QUANTIZATIONS = ("ascend", "awq", "compressed-tensors", "fp8", "gptq", "modelslim", "bitsandbytes", "gguf")
GRAPH_FIELDS = frozenset(
    """backend cache_dir compile_cache_save_format compile_mm_encoder compile_ranges_split_points compile_sizes
    cudagraph_capture_sizes cudagraph_copy_inputs cudagraph_mm_encoder cudagraph_mode cudagraph_num_of_warmups
    cudagraph_specialize_lora custom_ops debug_dump_path dynamic_shapes_config fast_moe_cold_start full_cuda_graph
    inductor_compile_config inductor_passes level local_cache_dir max_cudagraph_capture_size mode pass_config
    splitting_ops use_cudagraph use_inductor use_inductor_graph_partition""".split()  # noqa: SIM905
)
METHODS = ("qwen3_5_mtp", "qwen3_next_mtp", "mtp", "deepseek_mtp", "eagle", "eagle3", "ngram", "medusa", "suffix")

Check = Callable[[Options], str | None]


def refusal(options: Options) -> str | None:
    """The first thing that keeps this engine from starting."""
    return next((text for check in CHECKS if (text := check(options)) is not None), None)


def warnings(options: Options) -> Iterator[str]:
    """What is only said."""
    extra = options.flags.get("additional-config", {})
    if extra.get("recompute_scheduler_enable") and options.role == "kv_producer" and options.version >= (0, 23, 0):
        yield (
            "recompute_scheduler_enable is ignored on PD-disaggregated P nodes (kv_role='kv_producer'), it only takes "
            "effect on D nodes."
        )
    if _turns_hybrid_off(options):
        yield "Turning off hybrid kv cache manager because `--kv-transfer-config` is set."


def _model_is_there(options: Options) -> str | None:
    if options.model.found:
        return None
    return (
        f"HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': "
        f"'{options.model.path}'. Use `repo_type` argument if needed."
    )


def _external_dp_of_one(options: Options) -> str | None:
    if options.rank is not None and options.dp == 1:
        return "ValueError: data_parallel_external_lb can only be set when data_parallel_size > 1"
    return None


def _rank_in_range(options: Options) -> str | None:
    if options.rank is not None and not 0 <= options.rank < options.dp:
        return f"ValueError: data_parallel_rank ({options.rank}) must be in the range [0, {options.dp})"
    return None


def _dense_external_dp(options: Options) -> str | None:
    if options.model.moe or options.rank is None or options.version < (0, 21, 0):
        return None
    return (
        "ValueError: Non-MoE models do not support external data parallel mode. For external load balancing, launch "
        "independent vLLM instances without --data-parallel-* arguments."
    )


def _sizes(options: Options) -> str | None:
    if options.tp < 1 or options.dp < 1:
        return "ValueError: tensor_parallel_size and data_parallel_size must be positive"
    return None


def _utilization(options: Options) -> str | None:
    value = options.flags.get("gpu-memory-utilization", 0.9)
    return None if 0 < value <= 1 else f"ValueError: GPU memory utilization must be less than 1.0. Got {value}."


def _length(options: Options) -> str | None:
    asked = options.flags.get("max-model-len", 0)
    if asked <= options.model.max_len:
        return None
    return (
        f"ValueError: User-specified max_model_len ({asked}) is greater than the derived max_model_len "
        f"(max_position_embeddings={options.model.max_len} or model_max_length=None in model's config.json)."
    )


def _batch(options: Options) -> str | None:
    tokens, seqs = options.flags.get("max-num-batched-tokens"), options.flags.get("max-num-seqs", 256)
    if tokens is None or tokens >= seqs:
        return None
    return f"ValueError: max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs ({seqs})."


def _speculative(options: Options) -> str | None:
    config = options.flags.get("speculative-config")
    if config is None:
        return None
    method = config.get("method", "")
    if method not in METHODS:
        return f"ValueError: Unsupported speculative method: '{method}'"
    return None if config.get("num_speculative_tokens") else "ValueError: num_speculative_tokens must be provided."


def _heads(options: Options) -> str | None:
    if options.model.heads % options.tp == 0:
        return None
    return (
        f"ValueError: Total number of attention heads ({options.model.heads}) must be divisible by tensor parallel "
        f"size ({options.tp})."
    )


def _quantization(options: Options) -> str | None:
    method = options.flags.get("quantization")
    if method is None or method in QUANTIZATIONS:
        return None
    return f"ValueError: Unknown quantization method: {method}. Must be one of {list(QUANTIZATIONS)}."


def _graph_mode(options: Options) -> str | None:
    config = options.flags.get("compilation-config", {})
    unknown = sorted(set(config) - GRAPH_FIELDS)
    if unknown:
        return (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for CompilationConfig\n"
            f"{unknown[0]}\n  Unexpected keyword argument [type=unexpected_keyword_argument]"
        )
    mode = config.get("cudagraph_mode", "NONE")
    return None if str(mode).upper() in GRAPH_MODES else f"KeyError: '{mode}'"


def _kv_fields(options: Options) -> str | None:
    kv = options.kv
    unknown = sorted(set(kv) - KV_FIELDS)
    if unknown:
        return (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for KVTransferConfig\n"
            f"{unknown[0]}\n  Unexpected keyword argument [type=unexpected_keyword_argument]"
        )
    if not kv:
        return None
    if kv.get("kv_role") not in ROLES:
        return f"ValueError: Unsupported kv_role: {kv.get('kv_role')}. Supported roles are {ROLES}"
    if kv.get("kv_connector") not in CONNECTORS:
        return f"ValueError: Unsupported connector type: {kv.get('kv_connector')}"
    return None


def _own_side(options: Options) -> str | None:
    """Connector configuration against the command line: `check_kv_extra_config`."""
    extra = options.kv.get("kv_connector_extra_config", {})
    sides = {"kv_producer": ("prefill",), "kv_consumer": ("decode",), "kv_both": ("prefill", "decode")}
    seen = [("tensor", "tp_size", options.tp), ("data", "dp_size", options.dp)]
    if not options.model.moe:
        seen.append(("data", "dp_size", 1))  # the engine core treats each rank of a dense model as one of its own
    for side in sides.get(options.role, ()):
        for kind, name, own in seen:
            said = extra.get(side, {}).get(name, own)
            if int(said) != own:
                return (
                    f"ValueError: KV transfer '{side}' config has a conflicting {kind} parallel size. "
                    f"Expected {own}, but got {said}."
                )
    return None


def _both_sides(options: Options) -> str | None:
    extra = options.kv.get("kv_connector_extra_config", {})
    if options.kv and options.kv.get("kv_connector") != "MultiConnector":
        for side in ("prefill", "decode"):
            for name in ("dp_size", "tp_size"):
                if name not in extra.get(side, {}):
                    return f"AssertionError: kv_connector_extra_config.{side} must contain '{name}'"
        prefill, decode = int(extra["prefill"]["tp_size"]), int(extra["decode"]["tp_size"])
        if prefill < decode:
            return (
                f"ValueError: prefill_tp_size: {prefill} must be greater than or equal to the decode_tp_size: {decode}"
            )
        if prefill % decode:
            return f"ValueError: prefill_tp_size: {prefill} must be divisible by decode_tp_size: {decode}"
    return None


def _turns_hybrid_off(options: Options) -> bool:
    kept = options.flags.get("disable-hybrid-kv-cache-manager") is False
    return bool(options.model.hybrid and options.kv and options.version < (0, 22, 0) and not kept)


def _hybrid(options: Options) -> str | None:
    needs_support = options.model.hybrid and options.kv and options.version < (0, 21, 0)
    if not (_turns_hybrid_off(options) or needs_support):
        return None
    return (
        "ValueError: Hybrid KV cache manager is disabled but failed to convert the KV cache specs to one unified type."
    )


def _recompute(options: Options) -> str | None:
    extra = options.flags.get("additional-config", {})
    role = options.role or None
    if not extra.get("recompute_scheduler_enable") or role in ("kv_producer", "kv_consumer"):
        return None
    if options.version < (0, 23, 0):
        return None
    return (
        "ValueError: recompute_scheduler_enable can only be enabled on PD-disaggregated D nodes "
        f"(kv_role='kv_consumer', but got kv_role={role!r}), and is not supported in PD-mixed mode."
    )


CHECKS: tuple[Check, ...] = (
    _model_is_there,
    _sizes,
    _heads,
    _quantization,
    _utilization,
    _external_dp_of_one,
    _rank_in_range,
    _dense_external_dp,
    _length,
    _batch,
    _speculative,
    _graph_mode,
    _kv_fields,
    _own_side,
    _both_sides,
    _recompute,
    _hybrid,
)
