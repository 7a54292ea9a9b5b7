"""What a run does on a host, written down on that host too: who, when, which command, how it ended. Source: issue 6.

One line a command in the deployment's folder (`journal`; at 4 MB the older half becomes `journal.1`), written every two
seconds, so that of a run that was killed the host lacks the last moments alone. The controller's own journal
(`qcluster runs`) has everything, as it happens.
"""

from __future__ import annotations

import getpass
import platform
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from qcluster.command import Command
from qcluster.errors import UnreachableError
from qcluster.events import CommandRan, Event
from qcluster.transport.base import Transport

if TYPE_CHECKING:
    from qcluster.cli.session import Session

AT_ONCE = 64
EVERY = 2.0
"""Seconds between two writes."""
PATIENCE = 10.0
"""Seconds that the end of a run waits for a write that goes on, such as one to a host that was just lost."""
WIDTH = 400
"""Characters of a command line that are kept."""

NO_FOLDER = 3
APPEND = """\
case $1 in "<fact:home>"*) set -- "$HOME${1#"<fact:home>"}" ;; esac
[ -d "$1" ] || exit 3
umask 077
size=0
[ ! -e "$1/journal" ] || size=$(wc -c <"$1/journal")
[ "$size" -lt 4000000 ] || mv -f "$1/journal" "$1/journal.1"
cat >>"$1/journal"
"""


@contextmanager
def noted(session: Session, verb: str, check: bool) -> Iterator[None]:
    """The next run of `session` is written down on the hosts of its plan; in check mode it is not."""
    if session.plan is None or check:
        yield
        return
    folders = {one.name: one.state_dir for one in session.plan.hosts if one.name not in session.unreachable}
    with HostJournal(session.wires.as_users(watched=False), folders, verb) as journal:
        session.watchers.append(journal)
        yield
        session.watchers.remove(journal)


class HostJournal:
    """Listens to a run and writes from a thread of its own. `fleet` must not tell of its commands: they are no news."""

    def __init__(self, fleet: Mapping[str, Transport], folders: Mapping[str, str], verb: str):
        self._fleet, self._folders, self._verb = fleet, folders, verb
        self._waiting: dict[str, list[CommandRan]] = {}
        self._lost: set[str] = set()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._go, name="journal on the hosts", daemon=True)

    def __call__(self, event: Event) -> None:
        if isinstance(event, CommandRan) and event.host in self._folders:
            with self._lock:
                self._waiting.setdefault(event.host, []).append(replace(event, script=""))

    def __enter__(self) -> HostJournal:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(PATIENCE)

    def _go(self) -> None:
        while not self._over.wait(EVERY):
            self._write()
        self._write()

    def _write(self) -> None:
        """What a host could not take yet, since the deployment's folder is not there, waits for the next time."""
        with self._lock:
            now, self._waiting = {host: ran for host, ran in self._waiting.items() if host not in self._lost}, {}
        if not now:
            return
        with ThreadPoolExecutor(min(AT_ONCE, len(now))) as pool:
            kept = list(pool.map(lambda host: self._append(host, now[host]), now))
        with self._lock:
            for host, taken in zip(now, kept, strict=True):
                if not taken:
                    self._waiting[host] = now[host] + self._waiting.get(host, [])

    def _append(self, host: str, ran: Sequence[CommandRan]) -> bool:
        text = "".join(_lines(f"{getpass.getuser()}@{platform.node()}", self._verb, ran))
        command = Command(("sh", "-c", APPEND, "journal", self._folders[host]), stdin=text.encode(), timeout=30)
        try:
            return self._fleet[host].run(command).exit != NO_FOLDER
        except UnreachableError:
            self._lost.add(host)
            return True


def _lines(who: str, verb: str, ran: Iterable[CommandRan]) -> Iterable[str]:
    for one in ran:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.at))
        line = one.line.replace("\\", "\\\\").replace("\n", "\\n")
        short = line if len(line) <= WIDTH else f"{line[:WIDTH]}…"
        yield f"{when} {who} {verb} exit={one.exit} {one.elapsed:.2f}s {short}\n"
