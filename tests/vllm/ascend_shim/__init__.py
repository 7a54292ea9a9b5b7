"""A vLLM plugin for tests: a command line made for Ascend runs on vLLM's CPU backend, its KV cache really transferred.

What it stands in for: the quantization `ascend` (here nothing is quantized), and `MooncakeConnectorV1` (here vLLM's own
NIXL connector, listening on kv_port). So not tested: Ascend kernels, HCCL, Mooncake's transport, MTP beside transfer.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

CONNECTOR = "MooncakeConnectorV1"
CACHE_BYTES = 128 << 20
"""On a CPU --gpu-memory-utilization is a share of the machine's memory, which all engines of a test have in common."""


def register() -> None:
    """vLLM calls this in each of its processes, before it reads its configuration."""
    from vllm.distributed.kv_transfer.kv_connector.factory import KVConnectorFactory
    from vllm.engine.arg_utils import EngineArgs
    from vllm.platforms import current_platform

    if not current_platform.is_cpu() or CONNECTOR in KVConnectorFactory._registry:
        return
    from ascend_shim.quantization import allow

    allow(type(current_platform))
    KVConnectorFactory.register_connector(CONNECTOR, "ascend_shim.connector", CONNECTOR)
    EngineArgs.create_engine_config = _fitted(EngineArgs.create_engine_config)  # type: ignore[method-assign]


def _fitted(create: Any) -> Any:
    """`create_engine_config`, with what a CPU cannot do changed after vLLM has checked all that was written."""

    def fitted(self: Any, *args: Any, **words: Any) -> Any:
        self.kv_cache_memory_bytes = self.kv_cache_memory_bytes or CACHE_BYTES
        config = create(self, *args, **words)
        if self.speculative_config and self.kv_transfer_config:
            # The CPU's GDN kernel takes no MTP tokens in the layout of the convolution state that a transfer needs.
            self.speculative_config = None
            config = create(self, *args, **words)
        return _unique(config)

    return fitted


def _unique(config: Any) -> Any:
    """A new engine id at every start, as vllm-ascend makes it (vllm_ascend/platform.py, v0.23.0).

    What a decode engine knows of a prefill engine goes by this id: one that was started again must not be taken for the
    one before, whose memory is gone.
    """
    transfer = config.kv_transfer_config
    if transfer is not None:
        transfer.engine_id = f"{transfer.engine_id}-{uuid4().hex}"
    return config
