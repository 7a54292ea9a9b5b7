"""Small stand-ins for a model's weights: the files of a real repository, with a few KiB in each shard."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import time

SHARDS = 4
SHARD_BYTES = 64 * 1024
MOE = re.compile(r"-a\d+b|moe|deepseek|kimi|glm|minimax", re.IGNORECASE)
HYBRID = re.compile(r"qwen3[._]?[568]|qwen3-next", re.IGNORECASE)


def files(model: str) -> dict[str, bytes]:
    """Path → content of every file of `model`; the same for the same name."""
    names = [f"model-{at + 1:05d}-of-{SHARDS:05d}.safetensors" for at in range(SHARDS)]
    shards = {name: _shard(model, name, at) for at, name in enumerate(names)}
    index = {
        "metadata": {"total_size": SHARDS * SHARD_BYTES},
        "weight_map": {f"model.layers.{at}.weight": name for at, name in enumerate(names)},
    }
    plain = {
        "config.json": _config(model),
        "generation_config.json": {"do_sample": True, "temperature": 0.6, "top_p": 0.95},
        "model.safetensors.index.json": index,
        "tokenizer.json": {"version": "1.0", "model": {"type": "BPE", "vocab": {}}},
        "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "model_max_length": 262144},
    }
    return {name: json.dumps(value, indent=1).encode() for name, value in plain.items()} | shards


def _config(model: str) -> dict[str, object]:
    """What the engine looks at: dense or MoE, hybrid or not. Told by the name."""
    name = model.rpartition("/")[2]
    moe, hybrid = bool(MOE.search(name)), bool(HYBRID.search(name))
    layers = ["linear_attention", "full_attention"] if hybrid else ["full_attention"]
    text: dict[str, object] = {
        "max_position_embeddings": 262144,
        "num_attention_heads": 64 if moe else 24,
        "layer_types": layers,
    }
    family = "Qwen3_5" if hybrid else "Qwen3"
    return {
        "architectures": [f"{family}{'Moe' if moe else ''}For{'ConditionalGeneration' if hybrid else 'CausalLM'}"],
        "model_type": family.lower() + ("_moe" if moe else ""),
        "text_config": text | ({"num_experts": 128} if moe else {}),
        "lab": "made by the simulation, not a real model",
    }


def _shard(model: str, name: str, at: int) -> bytes:
    """A valid safetensors file with one tensor of made-up bytes."""
    seed = hashlib.sha256(f"{model}/{name}".encode()).digest()
    data = (seed * (SHARD_BYTES // len(seed) + 1))[:SHARD_BYTES]
    tensor = {"dtype": "U8", "shape": [SHARD_BYTES], "data_offsets": [0, SHARD_BYTES]}
    header = json.dumps({f"model.layers.{at}.weight": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + data


def write_slowly(path: str, data: bytes, seconds: float) -> None:
    """Write through `path.incomplete`, going on where an earlier try was cut off."""
    part = f"{path}.incomplete"
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    done = os.path.getsize(part) if os.path.exists(part) else 0
    with open(part, "ab") as file:
        for at in range(done, len(data), 8192):
            piece = data[at : at + 8192]
            file.write(piece)
            file.flush()
            time.sleep(seconds * len(piece) / len(data))
    os.replace(part, path)
