"""One operator at a time: a lock in every host's state folder, taken in sorted host order. Source: issue 6, Safety.

The lock says who, from where, what and since when. It is stale when its holder's process is gone on this very
controller; of another controller's nothing can be known, so breaking it takes an explicit word.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from qcluster.command import sh
from qcluster.errors import UnreachableError
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.transport.base import Transport

TAKE = r"""
dir=$1 mine=$2 stale=$3
umask 077
mkdir -p "$dir" || exit 73
[ "$stale" = break ] && rm -rf "$dir/lock"
if [ -d "$dir/lock" ] && [ ! -s "$dir/lock/owner" ]; then # its taker is just writing, or died before it could
  sleep 1
  [ -s "$dir/lock/owner" ] || rm -rf "$dir/lock"
fi
if mkdir "$dir/lock" 2>/dev/null; then
  printf '%s\n' "$mine" >"$dir/lock/owner" || { rm -rf "$dir/lock"; exit 74; }
  printf '%s begins: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$mine" >>"$dir/journal" || :
elif [ "$(cat "$dir/lock/owner" 2>/dev/null)" != "$mine" ]; then
  cat "$dir/lock/owner" 2>/dev/null
  exit 75
fi
"""

RELEASE = """\
case $1 in "<fact:home>"*) set -- "$HOME${1#"<fact:home>"}" "$2" ;; esac
[ "$(cat "$1/lock/owner" 2>/dev/null)" = "$2" ] && rm -rf "$1/lock"
exit 0
"""

HELD = 75


class DeploymentLock:
    spec = Spec(
        {
            "state": Option("str", default="taken", choices=("taken", "released")),
            "what": Option("str", default="up", help="What the holder is doing."),
            "break_lock": Option("bool", default=False, help="Take it even if somebody else holds it."),
        },
        help="Take or release the deployment's lock on all hosts of the play (run_once).",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        hosts = sorted(reach.play_hosts)
        folders = {host: folder for host in hosts if (folder := state_dir(reach.variables_of(host)))}
        mine = owner(str(call.args["what"]))
        if call.args["state"] == "released":
            release(reach.fleet, folders, mine)
            return Report()
        return take(reach.fleet, folders, mine, bool(call.args["break_lock"]))


def state_dir(variables: Mapping[str, Any]) -> str:
    """The deployment's folder on a host that has a part in the bound plan; empty for others."""
    return str((variables.get("qcluster_host") or {}).get("state_dir", ""))


def owner(what: str) -> str:
    """This process, as one line of JSON. The same for every call of one run."""
    began = _began(os.getpid())
    who = {"who": getpass.getuser(), "where": platform.node(), "pid": os.getpid(), "began": began, "what": what}
    return json.dumps({**who, "since": _since()}, sort_keys=True)


@cache
def _since() -> str:
    """When this process first wanted the lock: the same words for as long as it lives."""
    return time.strftime("%Y-%m-%d %H:%M %z")


def take(fleet: Mapping[str, Transport], folders: Mapping[str, str], mine: str, force: bool) -> Report:
    """In the order of `folders`; all are released where one is held."""
    taken: dict[str, str] = {}
    for host, folder in folders.items():
        held = _take_one(fleet[host], folder, mine, force)
        if held:
            release(fleet, taken, mine)
            return Report(failed=f"{host}: {held}")
        taken[host] = folder
    return Report(values={"hosts": list(taken)})


def _take_one(transport: Transport, folder: str, mine: str, force: bool) -> str:
    outcome = transport.run(sh(TAKE, folder, mine, "break" if force else "keep", timeout=30))
    if outcome.exit == HELD and stale(outcome.out):
        outcome = transport.run(sh(TAKE, folder, mine, "break", timeout=30))
    if outcome.ok:
        return ""
    if outcome.exit == HELD:
        return _sentence(outcome.out)
    why = " ".join(outcome.err.split()) or f"exit {outcome.exit}"
    return f"no lock could be written in {folder} ({why}): room and rights there? df -h {folder}; ls -ld {folder}"


def release(fleet: Mapping[str, Transport], folders: Mapping[str, str], mine: str) -> None:
    """Give back what `mine` holds; a host that cannot be reached keeps it, and the next run sees that it is stale."""

    def give_back(host: str) -> None:
        with suppress(UnreachableError):
            fleet[host].run(sh(RELEASE, folders[host], mine, timeout=30))

    with ThreadPoolExecutor(max_workers=max(1, min(64, len(folders)))) as pool:
        list(pool.map(give_back, folders))


def stale(text: str) -> bool:
    """Whether the holder was a process of this controller that is gone."""
    holder = _parsed(text)
    if holder.get("where") != platform.node():
        return False
    began = _began(int(holder.get("pid", 0)))
    return not began or began != holder.get("began")


def _sentence(text: str) -> str:
    holder = _parsed(text)
    who = f"{holder.get('who', 'somebody')}@{holder.get('where', '?')} (pid {holder.get('pid', '?')})"
    since = f" since {holder['since']}" if holder.get("since") else ""
    what = f"locked by {who}, who runs `{holder.get('what', '?')}`{since}"
    return f"{what}; if that run is dead: -e qcluster_break_lock=true"


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _began(pid: int) -> str:
    """The start time of a process of this machine, in clock ticks since boot; empty when it is gone.

    One that was killed and that its parent has not looked at yet (a zombie) is gone. Fields: proc_pid_stat(5).
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else fields[18]
    except (OSError, ValueError, IndexError):
        return ""


deployment_lock = DeploymentLock()
