"""How far an engine's start has come, from its log. Lines are matched by their end: vLLM 0.32 prints no prefix.

Source: vLLM v0.23.0, entrypoints and v1/engine/core.py (the order of the lines); issue 6, Start watcher.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Milestone:
    """`patience` are the seconds that may pass after it before the start counts as stalled; `remedy` is said then."""

    id: str
    label: str
    pattern: re.Pattern[str]
    patience: float
    remedy: str


def _milestone(id: str, label: str, pattern: str, patience: float, remedy: str) -> Milestone:
    return Milestone(id, label, re.compile(pattern), patience, remedy)


PORT = "the API server does not come up: is its port free?"
EAGER = "try --safetensors-load-strategy eager (vllm-ascend#10029)"
SHARDS = r"Loading safetensors checkpoint shards:\s+(\d+)% Completed \| (\d+)/(\d+)"
CACHE = r"(?:GPU KV cache size: [\d,]+ tokens|Maximum concurrency for [\d,]+ tokens)"
THREAD = r"KVCache\w*Thread (?:started )?listening on |Starting listening on path: "
WARM = r"init engine \(profile, create kv cache, warmup model\) took"
PROFILE = "profiling takes long or hangs: look for `shm` or HCCL messages in the log"
CAPTURE = "graph capture takes minutes; if nothing moves, start once with --enforce-eager"
KV = "the KV transfer thread does not start: is its port free? is /etc/hccn.conf mounted?"
JOIN = "ranks wait for each other: look at the other ranks and at HCCL_SOCKET_IFNAME"

LAUNCHED = _milestone("launched", "started", r"(?!)", 180, "look whether the process hangs while Python imports")
MILESTONES = (
    _milestone(
        "args", "args", r"non-default args: ", 240, "the model's configuration is read: is its folder reachable?"
    ),
    _milestone("engine", "engine", r"Initializing a V1 LLM engine", 600, JOIN),
    _milestone(
        "world", "ranks joined", r"world_size=\d+ .*backend=", 600, "a peer is missing: run `qcluster verify-network`"
    ),
    _milestone("load", "weights", r"Starting to load model", 600, f"weights hang at 0 %: {EAGER}"),
    _milestone("weights", "weights", SHARDS, 600, f"weights load slowly: is the folder on NFS? {EAGER}"),
    _milestone("loaded", "weights loaded", r"Loading weights took [\d.]+ seconds", 900, PROFILE),
    _milestone("kv-cache", "KV cache", CACHE, 900, CAPTURE),
    _milestone("capture", "graph capture", r"Capturing (?:CUDA|ACL|NPU) ?graphs?", 900, CAPTURE),
    _milestone("ready-engine", "engine ready", WARM, 300, KV),
    _milestone("kv-thread", "KV transfer", THREAD, 300, PORT),
    _milestone("routes", "routes", r"Starting vLLM (?:API )?server", 120, PORT),
    _milestone("complete", "complete", r"Application startup complete\.\s*$", float("inf"), ""),
)
COMPLETE = MILESTONES[-1]
HEADLESS_COMPLETE = "ready-engine"
"""An engine without an API server never says that its application is up; this is its last milestone."""


@dataclass(frozen=True)
class Position:
    """Where one start is. `at` is when the last milestone was seen, in the clock of the caller."""

    milestone: Milestone = LAUNCHED
    at: float = 0.0
    done: int = 0
    total: int = 0

    @property
    def text(self) -> str:
        counted = f" {self.done}/{self.total}" if self.total else ""
        return self.milestone.label + counted


def advance(position: Position, line: str, now: float) -> Position:
    """The position after `line`; milestones never go back (but for a counter that restarts, as with MTP weights)."""
    for milestone in reversed(MILESTONES):
        match = milestone.pattern.search(line)
        if match is None:
            continue
        if order(milestone) < order(position.milestone):
            return position
        done, total = (int(match[2]), int(match[3])) if milestone.id == "weights" else (0, 0)
        return Position(milestone, now, done, total)
    return position


def order(milestone: Milestone) -> int:
    return MILESTONES.index(milestone) if milestone in MILESTONES else -1


def follow(lines: Iterable[str], now: float = 0.0) -> Position:
    """The position at the end of a whole log."""
    position = Position(at=now)
    for line in lines:
        position = advance(position, line, now)
    return position


def stalled(position: Position, now: float, patience: float = 0.0) -> str:
    """What to say when nothing has moved for too long; empty while it is in time.

    `patience` (seconds) stands for the milestones' own, where it is not 0; the last one is never waited after.
    """
    allowed = patience if patience and position.milestone is not COMPLETE else position.milestone.patience
    waited = now - position.at
    if waited <= allowed:
        return ""
    told = f"no progress for {waited:.0f} s after `{position.text}`, where {allowed:.0f} s are enough"
    return f"{told}: {position.milestone.remedy}"


def reset(position: Position, now: float) -> Position:
    """The same place, with a fresh clock (after a stall was reported once)."""
    return replace(position, at=now)
