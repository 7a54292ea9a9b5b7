"""The connector that the plan names, as vLLM's NIXL connector over the host's memory."""

from __future__ import annotations

import os
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1.nixl import NixlConnector

POLL = 1000
"""Microseconds between two looks of NIXL's progress thread. Its Python API gives 0: a core for each engine."""


class MooncakeConnectorV1(NixlConnector):
    """Its handshake is answered on `kv_port` of the address that the plan gives the instance."""

    def __init__(self, vllm_config: Any, *args: Any, **words: Any):
        transfer = vllm_config.kv_transfer_config
        transfer.kv_buffer_device = "cpu"
        os.environ["VLLM_NIXL_SIDE_CHANNEL_HOST"] = os.environ["HCCL_IF_IP"]
        os.environ["VLLM_NIXL_SIDE_CHANNEL_PORT"] = str(transfer.kv_port)
        _calm()
        super().__init__(vllm_config, *args, **words)


def _calm() -> None:
    """Agents get a progress thread that does not spin. Imported here: vLLM sets NIXL's environment first."""
    import nixl._api as nixl

    make = nixl.nixlBind.nixlAgent

    def calm(name: str, config: Any) -> Any:
        config.pthrDelay = POLL
        return make(name, config)

    nixl.nixlBind.nixlAgent = calm
