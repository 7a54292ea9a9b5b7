"""The model's weights are on a host, whole, downloaded at most once. Source: issue 5, Weights.

The download is a detached job on the host under a lock beside the folder (so also among hosts that share it); it is
resumed by the hub's own tool, and never started where the manifest shows that everything is there.
"""

from __future__ import annotations

import hashlib
import re

from qcluster.errors import UnreadableOutput
from qcluster.facts import weights as fact
from qcluster.facts.jobs import Job, attach
from qcluster.facts.weights import Source
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.streams import follow, progress, started, tail
from qcluster.result import Outcome

SLOW = ("nfs", "nfs4", "cifs", "fuse.sshfs", "9p")
"""File systems on which mapping safetensors is known to be slow or to hang (field notes H)."""


class WeightsModule:
    spec = Spec(
        {
            "source": Option("str", default="modelscope", choices=("modelscope", "huggingface", "rsync", "path")),
            "id": Option("str", default="", help="Hub id, or HOST:PATH for rsync."),
            "path": Option("path", required=True, help="The folder that engines are given."),
            "image": Option("str", default="", help="Image that has the hub's tool, where the host has none."),
            "cache": Option("path", default="", help="The hub tool's cache and locks; default beside the folder."),
            "manifest": Option("str", default="", help="Pinned manifest (sha256); other files fail the task."),
            "job_dir": Option("path", required=True, help="Folder for the job's log and exit code."),
            "reread": Option(
                "bool", default=False, help="Read every file anew; else size and time say it is the same."
            ),
            "wait": Option("bool", default=True, help="false: begin the download and go on; the next task joins it."),
            "timeout": Option("int", default=14400, help="Seconds for the whole download."),
        },
        help="The model's weights are on the host, whole, by manifest.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        source = of(call)
        try:
            found = self._look(source, reach)
            if found.complete and not source.reread:
                return _report(source, found, changed=False)
            if call.check:
                return Report(changed=True, values={"missing": source.path})
            if not call.args["wait"]:
                return started(reach, job(call, source))
            outcome = follow(reach, attach(job(call, source)), lambda line: _moved(reach, line))
            if not outcome.ok:
                return Report(failed=_why(source, outcome))
            fetched = source.how != "path" and "already complete" not in outcome.out.splitlines()
            return _report(source, self._look(source, reach), changed=fetched)
        except UnreadableOutput as error:
            return Report(failed=str(error))

    def _look(self, source: Source, reach: Reach) -> fact.Weights:
        question = fact.look(source.path, source.manifest)
        return question.parse(reach.transport.run(question.command))


def job(call: Call, source: Source) -> Job:
    key = hashlib.sha256(source.path.encode()).hexdigest()[:12]
    return fact.fetch(source, f"{call.args['job_dir']}/weights-{key}", int(call.args["timeout"]))


def of(call: Call) -> Source:
    path, jobs = str(call.args["path"]).rstrip("/"), str(call.args["job_dir"])
    key = hashlib.sha256(path.encode()).hexdigest()[:12]
    how = str(call.args["source"])
    parent = path.rpartition("/")[0]
    image = str(call.args["image"])
    return Source(
        how=how,
        id=str(call.args["id"]),
        path=path,
        manifest=f"{jobs}/manifest-{key}" if how == "path" else f"{path}/.qcluster-manifest",
        image=image,
        cache=str(call.args["cache"]) or f"{parent}/.qcluster-hub",
        reread=bool(call.args["reread"]),
        image_job=f"{jobs}/image-{hashlib.sha256(image.encode()).hexdigest()[:12]}" if image else "",
    )


def _report(source: Source, found: fact.Weights, changed: bool) -> Report:
    values = {"manifest": found.manifest, "bytes": found.size, "files": len(found.files), "path": source.path}
    if not found.complete:
        lacking = [*found.missing, *(file.name for file in found.files if not file.intact)]
        what = ", ".join(lacking[:5]) or "no files"
        return Report(failed=f"{source.path} is not whole after the download: {what}", values=values)
    if found.filesystem in SLOW:
        values["warning"] = f"{source.path} lies on {found.filesystem}: loading may be slow (vllm-ascend#9071)"
    return Report(changed=changed, values=values)


def _moved(reach: Reach, line: str) -> None:
    match = re.match(r"bytes (\d+)$", line.strip())
    if match:
        progress(reach, "weights", f"{int(match[1]) / 1e9:.1f} GB", kind="bytes", done=float(match[1]), unit="bytes")
    elif line.startswith(("waiting", "taking over", "hashing", "already")):
        progress(reach, "weights", line.strip())


def _why(source: Source, outcome: Outcome) -> str:
    text = outcome.out + outcome.err
    if "No space left" in text or "no space left" in text:
        return f"{source.path}: the disk is full; free room and run again, the download goes on where it stopped"
    if outcome.exit in (124, 137):
        return f"{source.path}: not complete in time; run again, the download goes on where it stopped"
    return f"{source.id or source.path}: the weights could not be had (exit {outcome.exit})\n{tail(outcome)}"


weights = WeightsModule()
