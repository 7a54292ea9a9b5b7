"""A container of the deployment (or, with `runtime: host`, a supervised process group) runs exactly what the plan says.

The same digest, the same scripts and every engine alive is `ok`. What differs is written beside the old scripts, the
old container is stopped and kept as NAME-previous, and the new one started; where that fails the old one comes back.
One engine of a running container that died alone (dense) is asked for again, the others are left alone. Issue 6.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from qcluster.command import Command, Put, Step, sh
from qcluster.errors import TaskFailed
from qcluster.facts import docker, engine_box
from qcluster.facts.engine_box import AGAIN, HOST_START, REPLACE, Found, look, read
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome
from qcluster.secret import Secret

Files = dict[str, bytes]
"""Scripts by name."""


@dataclass(frozen=True)
class Wanted:
    """What has to run: the container of the plan, where its files live, and the scripts by name."""

    container: Mapping[str, Any]
    home: str
    dir: str
    files: Mapping[str, bytes]
    engines: tuple[str, ...]
    labels: Mapping[str, str]
    logs: tuple[str, ...]
    grace: int
    nofile: int = 1048576

    @property
    def name(self) -> str:
        return str(self.container["name"])

    @property
    def native(self) -> bool:
        return str(self.container.get("runtime", "docker")) == "host"


class EngineContainer:
    spec = Spec(
        {
            "container": Option("dict", required=True, help="One container of the plan."),
            "home": Option("path", required=True, help="Folder on the host for scripts, run files and logs."),
            "engines": Option("list", default=(), elements="str", help="Names of its instances."),
            "logs": Option("list", default=(), elements="str", help="Log files; kept as FILE.1 before a start."),
            "entry": Option("str", default="entry.sh.j2", help="Template of the entry script."),
            "instance": Option("str", default="instance.sh.j2", help="Template of one engine's script."),
            "key_file": Option("path", default="", help="0600 file with the API key, which the entry script reads."),
            "api_key": Option("str", default="", no_log=True, help="What that file holds; empty: no file."),
            "stop_timeout": Option("int", default=45, help="Seconds between SIGTERM and SIGKILL."),
            "nofile": Option("int", default=1048576, help="Open files an engine may have (docker --ulimit nofile)."),
            "replace": Option("bool", default=True, help="false: fail rather than stop a container that runs."),
            "again": Option("bool", default=False, help="true: what runs as planned is ended and started anew."),
            "counts": Option(
                "dict", default={}, help="Variables of the scripts as they count for whether it is another container."
            ),
            "moe": Option("bool", default=False, help="Engines depend on each other: none is restarted alone."),
        },
        help="A container of the deployment runs exactly what the plan says.",
    )

    def probe(self, call: Call) -> Command:
        want = wanted(call)
        runtime = "host" if want.native else "docker"
        key = str(call.args["key_file"])
        return look(runtime, want.name, want.home, want.dir, key, want.engines)

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        want, have = wanted(call), read(found)
        stale = (*write(want, have.sums), *key_steps(call, have))
        if have.container is not None and _foreign(want, have.container):
            return Decision(failed=FOREIGN.format(name=want.name))
        running, same = have.container is not None and have.container.running, _same(want, have.container)
        if running and not same and not call.args["replace"]:
            return Decision(failed=SERVING.format(name=want.name))
        if not running or not same or call.args["again"]:
            return Decision((*stale, start(want)), values={"started": True}, finish=_started)
        dead = tuple(name for name in want.engines if name in have.exits)
        again = (sh(AGAIN, want.home, *dead),) if dead else ()
        return Decision((*stale, *again), values={"started": bool(dead), "restarted": list(dead)}, finish=_started)


SERVING = "{name} runs another plan and may be serving; it is left alone: run again with --yes to replace it"
FOREIGN = (
    "a container called {name} exists that this tool did not start; it was left alone. Remove it "
    "(docker rm -f {name}) or choose another `deployment` name"
)


def wanted(call: Call) -> Wanted:
    container = call.args["container"]
    home, engines = str(call.args["home"]), tuple(str(name) for name in call.args["engines"])
    digest = str(container["labels"].get(docker.DIGEST, ""))
    files = _files(call, home, engines)
    counted = _files(call, home, engines, call.args["counts"]) if call.args["counts"] else files
    parts = [name.encode() + b"\0" + data for name, data in sorted(counted.items())]
    options = {name: value for name, value in container.items() if name != "labels"}
    parts.append(json.dumps([options, call.args["nofile"]], sort_keys=True, default=str).encode())
    total = hashlib.sha256(b"".join([*parts, _sha(_key(call)).encode()])).hexdigest()
    labels = {**{str(k): str(v) for k, v in container["labels"].items()}, docker.SCRIPTS: total[:12]}
    folder = f"{home}/{digest.removeprefix('sha256:')[:12] or 'plan'}-{total[:12]}"
    logs = tuple(str(log) for log in call.args["logs"])
    grace, nofile = int(call.args["stop_timeout"]), int(call.args["nofile"])
    return Wanted(container, home, folder, files, engines, labels, logs, grace, nofile)


def _files(call: Call, home: str, engines: Sequence[str], more: Mapping[str, Any] = MappingProxyType({})) -> Files:
    """The entry script and one script an engine, rendered with the task's variables and a few of their own."""
    common = {
        **more,
        "engine_container_name": call.args["container"]["name"],
        "engine_run_dir": f"{home}/run",
        "engine_key_file": call.args["key_file"] or "/nonexistent",
        "engine_stop_timeout": call.args["stop_timeout"],
        "engine_names": list(engines),
    }
    files = {"entry.sh": _render(call, str(call.args["entry"]), common)}
    for name in engines:
        files[f"{name}.sh"] = _render(call, str(call.args["instance"]), {**common, "engine_name": name})
    return files


