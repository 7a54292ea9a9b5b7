"""What an operator may say about one run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qcluster.secret import Secret


@dataclass(frozen=True)
class RunOptions:
    """How to run a playbook; every name means what Ansible's option of that name means.

    `extra_vars` win over all others. `facts` (host → variables) are known before the run, as if a task had gathered
    them. `forks` 0: all hosts at once. `ask` answers a question of `step`. `deployment` names the state directory
    on the hosts. `cancelled` is set by Ctrl-C. `clock` is seconds since the epoch, `sleep` takes seconds.
    """

    limit: str = ""
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    check: bool = False
    diff: bool = False
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    forks: int = 0
    start_at_task: str = ""
    step: bool = False
    ask: Callable[[str], str] = lambda question: "y"
    verbosity: int = 0
    become_password: Secret | None = None
    deployment: str = "default"
    verb: str = "run"
    target: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
