"""The engine's log, in vLLM's form: `(APIServer pid=1) INFO 11-24 08:00:00 [file.py:1] text`."""

from __future__ import annotations

import os
import sys
import threading
import time

_LOCK = threading.Lock()


def raw(text: str, who: str = "APIServer") -> None:
    """Lines with the process's prefix only."""
    lines = "".join(f"({who} pid={os.getpid()}) {line}\n" for line in text.splitlines() or [""])
    with _LOCK:
        sys.stdout.write(lines)
        sys.stdout.flush()


def info(text: str, where: str = "core.py:1", who: str = "APIServer", level: str = "INFO") -> None:
    stamp = time.strftime("%m-%d %H:%M:%S")
    raw("\n".join(f"{level} {stamp} [{where}] {line}" for line in text.splitlines()), who)


def warning(text: str, who: str = "APIServer") -> None:
    info(text, "platform.py:1", who, "WARNING")


def error(text: str, who: str = "APIServer") -> None:
    info(text, "core.py:1", who, "ERROR")


def plog(text: str) -> None:
    """A line of CANN's own log, where ASCEND_PROCESS_LOG_PATH says or at home, one file a process."""
    root = os.environ.get("ASCEND_PROCESS_LOG_PATH") or f"{os.environ.get('HOME', '/root')}/ascend/log"
    os.makedirs(f"{root}/debug/plog", exist_ok=True)
    stamp = time.strftime("%Y-%m-%d-%H:%M:%S")
    with open(f"{root}/debug/plog/plog-{os.getpid()}.log", "a", encoding="utf-8") as file:
        file.write(f"[ERROR] HCCL({os.getpid()},python3):{stamp} {text}\n")


def traceback(text: str, who: str = "APIServer") -> None:
    """An uncaught exception as Python would print it, without the frames in between."""
    raw("Traceback (most recent call last):", who)
    raw('  File "/vllm-workspace/vllm/vllm/entrypoints/cli/main.py", line 73, in main', who)
    raw("    args.dispatch_function(args)", who)
    raw(text, who)
