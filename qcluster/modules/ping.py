"""ping: does the host answer."""

from __future__ import annotations

from qcluster.command import Command
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome


class Ping:
    """One round trip; `data: crash` fails, as Ansible's does."""

    spec = Spec({"data": Option(default="pong", help="What to return.")}, help="Run the smallest possible command.")

    def probe(self, call: Call) -> Command | None:
        return Command(("true",))

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        if found is None or not found.ok:
            return Decision(failed=f"the host cannot run `true`: {found.err.strip() if found else 'no answer'}")
        if call.args["data"] == "crash":
            return Decision(failed="boom")
        return Decision(values={"ping": call.args["data"]})


ping = Ping()
