"""tempfile: a new file or folder with a name of its own on the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qcluster.command import Command, sh
from qcluster.facts.script import EXPAND
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome

MAKE = f"""{EXPAND}
expand "$2"; where=${{p:-${{TMPDIR:-/tmp}}}} option=
[ "$1" = file ] || option=-d
made=$(mktemp $option --suffix="$4" -- "${{where%/}}/$3XXXXXXXX") || exit
printf '%s\\0' "$made"; stat -c '%u %g %s %U %G' -- "$made"
"""


class Tempfile:
    """Ansible's `tempfile`. It is new each time."""

    spec = Spec(
        {
            "state": Option(default="file", choices=("file", "directory")),
            "path": Option("path", help="The folder to make it in."),
            "prefix": Option(default="ansible."),
            "suffix": Option(default=""),
        },
        help="Make a temporary file or folder.",
    )

    def probe(self, call: Call) -> Command | None:
        return None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        args = call.args
        if call.check:
            return Decision(skipped="remote module (tempfile) does not support check mode")
        make = sh(MAKE, args["state"], args["path"] or "", args["prefix"], args["suffix"])
        mode = "0600" if args["state"] == "file" else "0700"
        told = {"state": args["state"], "mode": mode}
        return Decision((make,), True, finish=lambda outcomes: {**told, **_made(outcomes)})


def _made(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    if not outcomes[-1].ok:
        return {"msg": outcomes[-1].err.strip()}
    path, _, told = outcomes[-1].out.partition("\0")
    uid, gid, size, owner, group = told.split()
    return {"path": path, "uid": int(uid), "gid": int(gid), "size": int(size), "owner": owner, "group": group}


tempfile = Tempfile()
