"""Asking the instances of a deployment over HTTP, many at once, and saying which of them keeps the operator waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from qcluster.diagnose.proof import Ask
from qcluster.errors import NotServing
from qcluster.facts.http import Answer, Request, ask, metrics
from qcluster.modules.base import Reach
from qcluster.modules.streams import note
from qcluster.secret import Secret

T = TypeVar("T")
QUIET = 20.0
"""Seconds after which, and then again, an operator is told who has not answered yet."""


@dataclass(frozen=True)
class Endpoint:
    """One process that answers HTTP, asked over its host's connection."""

    name: str
    role: str
    host: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"


@dataclass(frozen=True)
class Scene:
    """What is asked, of a `plan`: the instances that have a port, and the proxy where there is one. Times in seconds.

    `first` is how long one instance may take for a few tokens before it is looked at more closely.
    """

    served_name: str
    instances: tuple[Endpoint, ...]
    proxy: Endpoint | None
    key: Secret | None
    timeout: float
    sense: bool = True
    first: float = 30.0
    plan: Mapping[str, Any] = field(default_factory=dict)

    def of(self, *roles: str) -> tuple[Endpoint, ...]:
        return tuple(one for one in self.instances if one.role in roles)


def insist(problems: Sequence[str]) -> None:
    """Raises `NotServing` where there are any."""
    if problems:
        raise NotServing("\n".join(problems))


def get(scene: Scene, reach: Reach, one: Endpoint, path: str) -> Answer:
    request = Request(one.address, one.port, path, key=scene.key, timeout=min(scene.timeout, 30.0))
    return ask(reach.fleet[one.host].open_tcp, request)


def post(scene: Scene, reach: Reach, one: Endpoint, what: Ask, timeout: float = 0) -> Answer:
    request = Request(one.address, one.port, what.path, "POST", what.body, scene.key, timeout or scene.timeout)
    return ask(reach.fleet[one.host].open_tcp, request)


def at_once(reach: Reach, jobs: Sequence[tuple[str, Callable[[], T]]]) -> list[T]:
    """Do every job (with the name of who is asked), all at the same time; results in order."""
    with ThreadPoolExecutor(max_workers=max(1, min(len(jobs), 64))) as pool:
        running = [pool.submit(job) for _, job in jobs]
        names: dict[Future[T], str] = {future: name for future, (name, _) in zip(running, jobs, strict=True)}
        _attend(reach, names)
        return [future.result() for future in running]


def _attend(reach: Reach, names: Mapping[Future[T], str]) -> None:
    waited, open_ = 0.0, set(names)
    while open_:
        done, open_ = wait_for(open_, timeout=QUIET, return_when=FIRST_COMPLETED)
        if not done:
            waited += QUIET
            who = ", ".join(sorted({names[future] for future in open_}))
            note(reach, "proof", f"still waiting for {who}: {waited:.0f} s")


def readings(scene: Scene, reach: Reach) -> dict[str, Mapping[str, float]]:
    """`/metrics` of every instance."""
    found = at_once(reach, [(one.name, partial(get, scene, reach, one, "/metrics")) for one in scene.instances])
    return {one.name: metrics(answer.text) for one, answer in zip(scene.instances, found, strict=True)}
