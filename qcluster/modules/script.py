"""script: run a script of the controller on the host. It travels over stdin and leaves nothing behind."""

from __future__ import annotations

import io
import shlex

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.command import GLOB, OPTIONS, ran, reason_not_to_run
from qcluster.result import Outcome

CARRY = r"""
folder=$1 name=$2 with=$3 rest=$4
place=$(mktemp -d) || exit
trap 'rm -rf -- "$place"' EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
cat >"$place/$name" && chmod 0700 "$place/$name" || exit
[ -z "$folder" ] || cd -- "$folder" || exit
# `rest` is the part of the task after the script's name: words for a shell, as Ansible has it.
if [ -n "$with" ]; then eval "$with \"\$place/\$name\" $rest" </dev/null
else eval "\"\$place/\$name\" $rest" </dev/null; fi
"""


class Script:
    """Ansible's `script`."""

    spec = Spec(
        {
            "cmd": Option(required=True, help="The script's path, and its arguments."),
            **{name: OPTIONS[name] for name in ("chdir", "creates", "removes", "executable")},
        },
        free_form="cmd",
        help="Run a script of the controller on the host.",
    )

    def probe(self, call: Call) -> Command | None:
        patterns = [call.args[name] or "" for name in ("creates", "removes")]
        return sh(GLOB, "", *patterns) if any(patterns) else None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        if call.args["chdir"] and not call.args["chdir"].startswith("/"):
            return Decision(failed=f"chdir {call.args['chdir']} must be an absolute path for a Unix-aware remote node")
        reason = _reason(call, found) if found else ""
        if reason:
            return Decision(skipped=reason)
        if call.check:
            return Decision(changed=True) if found else Decision(skipped="Check mode is not supported for this task.")
        return Decision((_command(call),), True, finish=lambda outcomes: ran(outcomes[-1]))


def _reason(call: Call, found: Outcome) -> str:
    if not reason_not_to_run(call.args, found):
        return ""
    created, there, removed, *_ = found.out.split("\0")
    if call.args["creates"] and there:
        return f"{created} exists, matching creates option"
    return f"{removed} does not exist, matching removes option"


def _command(call: Call) -> Command:
    name, rest = first_word(call.args["cmd"])
    source = call.find("files", name)
    if not source.is_file():
        raise TaskFailed(f"could not find or access {name!r} on the controller")
    args = (call.args["chdir"] or "", source.name, call.args["executable"] or "", rest)
    return Command(("sh", "-c", CARRY, "sh", *args), stdin=source.read_bytes())


def first_word(text: str) -> tuple[str, str]:
    """The script's name without its quotes, and the rest of the line as it is written."""
    stream = io.StringIO(text)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    name = lexer.get_token() or ""
    return name, stream.read().strip()


script = Script()
