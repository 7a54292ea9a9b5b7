"""The parsed command line as the engine sees it, with vLLM's defaults and the model's own `config.json`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from qcluster.lab.tools import here

EXPERTS = ("num_experts", "moe_num_experts", "n_routed_experts", "num_local_experts", "num_experts_per_layer")
HYBRID = ("qwen3_5", "qwen3_5_moe", "qwen3_next", "qwen3_5_text")


@dataclass(frozen=True)
class Model:
    """What the engine reads of the weights' folder. `gigabytes` is what real ones weigh; `heads` 0: not told."""

    path: str
    found: bool
    moe: bool = False
    hybrid: bool = False
    max_len: int = 262144
    shards: int = 4
    gigabytes: float = 30.0
    heads: int = 0
    architecture: str = "Qwen3_5ForConditionalGeneration"


@dataclass(frozen=True)
class Options:
    """One engine process. `version` is vLLM's, as numbers."""

    flags: dict[str, Any]
    model: Model
    version: tuple[int, int, int]
    environ: dict[str, str] = field(default_factory=dict)

    def size(self, name: str) -> int:
        return int(self.flags.get(f"{name}-size", 1))

    @property
    def tp(self) -> int:
        return self.size("tensor-parallel")

    @property
    def longest(self) -> int:
        """Tokens of the longest context."""
        return int(self.flags.get("max-model-len", self.model.max_len))

    @property
    def kv_room(self) -> float:
        """GiB of one NPU that are left for the KV cache: what is used of its 64, less the driver's and the weights."""
        used = float(self.flags.get("gpu-memory-utilization", 0.9)) * 64 - 4
        return used - self.model.gigabytes / self.rank_devices / self.nodes

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache holds, at 64 KiB each."""
        return max(1, int(self.kv_room * self.rank_devices * (1 << 30) / 65536))

    @property
    def rank_devices(self) -> int:
        """NPUs of one data-parallel rank on this host."""
        whole = self.tp * self.size("pipeline-parallel") * self.size("prefill-context-parallel")
        return whole // self.nodes

    @property
    def nodes(self) -> int:
        """Hosts that one rank goes over (`--nnodes`)."""
        return int(self.flags.get("nnodes", 1))

    @property
    def node(self) -> int:
        return int(self.flags.get("node-rank", 0))

    @property
    def dp(self) -> int:
        return self.size("data-parallel")

    @property
    def rank(self) -> int | None:
        return self.flags.get("data-parallel-rank")

    @property
    def local_ranks(self) -> int:
        """How many data-parallel ranks this process runs itself."""
        if self.rank is not None:
            return 1
        return int(self.flags.get("data-parallel-size-local", self.dp))

    @property
    def kv(self) -> dict[str, Any]:
        return dict(self.flags.get("kv-transfer-config", {}))

    @property
    def role(self) -> str:
        return str(self.kv.get("kv_role", ""))

    @property
    def names(self) -> list[str]:
        return list(self.flags.get("served-model-name") or [self.flags["model"]])

    @property
    def port(self) -> int:
        return int(self.flags.get("port", 8000))

    @property
    def host(self) -> str:
        """Where the API listens: the lab host's own address for "everywhere"."""
        said = str(self.flags.get("host", "0.0.0.0"))
        return here.address() if said in ("0.0.0.0", "::", "localhost", "127.0.0.1") else said

    @property
    def own_ip(self) -> str:
        """What vLLM's get_ip() gives."""
        return self.environ.get("VLLM_HOST_IP") or here.address()

    @property
    def headless(self) -> bool:
        return bool(self.flags.get("headless"))


def read_version(image: str) -> tuple[int, int, int]:
    """From the image's tag; 0.23.0 where it does not say."""
    digits = image.rpartition(":v")[2].partition("-")[0].partition("rc")[0].split(".")
    return (int(digits[0]), int(digits[1]), int(digits[2])) if len(digits) == 3 and all(digits) else (0, 23, 0)


def read_model(name: str) -> Model:
    """A folder with `config.json`, as `modelscope download` left it."""
    path = os.path.expanduser(name)
    if not os.path.isdir(path):
        return Model(name, False)
    config = _json(f"{path}/config.json")
    text = {**config, **config.get("text_config", {})}
    index = _json(f"{path}/model.safetensors.index.json")
    kind = str(config.get("model_type", ""))
    return Model(
        path=path,
        found="model_type" in config,
        moe=any(text.get(key) for key in EXPERTS),
        hybrid=kind in HYBRID or "linear_attention" in text.get("layer_types", []),
        max_len=int(text.get("max_position_embeddings", 262144)),
        shards=len(set(index.get("weight_map", {}).values())) or 1,
        gigabytes=float(config.get("lab_weights_gb", 30 if "w8a8" in path.lower() else 55)),
        heads=int(text.get("num_attention_heads", 0)),
        architecture=(config.get("architectures") or ["Qwen3_5ForConditionalGeneration"])[0],
    )


def _json(path: str) -> dict[str, Any]:
    text = here.read(path)
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
