"""A Python package is on a host in the wanted version: `pip show`, and `pip install` where it is missing.

Source: the seed's section 4.2 and facts §1.8 (installation from source, checked with `pip show vllm-ascend`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.streams import tail
from qcluster.result import Outcome

SHOW = """\
command -v "$1" >/dev/null || { echo "no $1 on this host"; exit 3; }
"$1" -m pip --version >/dev/null 2>&1 || { echo "$1 has no pip"; exit 3; }
"$1" -m pip show "$2" 2>/dev/null | sed -n 's/^Version: //p'
"""


class PythonPackage:
    spec = Spec(
        {
            "python": Option("str", default="python3", help="The interpreter."),
            "name": Option("str", required=True, help="The package."),
            "version": Option("str", default="", help="It must begin so; empty accepts any."),
            "requirement": Option(
                "str", default="", help="What pip installs where it is missing; default NAME==VERSION."
            ),
            "editable": Option("path", default="", help="A source folder that pip installs instead (pip install -e)."),
            "indexes": Option("list", elements="str", default=(), help="Where pip looks besides its own index."),
            "install": Option("bool", default=True, help="false: fail where it is missing."),
            "timeout": Option("int", default=3600, help="Seconds for the installation."),
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
        install = (str(call.args["python"]), "-m", "pip", "install", *_requirement(call, name, wanted))
        steps = (Command(install, timeout=float(call.args["timeout"])), self.probe(call))
        return Decision(steps, finish=partial(_installed, wanted))


def _requirement(call: Call, name: str, wanted: str) -> tuple[str, ...]:
    if call.args["editable"]:
        named: tuple[str, ...] = ("-e", str(call.args["editable"]))
    else:
        named = (str(call.args["requirement"]) or (f"{name}=={wanted}" if wanted else name),)
    return (*(word for url in call.args["indexes"] for word in ("--extra-index-url", str(url))), *named)


def _installed(wanted: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    if not outcomes[0].ok:
        raise TaskFailed(f"pip install failed\n{tail(outcomes[0])}")
    version = outcomes[-1].out.strip()
    if not version:
        raise TaskFailed("pip installed it, but `pip show` does not")
    if not version.startswith(wanted):
        raise TaskFailed(f"pip installed {version}, wanted is {wanted}")
    return {"version": version}


python_package = PythonPackage()
