"""A Python package is on a host in the wanted version: `pip show`, and `pip install` where it is missing.

Source: the seed's section 4.2 and installation.md (installation from source, checked with `pip show vllm-ascend`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.pip_install import OPTIONS, install, installed
from qcluster.result import Outcome

SHOW = """\
command -v "$1" >/dev/null || { echo "no $1 on this host"; exit 3; }
"$1" -m pip --version >/dev/null 2>&1 || { echo "$1 has no pip"; exit 3; }
"$1" -m pip show "$2" 2>/dev/null | sed -n 's/^Version: //p'
"""


class PythonPackage:
    spec = Spec(
        {
            **OPTIONS,
            "name": Option("str", required=True, help="The package."),
            "version": Option("str", default="", help="It must begin so; empty accepts any."),
            "requirement": Option(
                "str", default="", help="What pip installs where it is missing; default NAME==VERSION."
            ),
            "editable": Option("path", default="", help="A source folder that pip installs instead (pip install -e)."),
        },
        help="A Python package is installed in the wanted version.",
    )

    def probe(self, call: Call) -> Command:
        return sh(SHOW, str(call.args["python"]), str(call.args["name"]), timeout=60)

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        if not found.ok:
            return Decision(failed=found.out.strip() or found.err.strip())
        name, have, wanted = str(call.args["name"]), found.out.strip(), str(call.args["version"])
        if have and have.startswith(wanted):
            return Decision(values={"version": have})
        what = f"{name} {have} is installed, wanted is {wanted}" if have else f"{name} is not installed"
        if have or not call.args["install"]:
            return Decision(
                failed=f"{what}: choose that `release`, or install the other version", values={"version": have}
            )
        steps = (install(call, *_requirement(call, name, wanted)), self.probe(call))
        return Decision(steps, finish=partial(_installed, wanted))


def _requirement(call: Call, name: str, wanted: str) -> tuple[str, ...]:
    if call.args["editable"]:
        return ("-e", str(call.args["editable"]))
    return (str(call.args["requirement"]) or (f"{name}=={wanted}" if wanted else name),)


def _installed(wanted: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    version = installed(outcomes)
    if not version:
        raise TaskFailed("pip installed it, but `pip show` does not")
    if not version.startswith(wanted):
        raise TaskFailed(f"pip installed {version}, wanted is {wanted}")
    return {"version": version}


python_package = PythonPackage()
