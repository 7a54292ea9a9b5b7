"""`pip install` as a detached job: a lost connection does not end it, and whoever comes next joins it.

Two of them would write the same folder at once. Source: issue 6, Runtime host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from qcluster.command import Command
from qcluster.errors import TaskFailed
from qcluster.facts.jobs import Job, attach
from qcluster.modules.base import Call, Option
from qcluster.modules.streams import tail
from qcluster.result import Outcome

OPTIONS = {
    "python": Option("str", default="python3", help="The interpreter."),
    "indexes": Option("list", elements="str", default=(), help="Where pip looks besides its own index."),
    "install": Option("bool", default=True, help="false: fail where it is missing."),
    "job_dir": Option("path", required=True, help="Folder for the job's log and exit code."),
    "timeout": Option("int", default=3600, help="Seconds for the installation."),
}
"""What modules that install something have in common."""

LATE = (124, 137)
"""Exit codes of a job that was ended: by its deadline, or from outside."""


def install(call: Call, *what: str) -> Command:
    """Begin the installation, or join the one that runs; its output is pip's. `what` are pip's last words."""
    python, extra = str(call.args["python"]), _indexes(call)
    key = " ".join(("pip install", *what))
    # one job a Python: two installations into it would not wait for each other
    folder = f"{call.args['job_dir']}/pip-{hashlib.sha256(python.encode()).hexdigest()[:12]}"
    words = (python, "-m", "pip", "install", *extra, *what)
    return attach(Job(folder, key, '"$@"', words, int(call.args["timeout"])))


def _indexes(call: Call) -> tuple[str, ...]:
    return tuple(word for url in call.args["indexes"] for word in ("--extra-index-url", str(url)))


def installed(outcomes: Sequence[Outcome]) -> str:
    """What the command after the installation printed. Raises `TaskFailed` where pip failed or was ended."""
    if outcomes[0].exit in LATE:
        raise TaskFailed(f"pip install was not complete in time, or was ended; run again\n{tail(outcomes[0])}")
    if not outcomes[0].ok:
        raise TaskFailed(f"pip install failed\n{tail(outcomes[0])}")
    return outcomes[-1].out.strip()
