"""`--quantization ascend` that leaves every layer as it is."""

from __future__ import annotations

from typing import Any

import torch
from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod
from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS, register_quantization_config
from vllm.model_executor.layers.quantization.base_config import QuantizationConfig


class Plain(QuantizationConfig):
    """Weights stay what they are in the files."""

    def get_name(self) -> str:
        return "ascend"

    def get_supported_act_dtypes(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float32]

    @classmethod
    def get_min_capability(cls) -> int:
        return -1

    @staticmethod
    def get_config_filenames() -> list[str]:
        return []

    @classmethod
    def from_config(cls, _config: dict[str, Any]) -> Plain:
        return cls()

    def get_quant_method(self, layer: torch.nn.Module, prefix: str) -> Any:
        return UnquantizedLinearMethod() if isinstance(layer, LinearBase) else None


def allow(platform: Any) -> None:
    """Make the name known to vLLM and to the platform."""
    if "ascend" not in QUANTIZATION_METHODS:
        register_quantization_config("ascend")(Plain)
    if platform.supported_quantization:
        platform.supported_quantization = [*platform.supported_quantization, "ascend"]
