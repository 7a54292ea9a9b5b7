"""command, shell and raw: run a program. `creates` and `removes` are asked first, in one probe."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from qcluster.command import Command, sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.script import EXPAND
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.convert import plain
from qcluster.result import Outcome

NO_FOLDER = (97, b"qcluster: no such folder\n")
_ENTER = f"""{EXPAND}
if [ -n "$1" ]; then
  expand "$1"; cd -- "$p" 2>/dev/null || {{ echo 'qcluster: no such folder' >&2; exit 97; }}
fi
shift
"""
IN_FOLDER = _ENTER + 'exec "$@"'
EXPANDED = f"""{_ENTER}
count=$#
while [ "$count" -gt 0 ]; do expand "$1"; shift; set -- "$@" "$p"; count=$((count - 1)); done
exec "$@"
"""
GLOB = f"""{_ENTER}
for pattern in "$@"; do
  expand "$pattern"; printf '%s\\0' "$p"
  (IFS=; set -- $p; [ -e "$1" ] || [ -L "$1" ]) && printf yes; printf '\\0'
done
printf 'end\\0'
"""

OPTIONS = {
    "cmd": Option(help="The command line."),
    "argv": Option("list", elements="str", help="The command as a list, nothing is split."),
    "chdir": Option("path", help="Change into this folder first."),
    "creates": Option("path", help="Do nothing where this path (or pattern) exists."),
    "removes": Option("path", help="Do nothing where this path (or pattern) does not exist."),
    "stdin": Option(no_log=True, help="What the command reads; may be a secret."),
    "stdin_add_newline": Option("bool", default=True),
    "strip_empty_ends": Option("bool", default=True, help="Strip line ends at the end of stdout and stderr."),
    "executable": Option("path", help="The shell to use."),
    "expand_argument_vars": Option("bool", default=True, help="Resolve ~ and $NAME in the arguments, on the host."),
}


def _spec(*names: str, text: str) -> Spec:
    options = {name: OPTIONS[name] for name in names}
    one = tuple(name for name in ("cmd", "argv") if name in options)
    return Spec(options, free_form="cmd", required_one_of=(one,), mutually_exclusive=(one,), help=text)


@dataclass(frozen=True)
class Run:
    """A module that runs one program. `words` gives what is registered as `cmd`; `clock` is the controller's."""

    spec: Spec
    build: Callable[[Mapping[str, Any]], Command]
    words: Callable[[Mapping[str, Any]], Any]
    clock: Callable[[], datetime] = field(default=datetime.now)

    def probe(self, call: Call) -> Command | None:
        patterns = [call.args[name] or "" for name in ("creates", "removes")]
        return sh(GLOB, call.args["chdir"] or "", *patterns) if any(patterns) else None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        told = {**_NOTHING_YET, "cmd": self.words(call.args)}
        if found is not None:
            if _no_folder(found):
                return Decision(failed="Unable to change directory before execution.", values=told)
            reason = reason_not_to_run(call.args, found)
            if reason:
                msg = f"{'Would' if call.check else 'Did'} not run command {reason[0]}"
                return Decision(changed=False, values=lines({**told, "rc": 0, "stdout": reason[1], "msg": msg}))
        if call.check:
            return _in_check_mode(told, asked=found is not None)
        return Decision((self.build(call.args),), True, told, finish=lambda outcomes: self._ran(call, outcomes[-1]))

    def _ran(self, call: Call, outcome: Outcome) -> dict[str, Any]:
        if _no_folder(outcome):
            return {"msg": "Unable to change directory before execution.", "changed": False}
        end = self.clock()
        delta = timedelta(seconds=outcome.elapsed)
        times = {"start": str(end - delta), "end": str(end), "delta": str(delta)}
        return {**ran(outcome, strip=call.args["strip_empty_ends"]), **times}


