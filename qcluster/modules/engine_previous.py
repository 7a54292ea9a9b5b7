"""The container that a new one replaced: started again when the new one failed, removed when it proved itself.

Source: CONTRACTS, "Change without loss".
"""

from __future__ import annotations

from qcluster.command import Command, sh
from qcluster.facts import docker
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
            "deployment": Option("str", required=True, help="Only what carries this label is touched."),
        },
        help="What was kept as NAME-previous is started again or removed.",
    )

    def probe(self, call: Call) -> Command:
        return docker.containers().command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
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


engine_previous = EnginePrevious()
