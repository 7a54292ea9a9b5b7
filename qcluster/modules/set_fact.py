"""set_fact: give the host variables for the rest of the run."""

from __future__ import annotations

import re

from qcluster.command import Command
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


CACHEABLE = "_ansible_facts_cacheable"
"""In the values where the variables are also facts of the host; the engine takes it out."""


class SetFact:
    """Every argument but `cacheable` is a variable; its value keeps its type."""

    spec = Spec({"cacheable": Option("bool", default=False)}, any_key=True, help="Set variables of this host.")

    def probe(self, call: Call) -> Command | None:
        return None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        facts = {call.template(name): value for name, value in call.args.items() if name != "cacheable"}
        wrong = [name for name in facts if not isinstance(name, str) or not _NAME.fullmatch(name)]
        if wrong:
            return Decision(failed=f"not a name for a variable: {', '.join(map(repr, wrong))}")
        if not facts:
            return Decision(failed="No key/value pairs provided, at least one is required for this action to succeed")
        lasting = {CACHEABLE: True} if call.args.get("cacheable") else {}
        return Decision(values={"ansible_facts": facts, **lasting})


set_fact = SetFact()
