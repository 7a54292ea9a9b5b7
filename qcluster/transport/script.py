"""The text that is sent to a host: privileges, files. Everything here is pure."""

from __future__ import annotations

import shlex
import signal
from pathlib import PurePosixPath

from qcluster.command import Become, Command, Put, render, sh
from qcluster.result import Outcome

LOCALE = "LC_ALL=C.UTF-8"


def shell_line(command: Command) -> str:
    """The line for a POSIX shell that runs `command`, through sudo where it says so."""
    line = render(command)
    return sudo_line(command.become, line) if command.become else line


def sudo_line(become: Become, line: str) -> str:
    return f"sudo {become.flags} -u {shlex.quote(become.user)} -- sh -c {shlex.quote(line)}"


_PUT = """
set -e
umask 077
target=$1 mode=$2 owner=$3
while [ -L "$target" ]; do
  link=$(readlink "$target")
  case $link in /*) target=$link ;; *) target=$(dirname "$target")/$link ;; esac
done
new=$(mktemp "$(dirname "$target")/.qcluster.XXXXXX")
trap 'rm -f "$new"' EXIT
cat > "$new"
[ -z "$owner" ] || chown "$owner" "$new"
chmod "$mode" "$new"
mv -f "$new" "$target"
trap - EXIT
"""


def put_command(put: Put) -> Command:
    """Write beside the target, then rename: the file is whole or absent. Links are followed, not replaced."""
    owner = f"{put.owner}:{put.group}" if put.group else put.owner
    argv = ("sh", "-c", _PUT, "put", put.path, f"{put.mode:04o}", owner)
    return Command(argv, stdin=put.data, become=put.become, secret=put.secret)


def read_command(path: str, become: Become | None) -> Command:
    """Read a whole file; exit 3 is "no such file", 4 is "not allowed", 5 is "not a file"."""
    script = '[ -e "$1" ] || exit 3; [ -f "$1" ] || exit 5; [ -r "$1" ] || exit 4; exec cat -- "$1"'
    return Command(("sh", "-c", script, "get", path), become=become)


def reading(path: str, outcome: Outcome) -> bytes:
    """The file's bytes, or the error that says why there are none."""
    if outcome.ok:
        return outcome.stdout
    kind = {3: FileNotFoundError, 4: PermissionError, 5: IsADirectoryError}.get(outcome.exit, OSError)
    raise kind(f"{path}: {outcome.err.strip()}" if outcome.err else path)


def signal_name(number: int) -> str:
    """`KILL` for 9, as SSH spells it."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)


def parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


__all__ = ["put_command", "read_command", "reading", "sh", "shell_line", "signal_name", "sudo_line"]
