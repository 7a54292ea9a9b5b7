"""Tiny models of the architectures that are served: a configuration each, no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LENGTH = 262144

_TEXT = {
    "model_type": "qwen3_5_text",
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_num_key_heads": 8,
    "linear_num_value_heads": 8,
    "max_position_embeddings": LENGTH,
    "tie_word_embeddings": False,
    "full_attention_interval": 4,
    "layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"],
    "mamba_ssm_dtype": "float32",
    "mtp_num_hidden_layers": 1,
    "torch_dtype": "bfloat16",
}
DENSE: dict[str, Any] = {
    "architectures": ["Qwen3_5ForConditionalGeneration"],
    "model_type": "qwen3_5",
    "text_config": _TEXT,
    "vision_config": {
        "model_type": "qwen3_5",
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "in_channels": 3,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 64,
        "num_position_embeddings": 64,
    },
    "image_token_id": 6,
    "video_token_id": 7,
    "vision_start_token_id": 3,
    "vision_end_token_id": 4,
    "torch_dtype": "bfloat16",
}
MOE: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 64,
    "num_experts": 16,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 1,
    "norm_topk_prob": True,
    "num_hidden_layers": 2,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "head_dim": 64,
    "max_position_embeddings": LENGTH,
    "torch_dtype": "bfloat16",
}


def models(folder: Path) -> dict[str, Path]:
    """The folders of both models, written."""
    made = {}
    for name, config in (("dense", DENSE), ("moe", MOE)):
        made[name] = folder / f"tiny-{name}"
        made[name].mkdir(parents=True, exist_ok=True)
        (made[name] / "config.json").write_text(json.dumps(config))
    return made
