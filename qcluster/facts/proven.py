"""The outcome of the last proof, noted on a deployment's first host: health alone does not say that text is right."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from qcluster.command import Put, sh
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

FILE = "proof.json"

READ = 'case $1 in "<fact:home>"*) set -- "$HOME${1#"<fact:home>"}" ;; esac\ncat "$1" 2>/dev/null || :\n'


@dataclass(frozen=True)
class Proof:
    """`at` in seconds of the epoch; `by` the command that proved; `why` is empty where it passed."""

    at: float
    by: str
    why: str = ""

    def __str__(self) -> str:
        """`passed 09:22 (up)`, with the day where it was not today."""
        then = time.localtime(self.at)
        today = then[:3] == time.localtime()[:3]
        when = time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", then)
        return f"{'FAILED' if self.why else 'passed'} {when} ({self.by})"


def last_proof(state_dir: str) -> Fact[Proof | None]:
    """None where nothing was ever proven."""
    return Fact(sh(READ, f"{state_dir}/{FILE}", timeout=30), parse)


def parse(outcome: Outcome) -> Proof | None:
    """A note that cannot be read says nothing."""
    try:
        value = json.loads(outcome.out)
        return Proof(float(value["at"]), str(value["by"]), str(value["why"]))
    except (ValueError, KeyError, TypeError):
        return None


def note(state_dir: str, proof: Proof) -> Put:
    return Put(f"{state_dir}/{FILE}", (json.dumps(asdict(proof)) + "\n").encode())
