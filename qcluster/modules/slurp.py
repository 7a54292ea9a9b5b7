"""slurp: the content of a file of the host, as base64."""

from __future__ import annotations

import base64

from qcluster.command import Command
from qcluster.facts.fact import Fact
from qcluster.facts.files import Look, look
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome


class Slurp:
    """Ansible's `slurp`."""

    spec = Spec({"src": Option("path", required=True, aliases=("path",))}, help="Read a file of the host.")

    def probe(self, call: Call) -> Command:
        return _fact(call).command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        file = _fact(call).parse(found).file
        if not file.exists:
            return Decision(failed=f"File not found: {file.path}")
        if file.is_directory:
            return Decision(failed=f"Source is a directory and must be a file: {file.path}")
        if file.content is None or "r" not in file.access:
            return Decision(failed=f"File is not readable: {file.path}")
        encoded = base64.b64encode(file.content).decode()
        return Decision(values={"content": encoded, "encoding": "base64", "source": file.path})


def _fact(call: Call) -> Fact[Look]:
    return look(call.args["src"], content=True)


slurp = Slurp()
