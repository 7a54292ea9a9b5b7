"""The source of a release lies in a folder of the host: cloned where nothing is, and never switched where something is.

Source: the seed's section 4.2 and vllm-ascend's docs/source/installation.md ("Build from source code") at v0.23.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed
from qcluster.facts.jobs import Job, attach
from qcluster.facts.ports import split
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.pip_install import LATE
from qcluster.modules.streams import tail
from qcluster.result import Outcome

LOOK = """\
dir=$1
tree() { git -c safe.directory="$dir" -C "$dir" "$@" 2>/dev/null; }
echo ==is
if [ -e "$dir/.git" ]; then echo tree; elif [ -e "$dir" ]; then echo folder; fi
echo ==names; tree tag --points-at HEAD; tree rev-parse --abbrev-ref HEAD; tree rev-parse --short HEAD
echo ==holds; [ ! -e "$dir/$2" ] || echo yes
echo ==git; command -v git
echo ==end
"""
CLONE = """\
dir=$1
# whole or absent: what a broken connection leaves is in another folder
rm -rf "$dir.new" && mkdir -p "${dir%/*}" || exit
git clone -q --depth 1 --branch "$3" --recurse-submodules --shallow-submodules "$2" "$dir.new" && mv "$dir.new" "$dir"
"""


class SourceTree:
    spec = Spec(
        {
            "dest": Option("path", required=True, help="The folder."),
            "repository": Option("str", required=True, help="What git clones where the folder is absent."),
            "reference": Option("str", required=True, help="Tag or branch that it must be at."),
            "holds": Option("str", default="", help="A file that must be in it."),
            "job_dir": Option("path", required=True, help="Folder for the job's log and exit code."),
            "timeout": Option("int", default=1800, help="Seconds that the clone may take."),
        },
        help="The source of a release lies in a folder of the host.",
    )

    def probe(self, call: Call) -> Command:
        return sh(LOOK, str(call.args["dest"]), str(call.args["holds"]), timeout=60)

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        seen = split(found.out)
        if "end" not in seen:
            raise TaskFailed(f"what is in the folder cannot be told: {found.err[-200:]!r}")
        dest, reference = str(call.args["dest"]), str(call.args["reference"])
        names = [name for name in seen["names"] if name != "HEAD"]
        what = "".join(seen["is"])
        if not what:
            return _cloned(call, bool(seen["git"]))
        if what == "tree" and names and reference not in names:
            wrong = f"{dest} is at {names[0]}, wanted is {reference}: check that out there, or choose another folder"
            return Decision(failed=wrong)
        if call.args["holds"] and not seen["holds"]:
            return Decision(failed=f"{dest} has no {call.args['holds']}: it is not the source of {reference}")
        return Decision(values={"at": names})


def _cloned(call: Call, git: bool) -> Decision:
    dest, url, reference = (str(call.args[name]) for name in ("dest", "repository", "reference"))
    if not git:
        return Decision(failed=f"no git on this host to clone {url}: install it, or put the source into {dest}")
    # a lost connection does not end it, and the next run joins it: two would clone into the same folder
    folder = f"{call.args['job_dir']}/source-{hashlib.sha256(dest.encode()).hexdigest()[:12]}"
    clone = Job(folder, f"clone {url} {reference}", CLONE, (dest, url, reference), int(call.args["timeout"]))
    return Decision((attach(clone),), values={"at": [reference]}, finish=_finish)


def _finish(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    if outcomes[0].exit in LATE:
        raise TaskFailed(f"git clone was not complete in time, or was ended; run again\n{tail(outcomes[0])}")
    if not outcomes[0].ok:
        raise TaskFailed(f"git clone failed\n{tail(outcomes[0])}")
    return {}


source_tree = SourceTree()
