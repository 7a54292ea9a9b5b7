"""What a run did on a host, written down on that host too: who, when, which command, how it ended. Source: issue 5.

One line a command in the deployment's folder (`journal`; at 4 MB the older half becomes `journal.1`). That a run began
is written when it takes the lock, so that one that was killed shows as a beginning without commands; the controller's
own journal (`qcluster runs`) has everything, as it happens.
"""

from __future__ import annotations

import getpass
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from qcluster.command import Command
from qcluster.errors import UnreachableError
from qcluster.events import CommandRan
from qcluster.transport.base import Transport

AT_ONCE = 64
WIDTH = 400
"""Characters of a command line that are kept."""

APPEND = """\
case $1 in "<fact:home>"*) set -- "$HOME${1#"<fact:home>"}" ;; esac
[ -d "$1" ] || exit 0
umask 077
size=0
[ ! -e "$1/journal" ] || size=$(wc -c <"$1/journal")
[ "$size" -lt 4000000 ] || mv -f "$1/journal" "$1/journal.1"
cat >>"$1/journal"
"""


def write(
    fleet: Mapping[str, Transport], folders: Mapping[str, str], verb: str, ran: Mapping[str, Sequence[CommandRan]]
) -> None:
    """Append what `ran` on each host to the journal in its folder; a host without the folder has nothing to say."""
    who = f"{getpass.getuser()}@{platform.node()}"
    texts = {host: "".join(_lines(who, verb, ran[host])) for host in folders if ran.get(host)}
    if not texts:
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(texts))) as pool:
        list(pool.map(lambda host: _append(fleet[host], folders[host], texts[host]), texts))


def _lines(who: str, verb: str, ran: Iterable[CommandRan]) -> Iterable[str]:
    for one in ran:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.at))
        line = one.line.replace("\\", "\\\\").replace("\n", "\\n")
        short = line if len(line) <= WIDTH else f"{line[:WIDTH]}…"
        yield f"{when} {who} {verb} exit={one.exit} {one.elapsed:.2f}s {short}\n"


def _append(transport: Transport, folder: str, text: str) -> None:
    try:
        transport.run(Command(("sh", "-c", APPEND, "journal", folder), stdin=text.encode(), timeout=30))
    except UnreachableError:
        return
