"""One run of the command line: the inventory chosen and loaded, the lab booted, the plan made, the hosts wired."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli.began import lived
from qcluster.cli.closing import Told, interrupted, last_words, unchosen
from qcluster.cli.hidden import secrets_known, vault_of
from qcluster.cli.kept import RUNS
from qcluster.cli.options import RunFlags
from qcluster.cli.reporting import journal_of, reporting
from qcluster.cli.stopping import stoppable
from qcluster.errors import UNREAD, InputError
from qcluster.events import CommandRan, Event
from qcluster.inventory.model import Inventory
from qcluster.report.serialise import Mask

if TYPE_CHECKING:
    from qcluster.engine import RunOptions
    from qcluster.inventory import Vault
    from qcluster.playbook.model import Playbook
    from qcluster.serving.plan import Plan
    from qcluster.transport.base import Transport
    from qcluster.transport.fleet import Fleet


@dataclass(frozen=True)
class Choice:
    """How the operator named the inventory: as argument, as `--inventory`, or not at all."""

    argument: str | None = None
    option: str | None = None
    vault_password_file: str = ""
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    playbook_dir: Path | None = None


def load_inventory(choice: Choice) -> tuple[Path, Inventory]:
    """Find and read the inventory; remember it as the one last used from this directory."""
    from qcluster.inventory import choose, load

    path = choose.find(choice.argument, choice.option, os.environ, Path.cwd())
    vault = vault_of(choice.vault_password_file)
    loaded = load(path, extra=choice.extra_vars, vault=vault, playbook_dir=choice.playbook_dir)
    choose.remember(path, Path.cwd())
    return path, loaded


@dataclass
class Session:
    """What a command works with. `plan` is None where the inventory describes no deployment (`run`, `exec`)."""

    path: Path
    inventory: Inventory
    plan: Plan | None
    wires: Fleet
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    watchers: list[Callable[[Event], None]] = field(default_factory=list)
    """Further reporters of the next run: what a command itself wants to see of it."""
    unreachable: set[str] = field(default_factory=set)
    """Hosts that a run lost; nothing more is asked of them."""
    mask: Mask = field(default_factory=Mask)
    ways: dict[str, dict[str, Any]] = field(default_factory=dict)
    """How each host is reached, but for secrets."""
    books: dict[Path, Playbook] = field(default_factory=dict)
    """Playbooks that were read while something else was waited for."""

    @property
    def fleet(self) -> Mapping[str, Transport]:
        """The hosts as the inventory says who acts there (`ansible_become`)."""
        return self.wires.as_users()

    def on_command(self, event: CommandRan) -> None:
        """Called by the transports, from any thread, after each remote command."""
        for listener in self.listeners:
            listener(event)


@contextmanager
def opened(choice: Choice, flags: RunFlags, planned: bool = True) -> Iterator[Session]:
    """A session over the chosen inventory. Every mistake of the input is raised before the first connection."""
    path, loaded = load_inventory(choice)
    plan = _plan(loaded) if planned else None
    wired = _boot_lab(loaded)
    if plan and wired is not loaded:
        plan = _plan(wired)  # simulated hosts have their addresses only now
    session = Session(path, wired, plan, None)  # type: ignore[arg-type]
    session.wires = _fleet(session, flags)
    try:
        yield session
    finally:
        session.wires.close()


def rewired(session: Session, flags: RunFlags, inventory: Inventory) -> None:
    """Work with other hosts from here on; the plan stays."""
    session.wires.close()
    session.inventory = inventory
    session.wires = _fleet(session, flags)


def _plan(inventory: Inventory) -> Plan:
    from qcluster.serving import make_plan

    return make_plan(inventory)


def _boot_lab(inventory: Inventory) -> Inventory:
    """The simulated hosts, where the inventory has any; the lab's code is imported only then."""
    if not any(host.variables.get("ansible_connection") == "lab" for host in inventory.hosts.values()):
        return inventory
    from qcluster.cli.lab import ensure_lab

    return ensure_lab(inventory)


def plan_facts(session: Session) -> dict[str, dict[str, Any]]:
    """Every host sees the unbound plan as `qcluster_plan` and its own part as `qcluster_instances`."""
    if session.plan is None:
        return {}
    from qcluster.serving.plan import as_json

    document = as_json(session.plan)
    own: dict[str, list[Any]] = {name: [] for name in session.inventory.hosts}
    for instance in document["instances"]:
        own[instance["host"]].append(instance)
    return {name: {"qcluster_plan": document, "qcluster_instances": mine} for name, mine in own.items()}


