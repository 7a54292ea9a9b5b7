"""Prove that a deployment serves: every instance asked directly, then concurrently through the proxy.

What fails here ends the run with exit code 4: the cluster runs, but does not serve correctly. Source: issue 6, Proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from qcluster.diagnose.proof import (
    QUESTIONS,
    Ask,
    asks,
    completion,
    documented,
    moved,
    shortened,
    text_of,
    wrong,
)
from qcluster.errors import NotServing
from qcluster.facts import proven
from qcluster.facts.http import Answer, Request, ask, metrics
from qcluster.modules.agreement import agreement, sensible
from qcluster.modules.asking import Endpoint, Scene, at_once, get, insist, post, readings
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.proxy_end import death
from qcluster.modules.recheck import in_doubt, passed_before, sentence
from qcluster.modules.streams import note
from qcluster.secret import Secret
from qcluster.spelling import counted

ROUNDS = 5
TOKENS = 16


SERVED_FIRST = 30.0
"""Seconds that suffice for the first tokens of what has served before: its kernels are compiled."""


class Smoke:
    spec = Spec(
        {
            "api_key": Option("str", default="", no_log=True, help="Sent as a bearer token."),
            "timeout": Option("int", default=120, help="Seconds that one request may take."),
            "first": Option(
                "int", default=30, help="Seconds in which an idle instance must give its first few tokens."
            ),
            "sense": Option("bool", default=True, help="Text that repeats one word does not count as an answer."),
            "documented": Option("bool", default=False, help="Send the two requests of the model's own guide, too."),
            "instances": Option(
                "list", elements="str", default=(), help="Only these, each asked directly and not through the proxy."
            ),
            "brief": Option(
                "bool",
                default=False,
                help="Nothing has changed: where the last proof passed, each instance and the proxy get one request; "
                "and nobody's first request has to compile anything, 30 s are enough for it.",
            ),
            "by": Option("str", default="up", help="Which command proves: noted with the outcome."),
            "fatal": Option(
                "bool", default=True, help="false: fail the task only, so that a rescue can act; see `exit`."
            ),
            "wait": Option("int", default=60, help="Seconds until the proxy must answer."),
        },
        help="Prove that the deployment serves (run_once); exit code 4 when it does not.",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        lost = lost_hosts(call, reach)
        scene = without(scene_of(call), lost)
        if not scene.instances and lost:
            return Report(skipped=f"{', '.join(lost)}: cannot be reached, and all instances are there")
        if call.args["brief"] and not lost and (proof := passed_before(scene, reach)) and not in_doubt(scene, reach):
            note(reach, "proof", sentence(scene, proof))
            return Report(values={"brief": True})
        try:
            values = prove(scene, reach, int(call.args["wait"]))
            if call.args["documented"]:
                _documented(scene, reach)
        except NotServing as error:
            if not isinstance(error, NotRunning):
                _note(call, reach, str(error), lost)
            fatal = error.exit_code if call.args["fatal"] else 0
            return Report(failed=str(error), values={"exit": error.exit_code}, fatal=fatal)
        if not lost:
            _note(call, reach, "", lost)
        return Report(values=values)


def lost_hosts(call: Call, reach: Reach) -> tuple[str, ...]:
    """Hosts of the play that the run has lost: of what runs there nothing can be proven, and nothing refuted."""
    everybody = call.variables.get("ansible_play_hosts_all", ())
    return tuple(host for host in everybody if host not in reach.play_hosts)


def without(scene: Scene, lost: Sequence[str]) -> Scene:
    """What is left to ask."""
    proxy = scene.proxy if scene.proxy and scene.proxy.host not in lost else None
    return replace(scene, instances=tuple(one for one in scene.instances if one.host not in lost), proxy=proxy)


def _note(call: Call, reach: Reach, why: str, lost: Sequence[str]) -> None:
    """For `status` and `doctor`; the proof of a few instances says nothing of the whole."""
    first = call.variables["qcluster_plan"]["hosts"][0]
    if not call.args["instances"] and first["name"] not in lost:
        told = proven.Proof(reach.clock(), str(call.args["by"]), why)
        reach.fleet[first["name"]].put(proven.note(first["state_dir"], told))


def scene_of(call: Call) -> Scene:
    plan, key, only = call.variables["qcluster_plan"], call.args["api_key"], call.args["instances"]
    instances = tuple(
        Endpoint(one["name"], one["role"], one["host"], one["address"], one["port"])
        for one in plan["instances"]
        if one["port"] is not None and (not only or one["name"] in only)
    )
    front = None if only else plan["proxy"]
    return Scene(
        served_name=plan["model"]["served_name"],
        instances=instances,
        proxy=Endpoint("proxy", "proxy", front["host"], front["address"], front["port"]) if front else None,
        key=key if isinstance(key, Secret) else Secret(str(key)) if key else None,
        timeout=float(call.args["timeout"]),
        sense=bool(call.args["sense"]),
        first=min(float(call.args["first"]), SERVED_FIRST if call.args["brief"] else float("inf")),
        plan=plan,
    )


def prove(scene: Scene, reach: Reach, wait: int) -> dict[str, Any]:
    """Raises `NotServing` with everything that is wrong."""
    insist(_each(scene, reach))
    count = len(scene.instances)
    verb = "answers" if count == 1 else "answer"
    note(
        reach,
        "proof",
        f"{counted(count, 'instance')} {verb} /health and /v1/models",
    )
    insist(_hanging(scene, reach))
    if scene.proxy is None:
        values = _directly(scene, reach)
        sensible(scene, reach)
        return values
    _await_proxy(scene, scene.proxy, reach, wait)
    values = _through(scene, reach)
    agreement(scene, reach)
    return values


class NotRunning(NotServing):
    """Nothing is there that could be proven."""


def _each(scene: Scene, reach: Reach) -> list[str]:
    found = at_once(reach, [(one.name, partial(_alive, scene, reach, one)) for one in scene.instances])
    if found and all(silent for silent, _ in found):
        seen = found[0][1].partition(": `")[0]
        raise NotRunning(
            f"not running: none of {counted(len(found), 'instance')} answers; `qcluster up` starts them ({seen})"
        )
    return [problem for _, problem in found if problem]


def _alive(scene: Scene, reach: Reach, one: Endpoint) -> tuple[bool, str]:
    """Whether nothing answered at all, and what is wrong."""
    health = get(scene, reach, one, "/health")
    if health.status != 200:
        return health.status == 0, _unwell(one, health)
    answer = get(scene, reach, one, "/v1/models")
    if answer.status in (401, 403):
        what = "wants another API key" if scene.key else "wants an API key"
        return False, f"{one} {what} (HTTP {answer.status}): the inventory's api_key, --api-key or $QCLUSTER_API_KEY"
    models = answer.json()
    names = [model.get("id") for model in models.get("data", [])] if isinstance(models, dict) else []
    return False, "" if scene.served_name in names else f"{one.name}: serves {names}, not {scene.served_name!r}"


def _unwell(one: Endpoint, health: Answer) -> str:
    if health.status == 0:
        return f"{one} does not answer /health ({health.error}): `qcluster doctor` says whether it runs"
    helps = f"`qcluster logs {one.name}` may tell why, then `qcluster restart {one.name}`"
    return f"{one.name}: /health says {health.status} (on {one.host}); {helps}"


def _hanging(scene: Scene, reach: Reach) -> list[str]:
    """Instances whose health is fine and that generate nothing, each asked for a token or two."""
    found = at_once(reach, [(one.name, partial(_generates, scene, reach, one)) for one in scene.instances])
    stuck = [one.name for one, problem in zip(scene.instances, found, strict=True) if problem]
    advice = (
        f"what they wrote last: `qcluster logs {stuck[0]}`; then `qcluster restart {' '.join(stuck)}`" if stuck else ""
    )
    return [*filter(None, found), *filter(None, [advice])]


def _generates(scene: Scene, reach: Reach, one: Endpoint) -> str:
    """An instance with much to do may take long, but then its counters move meanwhile."""
    before = metrics(get(scene, reach, one, "/metrics").text)
    what = completion(scene.served_name, QUESTIONS[0][0], 1 if one.role == "prefill" else 4)
    answer = post(scene, reach, one, what, min(scene.first, scene.timeout))
    if answer.status == 0 and not moved(before, metrics(get(scene, reach, one, "/metrics").text)):
        return f"{one} does not generate: /health says 200, but one short request got no answer ({answer.error})"
    return "" if answer.status == 0 or not (why := wrong(answer)) else f"{one}: {why}"


def _directly(scene: Scene, reach: Reach) -> dict[str, Any]:
    """Without a proxy every instance is a service of its own."""
    work = [(one, what) for one in scene.instances for what in asks(scene.served_name, 2, _tokens(one))]
    answers = at_once(reach, [(one.name, partial(post, scene, reach, one, what)) for one, what in work])
    insist([f"{one}, {what.path}: {why}" for (one, what), a in zip(work, answers, strict=True) if (why := wrong(a))])
    return {"requests": len(work), "answer": text_of(answers[0])}


def _tokens(one: Endpoint) -> int:
    return 1 if one.role == "prefill" else TOKENS


def _documented(scene: Scene, reach: Reach) -> None:
    """The two requests of the guide's own functional verification, to the proxy or to each standalone service."""
    places = (scene.proxy,) if scene.proxy else scene.instances
    work = [(place, what) for place in places for what in documented(scene.served_name)]
    jobs = [(str(place), partial(_fitting, scene, reach, place, what)) for place, what in work]
    answers = at_once(reach, jobs)
    insist(
        [f"{place}, {what.path}: {why}" for (place, what), a in zip(work, answers, strict=True) if (why := wrong(a))]
    )
    note(reach, "proof", "the requests of the model's guide (completions and chat.completions) are answered")