def _render(call: Call, template: str, values: Mapping[str, Any]) -> bytes:
    return call.template_file(call.find("templates", template), {"trim_blocks": True, "variables": values}).encode()


def write(want: Wanted, sums: Mapping[str, str]) -> tuple[Step, ...]:
    """The scripts that are not on the host as they should be, in one command."""
    stale = {name: data for name, data in want.files.items() if sums.get(name) != _sha(data)}
    return (engine_box.write(want.dir, stale),) if stale else ()


def key_steps(call: Call, have: Found) -> tuple[Step, ...]:
    """The API key travels as a file of mode 0600, never in a command line."""
    path, key = str(call.args["key_file"]), _key(call)
    if not path or have.key == (_sha(key) if key else ""):
        return ()
    if not key:
        return (Command(("rm", "-f", path), timeout=30),)
    return (Put(path, key, 0o600, secret=True),)


def _key(call: Call) -> bytes:
    key = call.args["api_key"]
    return (key.reveal() if isinstance(key, Secret) else str(key)).encode()


def start(want: Wanted) -> Step:
    if want.native:
        labels = json.dumps({"Name": want.name, "State": {"Running": True}, "Config": {"Labels": dict(want.labels)}})
        return sh(HOST_START, want.home, want.dir, str(want.grace), labels, *want.logs, timeout=want.grace + 60)
    words = (want.name, str(want.grace + 10), f"{want.home}/run", str(len(want.logs)), *want.logs)
    return sh(REPLACE, *words, *run_argv(want), timeout=want.grace + 240)


def run_argv(want: Wanted) -> tuple[str, ...]:
    """`docker run` with the flags of issue 6; devices and mounts are the plan's."""
    box = want.container
    options = [
        "--name",
        want.name,
        "--net=host",
        "--shm-size",
        str(box["shm_size"]),
        "--ulimit",
        f"nofile={want.nofile}:{want.nofile}",
    ]
    options += ["--log-opt", "max-size=50m", "--log-opt", "max-file=3"]
    for key, value in sorted(want.labels.items()):
        options += ["--label", f"{key}={value}"]
    for path in box.get("device_paths", ()):
        options += ["--device", str(path)]
    for source, target in _mounts(want):
        options += ["-v", f"{source}:{target}"]
    return ("docker", "run", "-d", *options, str(box["image"]), "bash", f"{want.dir}/entry.sh")


def _mounts(want: Wanted) -> tuple[tuple[str, str], ...]:
    """The plan's, and this tool's own folder at the same path."""
    planned = tuple((str(pair[0]), str(pair[1])) for pair in want.container.get("mounts", ()))
    covered = any(want.home == target or want.home.startswith(target.rstrip("/") + "/") for _, target in planned)
    return planned if covered else (*planned, (want.home, want.home))


def _foreign(want: Wanted, have: docker.Inspected) -> bool:
    return have.labels.get(docker.DEPLOYMENT) != want.labels.get(docker.DEPLOYMENT)


def _same(want: Wanted, have: docker.Inspected | None) -> bool:
    marks = (docker.DIGEST, docker.SCRIPTS)
    return have is not None and all(have.labels.get(mark) == want.labels.get(mark) for mark in marks)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _started(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    for outcome in outcomes:
        if not outcome.ok:
            raise TaskFailed(outcome.err.strip() or outcome.out.strip() or f"exit {outcome.exit}")
    return {}


engine_container = EngineContainer()
