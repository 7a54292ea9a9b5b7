"""The engine's other processes, as real ones: `VLLM::EngineCore` and `VLLM::Worker_TP0` …, under those titles.

As with real vLLM they are in the launcher's process group, die with a clean stop, and are orphaned when the API server
is killed with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from qcluster.lab.tools.engine import hbm
from qcluster.lab.tools.engine.options import Options


class Workers:
    """One engine core a local rank, one worker an NPU; `dead` is set when one of them is gone."""

    def __init__(self) -> None:
        self.pids: dict[int, str] = {}
        self.dead = threading.Event()
        self.stopping = False

    def start(self, options: Options, devices: list[int]) -> None:
        utilization = float(options.flags.get("gpu-memory-utilization", 0.9))
        for rank in range(options.local_ranks):
            self._spawn(f"VLLM::EngineCore{core_suffix(options, rank)}")
            for index in range(options.rank_devices):
                pid = self._spawn(f"VLLM::Worker_TP{index}")
                hbm.hold(devices[rank * options.rank_devices + index], pid, "VLLMWorker_TP", utilization)

    def _spawn(self, title: str) -> int:
        pid = os.posix_spawn("/bin/sleep", [title, "infinity"], os.environ, setsigdef=[signal.SIGTERM, signal.SIGINT])
        self.pids[pid] = title
        return pid

    def watch(self, on_death: Callable[[str], None]) -> None:
        """Call `on_death(title)` once, when a process ends that was not told to."""

        def look() -> None:
            pid, _ = os.wait()
            if not self.stopping:
                on_death(self.pids.get(pid, "VLLM::EngineCore"))
            self.dead.set()

        threading.Thread(target=look, daemon=True).start()

    def stop(self) -> None:
        self.stopping = True
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                continue


def core_suffix(options: Options, local: int) -> str:
    if options.dp == 1:
        return ""
    first = options.rank if options.rank is not None else int(options.flags.get("data-parallel-start-rank", 0))
    return f"_DP{first + local}"
