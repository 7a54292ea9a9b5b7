"""One point of an evaluation: run the tool where it should run, fetch what it wrote, keep it on the controller.

The tool is a detached job: a lost connection or Ctrl-C does not end it, and the same evaluation attaches to it again.
Its script is a template of the role. Source: the seed's sections 7 and 8; issue 7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from qcluster.command import Command, Put, sh
from qcluster.diagnose.starts import reasons
from qcluster.errors import InputError, TaskFailed
from qcluster.evaluate import commands, results, store
from qcluster.evaluate.model import Load, Measured, Point, Request, as_json, request_of
from qcluster.evaluate.points import address
from qcluster.facts.jobs import Job, attach
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.streams import follow, progress, tail
from qcluster.result import Outcome
from qcluster.secret import Secret
from qcluster.serving.plan import Plan, from_json

BODY = """
exec "$@"
"""

STEPS = re.compile(r"^(?!.*(?:checkpoint shards|Capturing)).*?(\d+)/(\d+) \[")
"""A bar of tqdm, which all three tools draw; not those of an engine that starts."""

OFFLINE = ("latency", "throughput")
"""Kinds whose tool is an engine itself."""

SCRIPTS = {"vllm": "vllm.sh.j2", "lm_eval": "lm_eval.sh.j2", "aisbench": "aisbench.sh.j2"}


@dataclass(frozen=True)
class Errand:
    """One point, and where it is measured. `home` is its folder on the host that runs the tool."""

    plan: Plan
    request: Request
    point: Point
    home: str
    folder: Path
    argv: tuple[str, ...]


class EvaluationPoint:
    spec = Spec(
        {
            "request": Option("dict", required=True, help="What was asked (docs/schemas/evaluation.json)."),
            "point": Option("str", required=True, help="The name of the point."),
            "folder": Option("path", required=True, help="The evaluation's folder on the controller."),
            "home": Option("path", required=True, help="A folder where the tool runs; the point has its own below."),
            "wrapper": Option("list", elements="str", default=(), help="What the script is started with (docker …)."),
            "data": Option("path", default="", help="Controller folder with train.jsonl and test.jsonl."),
            "api_key": Option("str", default="", no_log=True, help="Sent as a bearer token, from a 0600 file."),
            "timeout": Option("int", default=7200, help="Seconds that the point may take."),
            "variables": Option("dict", default={}, help="What the script's template sees besides."),
        },
        help="Measure one point of an evaluation and keep what came of it.",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        try:
            measured = measure(call, reach, errand_of(call))
        except (InputError, TaskFailed) as error:
            return Report(failed=f"{call.args['point']}: {error}")
        progress(reach, measured.point.name, told(measured))
        return Report(changed=True, values={"measured": as_json(measured)})


def measure(call: Call, reach: Reach, errand: Errand) -> Measured:
    """Run the tool and fetch what it wrote. Raises `TaskFailed` with its last words."""
    try:
        put(call, reach, errand)
        outcome = follow(reach, attach(job(call, errand)), Steps(reach, errand.point.name))
    finally:
        reach.transport.run(Command(("rm", "-f", f"{errand.home}/key"), timeout=60))
    if not outcome.ok:
        raise TaskFailed(why(errand, outcome, int(call.args["timeout"])))
    return fetch(reach, errand, outcome)


def errand_of(call: Call) -> Errand:
    plan, request = from_json(call.variables["qcluster_plan"]), request_of(call.args["request"])
    point = next(one for one in request.points if one.name == call.args["point"])
    argv = commands.argv(plan, request, point)
    return Errand(plan, request, point, f"{call.args['home']}/{point.name}", Path(call.args["folder"]), argv)


def put(call: Call, reach: Reach, errand: Errand) -> None:
    """The script and what it reads, in a folder that only its owner can look into."""
    folders = [f"{errand.home}/{name}" for name in ("configs/models", "tasks", "data")]
    outcome = reach.transport.run(sh('umask 077; mkdir -p "$@" && chmod 0700 "$1/../.."', *folders, timeout=60))
    if not outcome.ok:
        raise TaskFailed(f"no folder {errand.home} can be made: {tail(outcome)}")
    for name, data in files(call, errand).items():
        secret = name == "key"
        reach.transport.put(Put(f"{errand.home}/{name}", data, 0o600 if secret else 0o644, secret=secret))


def files(call: Call, errand: Errand) -> dict[str, bytes]:
    """Everything that the point's folder begins with."""
    found = {"run.sh": render(call, errand, SCRIPTS[errand.request.tool])}
    if errand.request.tool == "aisbench":
        name = commands.aisbench_model(errand.request.kind)
        found[f"configs/models/{name}.py"] = render(call, errand, "aisbench_model.py.j2")
    if call.args["data"]:
        found |= {f"data/{name}": _data(Path(call.args["data"]) / name) for name in ("train.jsonl", "test.jsonl")}
        # not below tasks/: who joins a harness that runs must not overwrite what it reads
        found["task.in"] = commands.task_file(errand.request.workload.dataset).encode()
    key = call.args["api_key"]
    if key:
        found["key"] = (key.reveal() if isinstance(key, Secret) else str(key)).encode()
    return found


