"""A Python module can be imported on a host as engines will import it, with CANN's settings; else pip installs it.

An image is looked into by `image_holds`; this is the same question where engines run without one. Sources:
Dockerfile at v0.23.0 (`import mooncake.engine` needs CANN's and Mooncake's libraries on LD_LIBRARY_PATH);
issue 6, Image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from qcluster.command import Command
from qcluster.errors import TaskFailed
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.pip_install import OPTIONS, install, installed
from qcluster.result import Outcome

ASK = """
import importlib, sys
try:
    importlib.import_module(sys.argv[1])
    print("yes")
except ModuleNotFoundError as error:
    print("missing", error)
except Exception as error:
    print("broken", type(error).__name__, error)
"""
LOOK = r"""
for file in /usr/local/Ascend/ascend-toolkit/set_env.sh /usr/local/Ascend/nnal/atb/set_env.sh; do
  [ ! -r "$file" ] || . "$file"
done
found=/usr/local/Ascend/ascend-toolkit/latest/python/site-packages
export LD_LIBRARY_PATH=$found/mooncake:$found:/usr/local/lib:$LD_LIBRARY_PATH
command -v "$1" >/dev/null || { echo "no $1 on this host"; exit 3; }
exec "$1" -c "$2" "$3"
"""
"""As the entry script sets it up (roles/engine/templates/entry.sh.j2)."""


class PythonImport:
    spec = Spec(
        {
            **OPTIONS,
            "name": Option("str", required=True, help="The module, `package.module`."),
            "requirement": Option("str", default="", help="What pip installs where it is missing; empty: nothing."),
            "remedy": Option("str", default="", help="What the operator can do where pip does not help."),
        },
        help="A Python module can be imported with CANN's settings.",
    )

    def probe(self, call: Call) -> Command:
        words = (str(call.args["python"]), ASK, str(call.args["name"]))
        return Command(("bash", "-s", "--", *words), stdin=LOOK.encode(), timeout=120)

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        name, requirement, remedy = (str(call.args[name]) for name in ("name", "requirement", "remedy"))
        state, _, why = (found.out.strip().splitlines() or [""])[-1].partition(" ")
        if state == "yes":
            return Decision()
        if state == "missing" and requirement and call.args["install"]:
            steps = (install(call, requirement), self.probe(call))
            return Decision(steps, finish=partial(_finish, name, remedy))
        said = why if state in ("missing", "broken") else found.out.strip() or found.err.strip()
        return Decision(failed=_refusal(name, said, remedy))


def _refusal(name: str, said: str, remedy: str) -> str:
    return f"{name} cannot be imported ({said})" + (f": {remedy}" if remedy else "")


def _finish(name: str, remedy: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    said = installed(outcomes).splitlines()[-1:]
    if said != ["yes"]:
        raise TaskFailed(_refusal(name, " ".join(said).partition(" ")[2], f"pip has installed it; {remedy}"))
    return {"imported": name}


python_import = PythonImport()