def _fitting(scene: Scene, reach: Reach, place: Endpoint, what: Ask) -> Answer:
    """An engine with a window smaller than the guide's refuses its 1024 tokens; asked for fewer it must answer."""
    answer = post(scene, reach, place, what)
    return post(scene, reach, place, shortened(what)) if answer.status == 400 else answer


def _await_proxy(scene: Scene, proxy: Endpoint, reach: Reach, wait: int) -> None:
    deadline = reach.clock() + wait
    while True:
        answer = ask(reach.fleet[proxy.host].open_tcp, Request(proxy.address, proxy.port, "/healthcheck", timeout=10))
        if answer.status:
            return
        insist([why for why in [death(reach, scene.plan)] if why])
        if reach.clock() > deadline or reach.cancelled():
            where = f"{proxy.address}:{proxy.port}"
            raise NotServing(f"the proxy on {where} does not answer: {answer.error} (see `qcluster logs proxy`)")
        reach.sleep(0.5)


def _through(scene: Scene, reach: Reach) -> dict[str, Any]:
    """Concurrent rounds through the proxy until every instance has served at least one request."""
    assert scene.proxy is not None
    reach.sleep(0.5)  # counters of the requests before are written a moment after their answers
    proxy, before = scene.proxy, readings(scene, reach)
    width = 2 * max(len(scene.of("prefill")), len(scene.of("decode")), 1)
    idle: list[str] = []
    answers: list[Answer] = []
    for number in range(1, ROUNDS + 1):
        # The example proxy breaks ties by order: only requests that overlap reach every instance. Each round asks for
        # more, and for longer answers.
        work = asks(scene.served_name, width * number, TOKENS * number)
        answers += at_once(reach, [("the proxy", partial(post, scene, reach, proxy, what)) for what in work])
        insist(sorted({f"through the proxy: {why}" for answer in answers if (why := wrong(answer))}))
        after = readings(scene, reach)
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
        return (
            f"{what}. No prefill instance works: decode prefills itself, so this is not PD separation. Likely cause: "
            "engines without a kv-transfer-config, or a proxy that sends to decode only; `qcluster plan` shows both"
        )
    return (
        f"{what}. Likely cause: the proxy's list lacks them, or it gave them up after an error (vllm-ascend#13140): "
        "`qcluster up` gives them back to it"
    )


smoke = Smoke()