def _data(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: the dataset's folder holds train.jsonl and test.jsonl") from error


def render(call: Call, errand: Errand, template: str) -> bytes:
    """A template of the role, with what is known of the point."""
    online = errand.request.kind in ("serve", "eval")
    host, port = address(errand.plan, errand.point.service) if online else ("", 0)
    mine = [one for one in errand.plan.instances if one.name == errand.point.service]
    variables = {
        "evaluation_argv": errand.argv,
        "evaluation_home": errand.home,
        "evaluation_point": errand.point,
        "evaluation_workload": errand.request.workload,
        "evaluation_kind": errand.request.kind,
        "evaluation_address": host,
        "evaluation_port": port,
        "evaluation_tokenizer": errand.request.workload.tokenizer or errand.plan.model.path,
        "evaluation_env": {} if online else dict(mine[0].env),
        "evaluation_longest": commands.longest_answer(errand.plan),
        "evaluation_timeout": call.args["timeout"],
        "evaluation_data": bool(call.args["data"]),
        **call.args["variables"],
    }
    text = call.template_file(call.find("templates", template), {"trim_blocks": True, "variables": variables})
    return text.encode()


def job(call: Call, errand: Errand) -> Job:
    """The wrapper and the script; a job of the same evaluation that still runs is joined."""
    words = (*(str(word) for word in call.args["wrapper"]), "bash", f"{errand.home}/run.sh")
    key = f"{errand.folder.name} {errand.point.name}"
    return Job(f"{errand.home}/job", key, BODY, words, int(call.args["timeout"]) + 60)


class Steps:
    """Counts the requests that the tool's bar shows."""

    def __init__(self, reach: Reach, name: str):
        self._reach, self._name, self._last = reach, name, -1

    def __call__(self, line: str) -> None:
        found = STEPS.search(line)
        if not found:
            return
        done, total = int(found[1]), int(found[2])
        share = 20 * done // total if total else 0
        if share != self._last:
            self._last = share
            text = f"{done} of {total}"
            progress(self._reach, self._name, text, kind="count", done=float(done), total=float(total), unit="requests")


def why(errand: Errand, outcome: Outcome, timeout: int) -> str:
    """What a failed run of the tool says, in its own last lines."""
    tool = errand.argv[0]
    if outcome.exit == 124:
        return f"{tool} took longer than {timeout} s (--timeout)\n{tail(outcome)}"
    known = reasons(outcome.out.splitlines()) if errand.request.kind in OFFLINE else []  # an engine's log is long
    return "\n".join([f"{tool} ended with {outcome.exit}", *known, tail(outcome, 12 if not known else 3)])


def fetch(reach: Reach, errand: Errand, outcome: Outcome) -> Measured:
    """The tool's files and log to the controller; the host keeps nothing."""
    request = errand.request
    found: dict[str, bytes] = {}
    for name in commands.OUTPUT[(request.kind, request.tool)]:
        try:
            found[name] = reach.transport.get(f"{errand.home}/{name}")
        except (FileNotFoundError, PermissionError) as error:
            raise TaskFailed(f"{errand.argv[0]} ended well but left no {name}: {error}\n{tail(outcome, 12)}") from error
    read = results.read(request.kind, request.tool, found)
    line = commands.line(errand.argv)
    asked = request.workload.requests or None  # AISBench does not say how many questions it asked
    scores = tuple(replace(score, samples=score.samples or asked) for score in read.scores)
    measured = Measured(errand.point, reach.clock(), line, read.load, read.offline, scores)
    store.keep(errand.folder, measured, {**found, "log.txt": outcome.stdout})
    reach.transport.run(Command(("rm", "-rf", errand.home), timeout=60))
    return measured


def told(measured: Measured) -> str:
    """One line of what was measured."""
    if measured.load:
        return _load(measured.load)
    if measured.offline and measured.offline.latency is not None:
        return f"{measured.offline.latency:.3f} s a batch"
    if measured.offline:
        return f"{measured.offline.total_throughput:.1f} tokens/s"
    return ", ".join(f"{score.dataset} {score.metric} {score.value:.2f} %" for score in measured.scores)


def _load(load: Load) -> str:
    parts = [f"{load.output_throughput:.1f} output tokens/s", f"{load.completed} requests"]
    parts += [f"{load.failed} failed"] if load.failed else []
    parts += [f"TTFT {load.ttft.median:.1f} ms"] if load.ttft else []
    parts += [f"TPOT {load.tpot.median:.1f} ms"] if load.tpot else []
    return ", ".join(parts)


evaluation_point = EvaluationPoint()
