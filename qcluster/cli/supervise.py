"""`qcluster supervise`: look again and again, and restart what died."""

from __future__ import annotations

import itertools
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from qcluster.cli.api_key import api_key_option, keyed
from qcluster.cli.locks import unlocking
from qcluster.cli.options import RunFlags, inventory_options, run_options
from qcluster.cli.session import Choice, Session, opened, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.cli.status import survey
from qcluster.diagnose.watchman import Watchman, news
from qcluster.errors import NotServing, was_interrupted
from qcluster.report.status import Row

UNIT = """\
[Unit]
Description=qcluster supervises {deployment}
After=network-online.target

[Service]
WorkingDirectory={folder}
ExecStart={command}
# the key of the service, where the inventory does not hold it: QCLUSTER_API_KEY=…, mode 0600
EnvironmentFile=-%h/.config/qcluster/{deployment}.env
Restart=always
RestartSec=30

[Install]
WantedBy=default.target
"""


@click.command()
@inventory_options
@click.option("--interval", type=click.FloatRange(min=1), default=15.0, help="Seconds between two looks [15].")
@click.option("--restarts", type=click.IntRange(min=1), default=5, help="Restarts of one instance an hour [5].")
@click.option("--looks", type=click.IntRange(min=1), default=None, help="Stop after so many looks.")
@click.option("--install", is_flag=True, help="Write a systemd user unit that does this, and stop.")
@api_key_option
@run_options
def supervise(
    inventory_path: str | None,
    inventory_option: str | None,
    interval: float,
    restarts: int,
    looks: int | None,
    install: bool,
    api_key: str,
    flags: RunFlags,
) -> int:
    """Restart what stops serving in the deployment of INVENTORY, with growing pauses and a limit. Ctrl-C ends it."""
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    if api_key:
        flags = replace(flags, extra_vars={**keyed(api_key), **flags.extra_vars})
    with opened(choice, flags) as session:
        if install:
            return _install(session, _words(interval, restarts, flags))
        return _watch(session, flags, Watchman(limit=restarts), interval, looks)


def _watch(session: Session, flags: RunFlags, watchman: Watchman, interval: float, looks: int | None) -> int:
    told: set[str] = set()
    known: dict[str, str] = {}
    assert session.plan
    _say(f"looking at {session.plan.deployment} every {interval:g} s")
    for count in itertools.count(1):
        rows = survey(session)
        sick = {row.instance: _why(row) for row in rows if _down(row)}
        for line in news(known, sick, [row.instance for row in rows if row.serves]):
            _say(line)
        wanted = watchman.look(sick, time.time())
        if wanted:
            _say(f"down: {', '.join(wanted)}")
            _heal(session, flags, [row for row in rows if row.instance in wanted])
            watchman.restarted(wanted, time.time())
        told |= _given_up(watchman, told)
        if count == looks:
            break
        time.sleep(interval)
    return _end(survey(session) if wanted else rows, watchman, told)


def _why(row: Row) -> str:
    """What the host knows of a process that does not serve."""
    return f"it runs on {row.host} but does not answer" if row.state == "running" else f"{row.state} on {row.host}"


def _given_up(watchman: Watchman, told: set[str]) -> set[str]:
    lost = set(watchman.given_up(time.time())) - told
    if lost:
        _say(f"given up: {', '.join(sorted(lost))} (see `qcluster doctor`)")
    return lost


def _end(rows: list[Row], watchman: Watchman, told: set[str]) -> int:
    """The exit code after the last look, and whom it is for."""
    sick = [row.instance for row in rows if _down(row)]
    for name in sick:
        _say(f"{name} still does not serve: {watchman.words(name)}")
    return NotServing.exit_code if told or sick else 0


def _say(line: str) -> None:
    click.echo(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}", err=True)


def _down(row: Row) -> bool:
    """An unreachable host is not a dead engine: nothing can be done, and nothing must be."""
    return row.state != "unreachable" and row.health == "down"


def _heal(session: Session, flags: RunFlags, rows: list[Row]) -> None:
    """First what died is started again, as `up` does; what lives and does not answer is restarted."""
    with unlocking(session, "up"):
        only = replace(flags, tags=("engine", "watch", "proxy"))
        _run(session, "up", only, {"qcluster_yes": False})
    still = {row.instance for row in survey(session) if _down(row) and row.role != "proxy"}
    names = [row.instance for row in rows if row.instance in still]
    if names:
        with unlocking(session, "restart"):
            _run(session, "restart", flags, {"restart_names": names})


def _run(session: Session, name: str, flags: RunFlags, extra: dict[str, object]) -> None:
    """One playbook. Whoever interrupts it means the supervisor."""
    code = run_playbook(session, "supervise", playbook(name, Path.cwd()), flags, extra_vars=extra)
    if was_interrupted(code):
        sys.exit(code)


def _words(interval: float, restarts: int, flags: RunFlags) -> list[str]:
    """The options that the unit gives on; a key is none of them: it belongs into the inventory, or the unit's own
    environment file."""
    words = ["--interval", f"{interval:g}", "--restarts", str(restarts)]
    return [
        *words,
        *(
            ["--vault-password-file", str(Path(flags.vault_password_file).resolve())]
            if flags.vault_password_file
            else []
        ),
    ]


def _install(session: Session, words: list[str]) -> int:
    assert session.plan is not None
    name = f"qcluster-{session.plan.deployment}.service"
    command = [sys.executable, "-m", "qcluster", "supervise", str(session.path.resolve()), *words]
    target = Path.home() / ".config" / "systemd" / "user" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    text = UNIT.format(
        deployment=session.plan.deployment, folder=Path.cwd(), command=shlex.join(command).replace("%", "%%")
    )
    target.write_text(text, encoding="utf-8")
    click.echo(f"{target}\nsystemctl --user daemon-reload && systemctl --user enable --now {name}")
    return 0
