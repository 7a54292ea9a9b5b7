"""Prove that a deployment serves: every instance asked directly, then concurrently through the proxy.

What fails here ends the run with exit code 4: the cluster runs, but does not serve correctly. Source: CONTRACTS, Proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from qcluster.diagnose.proof import (
    FIRST_TOKENS,
    QUESTIONS,
    Ask,
    Pair,
    asks,
    completion,
    moved,
    suspicion,
    text_of,
    wrong,
)
from qcluster.errors import NotServing
from qcluster.facts.http import Answer, Request, ask, metrics
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.streams import note
from qcluster.secret import Secret

ROUNDS = 5
TOKENS = 16
REPEATS = 3


@dataclass(frozen=True)
class Endpoint:
    """One process that answers HTTP, asked over its host's connection."""

    name: str
    role: str
    host: str
    address: str
    port: int


@dataclass(frozen=True)
class Scene:
    """What is proven: the instances that have a port, and the proxy where there is one."""

    served_name: str
    instances: tuple[Endpoint, ...]
    proxy: Endpoint | None
    key: Secret | None
    timeout: float
    sense: bool = True

    def of(self, *roles: str) -> tuple[Endpoint, ...]:
        return tuple(one for one in self.instances if one.role in roles)


class Smoke:
    spec = Spec(
        {
            "api_key": Option("str", default="", no_log=True, help="Sent as a bearer token."),
            "timeout": Option("int", default=120, help="Seconds that one request may take."),
            "sense": Option("bool", default=True, help="Text that repeats one word does not count as an answer."),
            "fatal": Option(
                "bool", default=True, help="false: fail the task only, so that a rescue can act; see `exit`."
            ),
            "wait": Option("int", default=60, help="Seconds until the proxy must answer."),
        },
        help="Prove that the deployment serves (run_once); exit code 4 when it does not.",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        scene = scene_of(call)
        try:
            values = prove(scene, reach, int(call.args["wait"]))
        except NotServing as error:
            fatal = error.exit_code if call.args["fatal"] else 0
            return Report(failed=str(error), values={"exit": error.exit_code}, fatal=fatal)
        return Report(values=values)


def scene_of(call: Call) -> Scene:
    plan, key = call.variables["qcluster_plan"], call.args["api_key"]
    instances = tuple(
        Endpoint(one["name"], one["role"], one["host"], one["address"], one["port"])
        for one in plan["instances"]
        if one["port"] is not None
    )
    front = plan["proxy"]
    proxy = Endpoint("proxy", "proxy", front["host"], front["address"], front["port"]) if front else None
    secret = key if isinstance(key, Secret) else Secret(str(key)) if key else None
    return Scene(
        plan["model"]["served_name"], instances, proxy, secret, float(call.args["timeout"]), bool(call.args["sense"])
    )


def prove(scene: Scene, reach: Reach, wait: int) -> dict[str, Any]:
    """Raises `NotServing` with everything that is wrong."""
    _raise(_each(scene, reach))
    note(reach, "proof", f"{len(scene.instances)} instances answer /health and /v1/models")
    if scene.proxy is None:
        return _directly(scene, reach)
    _await_proxy(scene.proxy, reach, wait)
    values = _through(scene, reach)
    _agreement(scene, reach)
    return values


def _raise(problems: Sequence[str]) -> None:
    if problems:
        raise NotServing("\n".join(problems))


def _get(scene: Scene, reach: Reach, one: Endpoint, path: str) -> Answer:
    request = Request(one.address, one.port, path, key=scene.key, timeout=min(scene.timeout, 30.0))
    return ask(reach.fleet[one.host].open_tcp, request)


def _post(scene: Scene, reach: Reach, one: Endpoint, what: Ask) -> Answer:
    request = Request(one.address, one.port, what.path, "POST", what.body, scene.key, scene.timeout)
    return ask(reach.fleet[one.host].open_tcp, request)


def _at_once(jobs: Sequence[Any]) -> list[Any]:
    """Call every job, all at the same time; results in order."""
    with ThreadPoolExecutor(max_workers=max(1, min(len(jobs), 64))) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


def _each(scene: Scene, reach: Reach) -> list[str]:
    found = _at_once([lambda one=one: _alive(scene, reach, one) for one in scene.instances])
    return [problem for problem in found if problem]


def _alive(scene: Scene, reach: Reach, one: Endpoint) -> str:
    health = _get(scene, reach, one, "/health")
    if health.status != 200:
        return f"{one.name}: /health says {health.status or health.error}"
    models = _get(scene, reach, one, "/v1/models").json()
    names = [model.get("id") for model in models.get("data", [])] if isinstance(models, dict) else []
    return "" if scene.served_name in names else f"{one.name}: serves {names}, not {scene.served_name!r}"


def _directly(scene: Scene, reach: Reach) -> dict[str, Any]:
    """Without a proxy every instance is a service of its own."""
    work = [(one, what) for one in scene.instances for what in asks(scene.served_name, 2, TOKENS)]
    answers = _at_once([lambda one=one, what=what: _post(scene, reach, one, what) for one, what in work])
    _raise([f"{one.name}{what.path}: {why}" for (one, what), a in zip(work, answers, strict=True) if (why := wrong(a))])
    return {"requests": len(work), "answer": text_of(answers[0])}


def _await_proxy(proxy: Endpoint, reach: Reach, wait: int) -> None:
    deadline = reach.clock() + wait
    while True:
        answer = ask(reach.fleet[proxy.host].open_tcp, Request(proxy.address, proxy.port, "/healthcheck", timeout=10))
        if answer.status:
            return
        if reach.clock() > deadline or reach.cancelled():
            where = f"{proxy.address}:{proxy.port}"
            raise NotServing(f"the proxy on {where} does not answer: {answer.error} (see `qcluster logs proxy`)")
        reach.sleep(0.5)


def _readings(scene: Scene, reach: Reach) -> dict[str, Mapping[str, float]]:
    found = _at_once([lambda one=one: metrics(_get(scene, reach, one, "/metrics").text) for one in scene.instances])
    return {one.name: reading for one, reading in zip(scene.instances, found, strict=True)}


def _through(scene: Scene, reach: Reach) -> dict[str, Any]:
    """Concurrent rounds through the proxy until every instance has served at least one request."""
    assert scene.proxy is not None
    proxy, before = scene.proxy, _readings(scene, reach)
    width = 2 * max(len(scene.of("prefill")), len(scene.of("decode")), 1)
    idle: list[str] = []
    answers: list[Answer] = []
    for number in range(1, ROUNDS + 1):
        # The example proxy breaks ties by order: only requests that overlap reach every instance. Each round asks for
        # more, and for longer answers.
        work = asks(scene.served_name, width * number, TOKENS * number)
        answers += _at_once([lambda what=what: _post(scene, reach, proxy, what) for what in work])
        _raise(sorted({f"through the proxy: {why}" for answer in answers if (why := wrong(answer))}))
        after = _readings(scene, reach)
        idle = [name for name, reading in before.items() if not moved(reading, after[name])]
        served = len(before) - len(idle)
        note(reach, "proof", f"round {number}: {served} of {len(before)} instances have served", served, len(before))
        if not idle:
            return {"requests": len(answers), "rounds": number, "answer": text_of(answers[0])}
    raise NotServing(_idle(scene, idle, len(answers)))


def _idle(scene: Scene, idle: Sequence[str], count: int) -> str:
    prefills = {one.name for one in scene.of("prefill")}
    what = f"{count} requests through the proxy were answered, but these instances served none: {', '.join(idle)}"
    if prefills and prefills <= set(idle):
        return f"{what}. No prefill instance works: decode prefills itself, so this is not PD separation (facts §0.3)"
    return f"{what}. Does the proxy's list hold them? Is one of them dead behind it (vllm-ascend#13140)?"


def _agreement(scene: Scene, reach: Reach) -> None:
    """Garbage with HTTP 200 (#7711): what the proxy says must be what a decode engine says itself."""
    judges = scene.of("decode") or scene.of("standalone")
    if not judges:
        return
    doubt = ""
    for attempt in range(REPEATS):
        pairs = [_pair(scene, reach, judges[attempt % len(judges)], *one) for one in QUESTIONS]
        doubt = suspicion(pairs, scene.sense)
        if not doubt:
            note(reach, "proof", "answers through the proxy agree with those of a decode engine")
            return
    raise NotServing(doubt)


def _pair(scene: Scene, reach: Reach, judge: Endpoint, prompt: str, known: str) -> Pair:
    assert scene.proxy is not None
    what = completion(scene.served_name, prompt, FIRST_TOKENS)
    answers = {one.name: _post(scene, reach, one, what) for one in (scene.proxy, judge)}
    _raise([f"{name}: {why}" for name, answer in answers.items() if (why := wrong(answer))])
    through, direct = answers.values()
    return Pair(prompt, known, text_of(through), text_of(direct))


smoke = Smoke()
