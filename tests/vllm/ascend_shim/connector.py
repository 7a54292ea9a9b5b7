"""The connector that the plan names, as vLLM's NIXL connector over the host's memory."""

from __future__ import annotations

import os
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1.nixl import NixlConnector


class MooncakeConnectorV1(NixlConnector):
    """Its handshake is answered on `kv_port` of the address that the plan gives the instance."""

    def __init__(self, vllm_config: Any, *args: Any, **words: Any):
        transfer = vllm_config.kv_transfer_config
        transfer.kv_buffer_device = "cpu"
        os.environ["VLLM_NIXL_SIDE_CHANNEL_HOST"] = os.environ["HCCL_IF_IP"]
        os.environ["VLLM_NIXL_SIDE_CHANNEL_PORT"] = str(transfer.kv_port)
        super().__init__(vllm_config, *args, **words)
