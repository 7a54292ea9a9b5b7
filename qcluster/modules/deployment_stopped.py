"""Nothing of a deployment runs on a host any more: only what carries its label is stopped and removed.

SIGTERM first, the whole process group, never a broad kill. Source: issue 6, Safety.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed
from qcluster.facts import docker
from qcluster.facts.groups import GROUPS
from qcluster.facts.ports import split
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome

HOME = """\
case $1 in "<fact:home>"*) home=$HOME${1#"<fact:home>"} ;; *) home=$1 ;; esac
"""

PROBE = (
    GROUPS
    + HOME
    + """\
format=$2
echo ==containers
if command -v docker >/dev/null; then
  said=$(docker ps -a --no-trunc --format "$format" 2>&1) || echo ==silent
  printf '%s\n' "$said"
fi
echo ==groups
for labels in "$home"/*/run/labels.json; do
  run=${labels%/labels.json}
  [ -s "$labels" ] && [ -n "$(entry "$run")$(groups "$run")" ] && echo "$run"
done
echo ==end
"""
)

STOP = """\
grace=$1; shift
docker stop -t "$grace" "$@" >/dev/null
docker rm -f "$@" >/dev/null
"""

END = (
    GROUPS
    + """\
# process groups of `container_runtime: host`: all are asked first, then waited for
grace=$1; shift
for run in "$@"; do terminate "$run"; done
for run in "$@"; do
  gone "$run" $((grace + 10)) || { echo "something of $run cannot be ended" >&2; exit 1; }
  rm -f "$run/entry.pid" "$run/labels.json"
done
"""
)


FORGET = (
    HOME
    + """\
# what ran here, and whether it served, is told no more
rm -f "$home/record.json" "$home/proof.json"
"""
)


SILENT = (
    "docker does not answer ({why}): whether anything still runs is unknown. Start it (systemctl start docker) and run "
    "this again"
)


class DeploymentStopped:
    spec = Spec(
        {
            "deployment": Option("str", required=True, help="Only what carries this label is touched."),
            "home": Option("path", required=True, help="The deployment's folder on the host."),
            "only": Option("list", elements="str", default=(), help="Only containers of these names; default all."),
            "without": Option("list", elements="str", default=(), help="Not containers of these names."),
            "docker": Option("bool", default=True, help="false: nothing of it is in containers, docker may be off."),
            "timeout": Option("int", default=60, help="Seconds between SIGTERM and SIGKILL."),
        },
        help="Nothing of the deployment runs on the host.",
    )

    def probe(self, call: Call) -> Command:
        return sh(PROBE, str(call.args["home"]), docker.LISTING, timeout=60)

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        sections = split(found.out)
        if "end" not in sections:
            raise TaskFailed(f"the list of containers is cut off: {found.err[-200:]!r}")
        if call.args["docker"] and "silent" in sections:
            raise TaskFailed(SILENT.format(why=" ".join(sections["silent"][-1:]).strip()))
        listed = [docker.listed(line) for line in sections.get("containers", ())]
        mine = [one for one in listed if one.deployment == call.args["deployment"]]
        names = [one.name for one in mine if _chosen(call, one.name)]
        groups = [run for run in sections.get("groups", ()) if _chosen(call, _box(run))]
        grace = int(call.args["timeout"])
        stop = (sh(STOP, str(grace), *names, timeout=grace + 90),) if names else ()
        end = (sh(END, str(grace), *groups, timeout=grace + 90),) if groups else ()
        stopped = [*names, *map(_box, groups)]
        left = sorted(one.name for one in listed if one not in mine and one.running)
        forget = (sh(FORGET, str(call.args["home"]), timeout=30),) if stopped and not call.args["only"] else ()
        return Decision((*stop, *end, *forget), values={"stopped": stopped, "left": left}, finish=_finish)


def _box(run: str) -> str:
    """The name in `/home/of/the/deployment/NAME/run`."""
    return run.split("/")[-2]


def _chosen(call: Call, name: str) -> bool:
    plain = name.removesuffix("-previous")
    return (not call.args["only"] or plain in call.args["only"]) and plain not in call.args["without"]


def _finish(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    for outcome in outcomes:
        if not outcome.ok:
            raise TaskFailed(outcome.err.strip() or "it did not stop in time")
    return {}


deployment_stopped = DeploymentStopped()