def ran(outcome: Outcome, strip: bool = False) -> dict[str, Any]:
    """rc, both streams and their lines, as Ansible registers them; `msg` where it failed."""
    out, err = (text.rstrip("\r\n") if strip else text for text in (outcome.out, outcome.err))
    failed = {} if outcome.ok else {"msg": "non-zero return code"}
    return lines({"rc": outcome.exit, "stdout": out, "stderr": err, **failed})


def lines(values: Mapping[str, Any]) -> dict[str, Any]:
    """With `stdout_lines` and `stderr_lines` beside the streams."""
    return {**values, **{f"{name}_lines": values[name].splitlines() for name in ("stdout", "stderr") if name in values}}


_NOTHING_YET = lines({"rc": None, "stdout": "", "stderr": "", "start": None, "end": None, "delta": None, "msg": ""})


def reason_not_to_run(args: Mapping[str, Any], found: Outcome) -> tuple[str, str] | None:
    """Why `creates` or `removes` keep the command from running: for `msg`, and for `stdout`."""
    created, created_there, removed, removed_there, *end = found.out.split("\0")
    if end != ["end", ""]:
        raise UnreadableOutput("creates and removes cannot be looked at", found.err or found.out)
    if args.get("creates") and created_there:
        return f"since '{created}' exists", f"skipped, since {created} exists"
    if args.get("removes") and not removed_there:
        return f"since '{removed}' does not exist", f"skipped, since {removed} does not exist"
    return None


def _in_check_mode(told: Mapping[str, Any], asked: bool) -> Decision:
    msg = "Command would have run if not in check mode"
    values = {**told, "rc": 0, "msg": msg}
    return Decision(changed=True, values=values) if asked else Decision(changed=False, values=values, skipped=msg)


def _no_folder(outcome: Outcome) -> bool:
    return (outcome.exit, outcome.stderr) == NO_FOLDER


def _argv(args: Mapping[str, Any]) -> list[str]:
    return args["argv"] or shlex.split(args["cmd"])


def _stdin(args: Mapping[str, Any]) -> bytes:
    if args["stdin"] is None:
        return b""
    end = "\n" if args["stdin_add_newline"] else ""
    return f"{plain(args['stdin'])}{end}".encode()


def _program(args: Mapping[str, Any]) -> Command:
    argv = _argv(args)
    expanded = args["expand_argument_vars"] and any("$" in word or word.startswith("~") for word in argv)
    if args["chdir"] or expanded:
        argv = ["sh", "-c", EXPANDED if expanded else IN_FOLDER, "sh", args["chdir"] or "", *argv]
    return Command(tuple(argv), stdin=_stdin(args))


def _in_a_shell(args: Mapping[str, Any]) -> Command:
    argv = [args["executable"] or "/bin/sh", "-c", args["cmd"]]
    if args["chdir"]:
        argv = ["sh", "-c", IN_FOLDER, "sh", args["chdir"], *argv]
    return Command(tuple(argv), stdin=_stdin(args))


class Raw:
    """A text for a shell of the host, as it is; nothing is asked first."""

    spec = Spec(
        {"cmd": Option(required=True), "executable": OPTIONS["executable"]},
        free_form="cmd",
        help="Run a text in a shell.",
    )

    def probe(self, call: Call) -> Command | None:
        return None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        if call.check:
            return Decision(skipped="raw does not run in check mode")
        command = Command((call.args["executable"] or "/bin/sh", "-c", call.args["cmd"]))
        return Decision((command,), True, finish=lambda outcomes: ran(outcomes[-1]))


_SHARED = ("cmd", "chdir", "creates", "removes", "stdin", "stdin_add_newline", "strip_empty_ends", "executable")
command = Run(_spec(*_SHARED, "argv", "expand_argument_vars", text="Run a program, without a shell."), _program, _argv)
shell = Run(_spec(*_SHARED, text="Run a text in /bin/sh."), _in_a_shell, lambda args: args["cmd"])
raw = Raw()
