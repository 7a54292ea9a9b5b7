"""The text that is sent to a host. Everything here is pure."""

from __future__ import annotations

import re
import secrets
import shlex
import signal

from qcluster.command import Become, Command, Put, render
from qcluster.result import Outcome

INLINE_LIMIT = 48 * 1024
"""Bytes of stdin and command line that still travel through the persistent shell; more gets a channel of its own."""

LINGER = 0.3
"""Seconds of silence after a command's end, when a process that it left behind keeps the streams open."""

_OWN_IDENTITY = re.compile(r"\$\{?(\$|PPID|0)|\bkill\b")
"""A script that asks for its own process id or name needs a process of its own."""

_BACKGROUND = re.compile(r"(?<![&>|<\\])&(?![&>\d-])")
"""A `&` that may leave a process behind, whose late output must not reach another command."""


SHELL = "exec sh"

QUIET = "exec 3>&2 2>/dev/null"
"""The outer shell's own words ("Killed") are nobody's output: what it runs writes its stderr through 3."""


def apart(line: str) -> str:
    """`line` in a subshell, of which nothing stays behind in the shell."""
    return f"({line}) 2>&3 3>&-"


def marked(begin: str, line: str) -> str:
    """`line` under sh, preceded on both streams by `begin`: what comes before it is the login shell's chatter."""
    return f"export LC_ALL=C; printf {begin}; printf {begin} >&2; {line}"


def login_line(script: str, become: Become | None, prompt: str) -> str:
    """What the login shell is given, whichever shell that is: run `script` under sh, through sudo where asked."""
    if become is None:
        return _words("exec", "sh", "-c", script)
    return _words("exec", "sudo", *_sudo_flags(become, prompt), "-u", become.user, "--", "sh", "-c", script)


def _words(*words: str) -> str:
    return render(Command(words))


def local_line(command: Command) -> str:
    """The line for /bin/sh on the controller."""
    line = f"export LC_ALL=C; {QUIET}; {apart(render(command))}"
    return login_line(line, command.become, "") if command.become else line


def _sudo_flags(become: Become, prompt: str) -> list[str]:
    """The flags as given; with a password `-n` would refuse to ask, and the prompt must be one that we know."""
    flags = shlex.split(become.flags)
    if become.password is None:
        return flags
    kept = [flag for flag in flags if flag not in ("-n", "--non-interactive")]
    return [*kept, *(() if "-S" in kept else ("-S",)), "-p", prompt]


def mark_line(mark: str) -> str:
    """What the persistent shell prints when a command is over."""
    return f"\nprintf {mark}%d. $?; printf {mark} >&3\n"


def inline(command: Command) -> str | None:
    """`command` as text for a shell that reads its script from stdin; None where it needs a channel of its own."""
    if _leaves_something(command):
        return None
    stdin, text = command.stdin, _evaluated(command)
    if text is not None:
        stdin = b"" if command.argv[1] == "-s" else stdin
    else:
        text = apart(render(command))
        stdin += b"\n" if command.argv[:2] == ("sh", "-s") and stdin else b""
    source = _stdin(stdin)
    if source is None or len(text) + len(source) > INLINE_LIMIT:
        return None
    return text + source


def _leaves_something(command: Command) -> bool:
    script = command.stdin if command.argv[:2] == ("sh", "-s") else b""
    return any(_BACKGROUND.search(text) for text in (*command.argv, script.decode("utf-8", "replace")))


def _evaluated(command: Command) -> str | None:
    """A script runs in a subshell of the persistent shell: no new sh, half the time. None where it must not."""
    script, args = _script(command)
    if script is None or command.timeout is not None or command.env or _OWN_IDENTITY.search(script):
        return None
    enter = f"{_words('cd', command.cwd)} || exit\n" if command.cwd else ""
    return apart(f"{enter}{_words('set', '--', *args)}\n{_words('eval', script)}\n")


def _script(command: Command) -> tuple[str | None, tuple[str, ...]]:
    argv = command.argv
    if argv[:3] == ("sh", "-s", "--"):
        try:
            return command.stdin.decode(), argv[3:]
        except UnicodeDecodeError:
            return None, ()
    if argv[:2] == ("sh", "-c") and len(argv) > 2:
        return argv[2], argv[4:]
    return None, ()


def _stdin(data: bytes) -> str | None:
    """A redirection that delivers `data`; None where a here-document cannot."""
    if not data:
        return " </dev/null"
    if b"\0" in data or not data.endswith(b"\n") or len(data) > INLINE_LIMIT:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    end = f"END-{secrets.token_hex(8)}"
    return f" <<'{end}'\n{text}{end}"


_PUT = """set -e
target=$1 new=$2 mode=$3 owner=$4
while [ -L "$target" ]; do
  link=$(readlink "$target")
  case $link in /*) target=$link ;; *) target=${target%/*}/$link ;; esac
  new=${target%/*}/${new##*/}
done
umask 077
trap 'rm -f "$new"' EXIT
set -C
cat > "$new"
if [ -n "$owner" ]; then chown "$owner" "$new"
elif [ -e "$target" ] && { [ ! -O "$target" ] || [ ! -G "$target" ]; }; then chown --reference="$target" "$new" || :
fi
[ "$mode" = 0600 ] || chmod "$mode" "$new"
mv -f "$new" "$target"
trap - EXIT
"""


def put_command(put: Put) -> Command:
    """Write beside the target, then rename: the file is whole or absent.

    Links are followed, not replaced; without an owner an existing file keeps its own, as Ansible's copy does.
    """
    folder, _, name = _absolute(put.path).rpartition("/")
    target, new = f"{folder}/{name}", f"{folder}/.{name[:200]}.{secrets.token_hex(6)}"
    owner = f"{put.owner}:{put.group}" if put.group else put.owner
    argv = ("sh", "-c", _PUT, "put", target, new, f"{put.mode:04o}", owner)
    return Command(argv, stdin=put.data, become=put.become, secret=put.secret)


def _absolute(path: str) -> str:
    return path if "/" in path else f"./{path}"


_GET = '[ -e "$1" ] || exit 3; [ -f "$1" ] || exit 5; [ -r "$1" ] || exit 4; exec cat -- "$1"'


def read_command(path: str, become: Become | None) -> Command:
    """Read a whole file; exit 3 is "no such file", 4 is "not allowed", 5 is "not a file"."""
    return Command(("sh", "-c", _GET, "get", path), become=become)


def reading(path: str, outcome: Outcome) -> bytes:
    """The file's bytes, or the error that says why there are none."""
    if outcome.ok:
        return outcome.stdout
    kind = {3: FileNotFoundError, 4: PermissionError, 5: IsADirectoryError}.get(outcome.exit, OSError)
    raise kind(f"{path}: {outcome.err.strip()}" if outcome.err else path)


def signal_name(number: int) -> str:
    """`KILL` for 9, as SSH spells it; empty for what is no signal."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return ""


def signal_of(command: Command, code: int) -> str:
    """The signal behind a shell's exit code 128+n. `timeout` uses 137 for itself."""
    if code <= 128 or command.timeout is not None:
        return ""
    return signal_name(code - 128)
