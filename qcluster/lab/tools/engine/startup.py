"""From the parsed command line to an engine that serves: the milestones of a real start, and the faults on the way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from qcluster.lab.tools import here
from qcluster.lab.tools.engine import console, hbm
from qcluster.lab.tools.engine.excerpts import EXCERPTS
from qcluster.lab.tools.engine.group import Group, GroupFailed
from qcluster.lab.tools.engine.options import Options
from qcluster.lab.tools.engine.refusals import refusal, warnings
from qcluster.lab.tools.engine.transfer import LAYERWISE, PortTaken, Producer, Receiver
from qcluster.lab.tools.engine.workers import Workers

SHARE = {
    "args": 0.05,
    "engine": 0.1,
    "weights": 0.45,
    "kv-cache": 0.1,
    "capture": 0.2,
    "kv-thread": 0.05,
    "routes": 0.05,
}
"""How a start's time divides among its milestones."""


class Failed(Exception):
    """The engine does not start: what is logged last, and the exit code."""

    def __init__(self, text: str, who: str = "APIServer", code: int = 1):
        super().__init__(text)
        self.text, self.who, self.code = text, who, code


class Engine:
    """What runs once the start is through."""

    def __init__(self, options: Options):
        self.options = options
        self.workers = Workers()
        self.group = Group(options)
        self.layerwise = options.kv.get("kv_connector") == LAYERWISE
        sends, receives = options.role in ("kv_producer", "kv_both"), options.role in ("kv_consumer", "kv_both")
        self.producer = Producer(options) if sends and not self.layerwise else None
        self.receiver = Receiver(options) if receives and self.layerwise else None
        self.devices: list[int] = []

    @property
    def keys(self) -> tuple[str, str]:
        """What a fault may be set for: this instance, or its whole host."""
        return f"{here.host()}:{self.options.port}", here.host()

    def start(self) -> None:
        """Raises Failed."""
        for milestone, step in self._steps():
            self._pause(milestone)
            step()
            if milestone == "engine" and self.options.nodes > 1:
                self._join()

    def _steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "args", self._arguments
        yield "engine", self._core
        yield "weights", self._weights
        if self.options.node == 0:  # the other hosts of a rank only run workers
            yield "kv-cache", self._cache
            yield "capture", self._capture
        yield "kv-thread", self._kv_thread

    def _pause(self, milestone: str) -> None:
        if here.fault("engine-stalls", *self.keys) == milestone:
            console.info(f"{here.SIMULATION}: stalled before {milestone}")
            time.sleep(86400)
        slow = float(here.fault("engine-slow", *self.keys) or 1)
        if milestone != "weights":
            time.sleep(here.pace() * SHARE[milestone] * slow)
        died = here.fault("engine-dies", *self.keys)
        if died is not None and milestone == "weights":
            self._die(died)

    def _die(self, words: str) -> None:
        """The fault's words: which excerpt of the failure catalogue, and `once` for only the next start."""
        name, _, rest = words.partition(" ")
        if rest == "once":
            for key in self.keys:
                path = f"{here.lab()}/faults/engine-dies/{key}"
                if os.path.exists(path):
                    os.unlink(path)
        raise Failed(EXCERPTS.get(name or "oom", name), f"EngineCore_DP{self.options.rank or 0}")

    def _arguments(self) -> None:
        given = {name.replace("-", "_"): value for name, value in self.options.flags.items() if name != "api-key"}
        console.info(f"non-default args: {given}", "utils.py:233")
        text = refusal(self.options)
        if text is not None:
            raise Failed(text)
        for warning in warnings(self.options):
            console.warning(warning)
        console.info(f"Resolved architecture: {self.options.model.architecture}", "model.py:514")

    def _core(self) -> None:
        version = ".".join(str(part) for part in self.options.version)
        options = self.options
        console.info(
            f"Initializing a V1 LLM engine (v{version}) with config: model='{options.model.path}', "
            f"tensor_parallel_size={options.tp}, data_parallel_size={options.dp}",
            "core.py:93",
            self._core_name,
        )
        try:
            self.devices = hbm.visible(options.local_ranks * options.rank_devices)
            hbm.check(self.devices, float(options.flags.get("gpu-memory-utilization", 0.9)))
        except hbm.Unusable as unusable:
            raise Failed(str(unusable), self._core_name) from unusable
        self._libraries()
        self.workers.start(options, self.devices)
        for rank in range(options.tp):
            console.info(
                f"world_size={options.tp} rank={rank} local_rank={rank} "
                f"distributed_init_method=tcp://{options.own_ip}:0 backend=hccl",
                "parallel_state.py:1208",
                f"Worker_TP{rank}",
            )

    @property
    def _core_name(self) -> str:
        return "EngineCore" if self.options.dp == 1 else f"EngineCore_DP{self.options.rank or 0}"

    def _libraries(self) -> None:
        """`ascend_transport.so` lies in /usr/local/lib, which only ~/.bashrc adds to the path."""
        paths = self.options.environ.get("LD_LIBRARY_PATH", "").split(":")
        if self.options.kv and here.root() and "/usr/local/lib" not in paths:
            raise Failed(
                "ImportError: ascend_transport.so: cannot open shared object file: No such file or directory",
                self._core_name,
            )

    def _weights(self) -> None:
        shards = self.options.model.shards
        console.info(f"Starting to load model {self.options.model.path}...", "model_runner_v1.py:2312", "Worker_TP0")
        begun = time.monotonic()
        slow = float(here.fault("engine-slow", *self.keys) or 1)
        for shard in range(shards + 1):
            percent = 100 * shard // shards
            console.raw(
                f"Loading safetensors checkpoint shards: {percent:3d}% Completed | {shard}/{shards}", "Worker_TP0"
            )
            if shard < shards:
                time.sleep(here.pace() * SHARE["weights"] * slow / shards)
        console.info(
            f"Loading weights took {time.monotonic() - begun:.2f} seconds", "default_loader.py:268", "Worker_TP0"
        )

    def _cache(self) -> None:
        if self.options.kv_room <= 1:
            raise Failed(
                "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
                "initializing the engine.",
                self._core_name,
            )
        tokens, longest = self.options.kv_tokens, self.options.longest
        console.info(f"GPU KV cache size: {tokens:,} tokens", "kv_cache_utils.py:1087", self._core_name)
        console.info(
            f"Maximum concurrency for {longest:,} tokens per request: {tokens / longest:.2f}x",
            "kv_cache_utils.py:1091",
            self._core_name,
        )

    def _capture(self) -> None:
        if not self.options.flags.get("enforce-eager"):
            console.raw("Capturing CUDA graphs (decode, FULL): 100%|##########| 5/5 [00:00<00:00]", "Worker_TP0")
        console.info(
            f"init engine (profile, create kv cache, warmup model) took {here.pace():.2f} seconds",
            "core.py:218",
            self._core_name,
        )
        if self.options.nodes == 1:
            self._join()

    def _join(self) -> None:
        try:
            self.group.join()
        except GroupFailed as failed:
            raise Failed(str(failed), self._core_name) from failed

    def _kv_thread(self) -> None:
        side = self.producer or self.receiver
        if side is None:
            return
        try:
            side.bind()
        except PortTaken as taken:
            console.error(f"{side.thread.partition(' ')[0]} encountered exception: {taken}", "Worker_TP0")
            raise Failed(
                f"{taken}\nRuntimeError: KV Cache sending/receiving thread failed to start.", "Worker_TP0"
            ) from taken
        file = "mooncake_layerwise_connector.py:607" if self.layerwise else "mooncake_connector.py:402"
        for rank in range(side.count):
            console.info(
                f"{side.thread}tcp://{side.ip}:{side.first + rank}. Thread: tp_rank={rank}",
                file,
                f"Worker_TP{rank}",
            )
