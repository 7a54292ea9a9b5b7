"""The two kinds of modules, and what they are given.

A **Module** is pure: `probe` names one question, `decide` turns the answer into steps; the engine carries them out.
Nothing to do is `ok`; check mode and `--diff` come for free; a converged task costs one round trip.

An **Action** runs on the controller and may use the host's transport, or those of all hosts: what needs a dialogue,
a stream, or the whole cluster (verify-network, the start watcher, the proof).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from qcluster.command import Command, Step
from qcluster.events import Emit
from qcluster.result import Diff, Outcome
from qcluster.transport.base import Transport

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    """One argument of a module, in the words of Ansible's argument_spec."""

    type: str = "str"  # str int float bool list dict path raw
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    aliases: tuple[str, ...] = ()
    elements: str = ""
    no_log: bool = False
    help: str = ""


@dataclass(frozen=True)
class Spec:
    """The arguments that a module takes; the loader checks them before any host is touched.

    `free_form` names the option that takes a bare string (`command: uptime`).
    """

    options: Mapping[str, Option] = field(default_factory=dict)
    free_form: str = ""
    required_one_of: tuple[tuple[str, ...], ...] = ()
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    any_key: bool = False
    help: str = ""


@dataclass(frozen=True)
class Call:
    """One task on one host, templated and type-checked: all that a module may look at.

    `find(kind, name)` looks a controller file up as Ansible does (`files/`, `templates/`, the role, the playbook).
    `template(text)` renders Jinja with the task's variables, `evaluate(expression)` an expression without braces,
    `template_file(path, settings)` a whole template file as Ansible's `template` does (`settings`: trim_blocks,
    lstrip_blocks, newline_sequence, the delimiters, and `variables` that only this file sees).
    """

    host: str
    args: Mapping[str, Any]
    variables: Mapping[str, Any]
    check: bool = False
    diff: bool = False
    find: Callable[[str, str], Path] = lambda kind, name: Path(name)
    template: Callable[[str], Any] = lambda text: text
    state_dir: str = ""
    evaluate: Callable[[str], Any] = lambda expression: expression
    template_file: Callable[[Path, Mapping[str, Any]], str] = lambda path, settings: path.read_text()
    verbosity: int = 0


@dataclass(frozen=True)
class Decision:
    """What has to be done, from what was found.

    steps    carried out in order, up to the first that fails (none in check mode)
    changed  None: changed when there are steps
    values   what `register` gets (with `rc`, `stdout`, … of the last command where `finish` adds them)
    failed   not empty: the task fails with this message, no step is run
    skipped  not empty: skipped with this reason
    finish   turns the outcomes of the steps into further values; may raise `TaskFailed`
    """

    steps: tuple[Step, ...] = ()
    changed: bool | None = None
    values: Values = field(default_factory=dict)
    failed: str = ""
    skipped: str = ""
    diffs: tuple[Diff, ...] = ()
    finish: Callable[[Sequence[Outcome]], Values] | None = None


class Module(Protocol):
    """One thing that a task can make true on one host."""

    spec: Spec

    def probe(self, call: Call) -> Command | None:
        """One command that shows the present state, or None where there is nothing to ask."""
        ...

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        """Pure. `found` is the probe's outcome."""
        ...


@dataclass(frozen=True)
class Reach:
    """What an action may touch: the connection of its host, and those of every host in the inventory by name.

    `variables_of(host)` gives another host's variables. `sleep` and `clock` (seconds) are the run's own.
    `cancelled()` is true once the operator pressed Ctrl-C: long actions stop at the next step. `lost` says why hosts
    could not be reached earlier in the run.
    """

    transport: Transport
    fleet: Mapping[str, Transport]
    variables_of: Callable[[str], Mapping[str, Any]]
    play_hosts: tuple[str, ...]
    emit: Emit
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    cancelled: Callable[[], bool] = lambda: False
    lost: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What an action did. `facts` become host facts (as `ansible_facts` does), `facts_for` those of other hosts.

    `fatal` set to an exit code (2 or 4) ends the run with that code for everybody: a plan that cannot be bound (2),
    a cluster that does not serve (4).
    """

    changed: bool = False
    values: Values = field(default_factory=dict)
    failed: str = ""
    skipped: str = ""
    facts: Values = field(default_factory=dict)
    facts_for: Mapping[str, Values] = field(default_factory=dict)
    diffs: tuple[Diff, ...] = ()
    fatal: int = 0


class Action(Protocol):
    """A module that runs on the controller."""

    spec: Spec
    supports_check: bool

    def run(self, call: Call, reach: Reach) -> Report: ...