def _fleet(session: Session, flags: RunFlags) -> Fleet:
    from qcluster.inventory.ways import way
    from qcluster.secret import Secret
    from qcluster.templating import Templar
    from qcluster.transport.fleet import Fleet
    from qcluster.transport.settings import Settings

    asked = _become_password() if flags.ask_become_pass else ""
    session.mask.learn(asked)
    extra = {"ansible_become_password": Secret(asked)} if asked else {}
    settings = {}
    for name, host in session.inventory.hosts.items():
        variables = {**host.variables, "inventory_hostname": name, **flags.extra_vars, **extra}
        templar = Templar(variables)
        connection = {key: templar.render(variables[key]) for key in variables if key.startswith("ansible_")}
        settings[name] = Settings.from_variables(name, {**connection, "inventory_hostname": name})
        session.ways[name] = way(connection)
    return Fleet(settings, session.on_command)


def _become_password() -> str:
    """What the operator types. Raises InputError where there is nobody to ask."""
    try:
        return str(click.prompt("BECOME password", hide_input=True, err=True))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        words = "--ask-become-pass: no terminal to ask at, and no password on standard input"
        raise InputError(f"{words}; set ansible_become_password (from a vault), or let sudo ask for none") from None


def _step_answer(question: str) -> str:
    """Of `--step`. Raises InputError where there is nobody to ask."""
    try:
        return str(click.prompt(question, "n", prompt_suffix="", show_default=False, err=True))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise InputError("--step: no terminal to ask at, and no more answers on standard input") from None


def load_playbook(playbook: Path, vault: Vault) -> Playbook:
    """The playbook and its roles; what is encrypted in them opens with the inventory's password."""
    from qcluster import engine
    from qcluster.cli.shipped import roots

    return engine.load(playbook, search=roots(Path.cwd()), read=vault.load)


def read_ahead(session: Session, playbook: Path, flags: RunFlags) -> None:
    """Read a playbook that is about to be run, once: half a second that can pass while hosts are asked."""
    if playbook not in session.books:
        session.books[playbook] = load_playbook(playbook, vault_of(flags.vault_password_file, session.mask.learn))


def run_playbook(session: Session, verb: str, playbook: Path, flags: RunFlags, **options: Any) -> int:
    """Run one playbook with the operator's flags; reporters and journal listen. Returns the exit code.

    `options` are further fields of `RunOptions` (`extra_vars` are merged under the operator's).
    """
    from qcluster import engine
    from qcluster.cli.host_journal import noted

    session.mask.learn(*secrets_known(session.inventory, flags.extra_vars))
    read_ahead(session, playbook, flags)
    book = session.books.pop(playbook)
    journal = None if flags.check else journal_of(verb)
    asked = run_options(session, verb, playbook, flags, **options)
    told = Told(lived())
    with noted(session, verb, flags.check), reporting(session, verb, flags, journal, told) as emit, stoppable():
        code = engine.run(book, session.inventory, session.wires, asked, emit)
    session.unreachable.update(told.unreachable)
    if code == UNREAD:
        return code
    if flags.check and verb != "run":
        click.echo("check mode: nothing was changed", err=True)
    for line in (*interrupted(verb, code), *unchosen(told, flags.tags, flags.skip_tags, code)):
        click.echo(line, err=True)
    if session.plan and not flags.check and flags.output == "human" and not (flags.limit and verb != "down"):
        for line in last_words(session.plan, verb, told, session.path, code):
            click.echo(line, err=bool(code))
    return code


def run_options(session: Session, verb: str, playbook: Path, flags: RunFlags, **more: Any) -> RunOptions:
    """The engine's view of the flags."""
    from qcluster.cli.rerun import failed_before
    from qcluster.engine import RunOptions

    limit = flags.limit
    if flags.rerun_failed:
        limit = failed_before(RUNS, str(playbook), str(session.path), limit)
    extra = {**more.pop("extra_vars", {}), **flags.extra_vars}
    return RunOptions(
        verb=verb,
        target=str(playbook),
        limit=limit,
        tags=flags.tags,
        skip_tags=flags.skip_tags,
        check=flags.check,
        diff=flags.diff,
        extra_vars=extra,
        forks=flags.forks,
        start_at_task=flags.start_at_task,
        step=flags.step,
        verbosity=flags.verbosity,
        facts=plan_facts(session),
        deployment=session.plan.deployment if session.plan else "default",
        ask=_step_answer,
        **more,
    )
