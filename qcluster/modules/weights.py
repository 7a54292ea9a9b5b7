"""The model's weights are on a host, whole, downloaded at most once. Source: issue 6, Weights.

The download is a detached job on the host under a lock beside the folder (so also among hosts that share it); it is
resumed by the hub's own tool, and never started where the manifest shows that everything is there. Which host
downloads, and who gets the files from whom, is decided by `weights_route`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

from qcluster.errors import InputError, UnreadableOutput
from qcluster.facts import streaming
from qcluster.facts import weights as fact
from qcluster.facts.jobs import Job, attach
from qcluster.facts.weights import Source
from qcluster.modules import spread, weights_pinned
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.carriage import Carriage, size
from qcluster.modules.streams import follow, note, progress, started, tail
from qcluster.result import Outcome
from qcluster.spelling import counted

SLOW = ("nfs", "nfs4", "cifs", "fuse.sshfs", "9p")
"""File systems on which mapping safetensors is known to be slow or to hang (vllm-ascend#9071)."""

BEGAN = "qcluster_weights_began"
"""The fact that a job was begun by this run: whoever finds the weights whole later says that they changed."""

OPTIONS = {
    "source": Option("str", default="modelscope", help="modelscope, huggingface, path, `rsync FROM` or `from HOST`."),
    "id": Option("str", default="", help="Hub id."),
    "path": Option("path", required=True, help="The folder that engines are given."),
    "image": Option("str", default="", help="Image that has the hub's tool, where the host has none."),
    "cache": Option("path", default="", help="The hub tool's cache and locks; default beside the folder."),
    "manifest": Option("str", default="", help="File on the controller: lines `SHA256 SIZE NAME` that must hold."),
    "job_dir": Option("path", required=True, help="Folder for the job's log and exit code."),
}


class WeightsModule:
    spec = Spec(
        {
            **OPTIONS,
            "route": Option("dict", default=None, help="What weights_route decided: `how`, and `source`, a host."),
            "reread": Option("bool", default=False, help="Read every file anew; else size and time tell."),
            "wait": Option("bool", default=True, help="false: begin the download and go on; the next task joins it."),
            "timeout": Option("int", default=14400, help="Seconds for the whole download."),
        },
        help="The model's weights are on the host, whole, by manifest.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        source, route = of(call), spread.Route(**(call.args["route"] or {"how": spread.FETCH}))
        try:
            found = look(source, reach)
            if found.complete and not source.reread:
                return _report(call, found, bool(call.args["route"] and call.variables.get(BEGAN)), reach)
            if call.check:
                return Report(changed=True, values={"missing": source.path})
            if not call.args["wait"]:
                return begun(call, reach, source, route)
            outcome = self._fetch(call, reach, source, route)
            if not outcome.ok:
                return Report(failed=why(source, outcome))
            fetched = source.how != "path" and "already complete" not in outcome.out.splitlines()
            return _report(call, look(source, reach), fetched, reach)
        except UnreadableOutput as error:
            return Report(failed=str(error))
        except InputError as error:
            return Report(failed=str(error), fatal=error.exit_code)

    def _fetch(self, call: Call, reach: Reach, source: Source, route: spread.Route) -> Outcome:
        """By its route; a host that cannot be given the files by another downloads them itself."""
        carriage = Carriage(reach, "weights", expected(call))
        outcome = follow(reach, attach(job(call, source, route)), carriage.on_line)
        if outcome.exit != streaming.CUT_OFF or source.how not in ("modelscope", "huggingface"):
            return outcome
        note(reach, "weights", f"{tail(outcome, 1)}: this host downloads them itself")
        return follow(reach, attach(job(call, source, spread.Route(spread.FETCH))), carriage.on_line)


def look(source: Source, reach: Reach) -> fact.Weights:
    question = fact.look(source.path, source.manifest)
    return question.parse(reach.transport.run(question.command))


def begun(call: Call, reach: Reach, source: Source, route: spread.Route) -> Report:
    if route.how == spread.LATER:
        return Report(skipped=f"{route.source} can send once it has the image")
    return replace(started(reach, job(call, source, route)), facts={BEGAN: True})


def job(call: Call, source: Source, route: spread.Route) -> Job:
    """The detached work of a route."""
    directory, limit = place(str(call.args["job_dir"]), source.path), int(call.args["timeout"])
    if route.how == spread.WAIT:
        return fact.wait(source, route.source, directory, limit)
    if route.how == spread.STREAM:
        parcel = streaming.Parcel(source.path, source.manifest, f"{directory}.list", f"{directory}.peer", route.source)
        return streaming.receive(parcel, directory, limit)
    return fact.fetch(source, directory, limit)


def place(jobs: str, path: str) -> str:
    """The job's folder: one for each folder of weights."""
    return f"{jobs}/weights-{hashlib.sha256(path.encode()).hexdigest()[:12]}"


def of(call: Call) -> Source:
    path, jobs = str(call.args["path"]).rstrip("/"), str(call.args["job_dir"])
    how, _, said = str(call.args["source"]).partition(" ")
    image = str(call.args["image"])
    source = Source(
        how=how,
        id=said.strip() if how == "rsync" else str(call.args["id"]),
        path=path,
        manifest=f"{path}/.qcluster-manifest",
        image=image,
        cache=str(call.args["cache"]) or f"{path.rpartition('/')[0]}/.qcluster-hub",
        reread=bool(call.args.get("reread")),
        image_job=f"{jobs}/image-{hashlib.sha256(image.encode()).hexdigest()[:12]}" if image else "",
    )
    if how == "from":  # the host that has them only reads them; the others stream
        return replace(source, how="path", id=said.strip())
    return replace(source, manifest=f"{place(jobs, path)}.manifest") if how == "path" else source


def expected(call: Call) -> int:
    """Bytes of the planned model, as its recipe says; 0 where none does."""
    from qcluster.serving import catalogue

    name = (call.variables.get("qcluster_plan") or {"model": {"name": ""}})["model"]["name"]
    known = catalogue.models().get(name)
    return int(known[1].weights_gb * 1e9) if known else 0


def known(call: Call, found: fact.Weights) -> dict[str, Any]:
    """The fact `qcluster_weights`."""
    source = of(call)
    return {"qcluster_weights": {**fact.plain(source, found), "job": place(str(call.args["job_dir"]), source.path)}}


def _report(call: Call, found: fact.Weights, changed: bool, reach: Reach) -> Report:
    source = of(call)
    values: dict[str, Any] = {"manifest": found.manifest, "bytes": found.size, "files": len(found.files)}
    values["path"] = source.path
    if not found.complete:
        lacking = [*found.missing, *(file.name for file in found.files if not file.intact)]
        what = ", ".join(lacking[:5]) or "no files"
        return Report(failed=f"{source.path} is not whole after the download: {what}", values=values)
    wrong = weights_pinned.differences(call, found)
    if wrong:
        return Report(failed=f"{source.path} is not what {call.args['manifest']} lists: {wrong}", values=values)
    if found.filesystem in SLOW:
        values["warning"] = f"{source.path} lies on {found.filesystem}: loading may be slow (vllm-ascend#9071)"
    if changed:
        text = f"{size(found.size)} in {counted(len(found.files), 'file')}, whole"
        progress(reach, "weights", text, kind="bytes", done=float(found.size), total=float(found.size), unit="bytes")
    # without a route it is another model than the deployment's: a draft model
    facts = {**known(call, found), BEGAN: False} if call.args["route"] else {}
    return Report(changed=changed, values=values, facts=facts)


CAUSES = (
    (
        r"ConnectionError|ConnectTimeout|Max retries exceeded|NameResolutionError|ConnectError|Network is unreachable",
        "the hub cannot be reached",
        "proxy variables, MODELSCOPE_ENDPOINT or HF_ENDPOINT, or `weights_source: from HOST` or `rsync FROM`",
    ),
    (
        r"does not exist on|RepositoryNotFound|NotExistError|Repository not found|404 Client Error",
        "the hub has no such model, or wants a token",
        "correct `model`, or set MODELSCOPE_API_TOKEN or HF_TOKEN",
    ),
    (r"neither \w+ nor an image", "no tool to download with", "pip install modelscope on the host"),
)
"""What a hub's tool says, what it means, what to do."""


def why(source: Source, outcome: Outcome) -> str:
    """What to tell the operator."""
    text = outcome.out + outcome.err
    if "o space left" in text:
        detail = next((line for line in text.splitlines() if "o space left" in line), "")
        return f"{source.path}: the disk is full; free room and run again, the download goes on\n{detail}"
    if outcome.exit in (124, 137):
        return f"{source.path}: not complete in time; run again, the download goes on where it stopped"
    cause = next((f": {what} ({then})" for pattern, what, then in CAUSES if re.search(pattern, text)), "")
    said = "\n".join(line for line in tail(outcome, 8).splitlines() if not line.startswith("bytes "))
    return f"{source.id or source.path}: the weights could not be had{cause} (exit {outcome.exit})\n{said}"


weights = WeightsModule()
