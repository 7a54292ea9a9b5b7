"""The container that a new one replaced: started again when the new one failed, removed when it proved itself.

Without docker it is the folder of the scripts that ran. Source: issue 6, Day two.
"""

from __future__ import annotations

from qcluster.command import Command, sh
from qcluster.errors import UnreadableOutput
from qcluster.facts import docker
from qcluster.facts.engine_box import HOST_KEPT, HOST_RESTORE
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome

RESTORE = """\
# the new container ends first: old and new need the same NPUs
for name in "$@"; do
  docker stop -t 20 "$name" >/dev/null 2>&1
  docker rm -f "$name" >/dev/null 2>&1
  docker rename "$name-previous" "$name" && docker start "$name" >/dev/null || exit
done
"""


class EnginePrevious:
    spec = Spec(
        {
            "state": Option("str", required=True, choices=("restored", "absent"), help="Start it again, or remove it."),
            "home": Option("path", default="", help="With container_runtime: host, the deployment's folder on it."),
            "deployment": Option("str", required=True, help="Only what carries this label is touched."),
        },
        help="What was kept as NAME-previous is started again or removed.",
    )

    def probe(self, call: Call) -> Command:
        home = str(call.args["home"])
        return sh(HOST_KEPT, home, timeout=60) if home else docker.containers().command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        if call.args["home"]:
            return _native(call, found)
        listed = docker.parse_listing(found)
        mine = [one for one in listed if one.deployment == call.args["deployment"]]
        kept = [one.name.removesuffix("-previous") for one in mine if one.name.endswith("-previous")]
        values = {"restored" if call.args["state"] == "restored" else "removed": kept}
        if not kept:
            return Decision(values=values)
        if call.args["state"] == "absent":
            names = [f"{name}-previous" for name in kept]
            return Decision((Command(("docker", "rm", "-f", *names), timeout=120),), values=values)
        return Decision((sh(RESTORE, *kept, timeout=300),), values=values)


def _native(call: Call, found: Outcome) -> Decision:
    *boxes, end = found.out.splitlines() or [""]
    if end != "==end":
        raise UnreadableOutput("what was kept is cut off", found.out[-200:] + found.err[-200:])
    names = [box.rpartition("/")[2] for box in boxes]
    if call.args["state"] == "restored":
        steps = (sh(HOST_RESTORE, *boxes, timeout=300),) if boxes else ()
        return Decision(steps, values={"restored": names})
    files = [f"{box}/{name}" for box in boxes for name in ("previous", "previous.json")]
    return Decision((Command(("rm", "-f", *files), timeout=60),) if files else (), values={"removed": names})


engine_previous = EnginePrevious()
