"""An evaluation: what was asked, what each point gave, and what came of it. Stored as `result.json` (docs/schemas)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

KINDS = ("serve", "latency", "throughput", "eval")
TOOLS = ("vllm", "lm_eval", "aisbench")


@dataclass(frozen=True)
class Workload:
    """What is sent. Lengths in tokens; `requests` 0: the whole dataset; `args` go to the tool as they are.

    `tokenizer` empty: the weights' folder, as the engines see it.
    """

    dataset: str = "random"
    dataset_path: str = ""
    input_len: int = 0
    output_len: int = 0
    requests: int = 0
    batch_size: int = 0
    fewshot: int | None = None
    tokenizer: str = ""
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """One run of the tool. `host` runs it (its container, unless the controller does), `service` is asked.

    `concurrency` None: not limited; `request_rate` in requests a second, None: as fast as the service takes them.
    """

    name: str
    host: str
    service: str
    concurrency: int | None = None
    request_rate: float | None = None


@dataclass(frozen=True)
class Subject:
    """What is measured. Two evaluations of the same model on the same hardware can be compared, whatever the digest."""

    deployment: str
    digest: str
    release: str
    model: str
    hardware: str
    instances: str


@dataclass(frozen=True)
class Request:
    """What the operator asked for, complete enough to go on with it later."""

    kind: str
    tool: str
    subject: Subject
    workload: Workload
    points: tuple[Point, ...]
    on: str = "host"


@dataclass(frozen=True)
class Spread:
    """How one latency is spread over the requests, in milliseconds."""

    mean: float
    median: float
    p99: float


@dataclass(frozen=True)
class Load:
    """What a load test of a service gave. Throughputs are per second."""

    completed: int
    failed: int
    duration: float
    input_tokens: int
    output_tokens: int
    request_throughput: float
    output_throughput: float
    total_throughput: float
    ttft: Spread | None = None
    tpot: Spread | None = None
    itl: Spread | None = None
    e2el: Spread | None = None


@dataclass(frozen=True)
class Offline:
    """What one engine without a server gave. `latency` in seconds a batch; throughputs are per second."""

    latency: float | None = None
    percentiles: Mapping[str, float] = field(default_factory=dict)
    request_throughput: float | None = None
    total_throughput: float | None = None


@dataclass(frozen=True)
class Score:
    """How much of a dataset was answered right, in percent. `stderr` and `samples` where the tool says them."""

    dataset: str
    metric: str
    value: float
    stderr: float | None = None
    samples: int | None = None


@dataclass(frozen=True)
class Measured:
    """A point that has been measured. `at` is when, in seconds since the epoch; `command` is what was run."""

    point: Point
    at: float
    command: str
    load: Load | None = None
    offline: Offline | None = None
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True)
class Remark:
    """One sentence of the verdict. `bad` ones make the exit code 4."""

    bad: bool
    text: str


@dataclass(frozen=True)
class Evaluation:
    """All of it. `complete` says that no point is missing; `against` names the earlier one it was compared with."""

    id: str
    request: Request
    started: float
    complete: bool
    points: tuple[Measured, ...]
    remarks: tuple[Remark, ...] = ()
    against: str = ""

    @property
    def good(self) -> bool:
        return not any(remark.bad for remark in self.remarks)


def as_json(value: Request | Measured | Evaluation) -> dict[str, Any]:
    return asdict(value)


def request_of(data: Mapping[str, Any]) -> Request:
    """Raises ValueError where it is none."""
    found = _adapter(Request).validate_python(data)
    assert isinstance(found, Request)
    return found


def measured_of(data: Mapping[str, Any]) -> Measured:
    found = _adapter(Measured).validate_python(data)
    assert isinstance(found, Measured)
    return found


def evaluation_of(data: Mapping[str, Any]) -> Evaluation:
    found = _adapter(Evaluation).validate_python(data)
    assert isinstance(found, Evaluation)
    return found


@cache
def _adapter(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
