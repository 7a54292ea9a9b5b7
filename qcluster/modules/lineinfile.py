"""lineinfile: one line in a text file, or not in it. The new text is computed here and written whole."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from qcluster.command import Command
from qcluster.errors import TaskFailed
from qcluster.facts.files import Look
from qcluster.modules import content, lines
from qcluster.modules.base import Call, Decision, Option, Spec, Values
from qcluster.modules.convert import plain
from qcluster.modules.edited import NotEditable, edited, fact, text
from qcluster.result import Outcome
from qcluster.secret import Secret


class LineInFile:
    """Ansible's `lineinfile`; expressions are Python's."""

    spec = Spec(
        {
            "path": Option("path", required=True, aliases=("dest", "destfile", "name")),
            "state": Option(default="present", choices=("absent", "present")),
            "regexp": Option(aliases=("regex",), help="The line to replace or remove."),
            "search_string": Option(help="The same, as plain text."),
            "line": Option(aliases=("value",), no_log=True, help="The line; may be a secret."),
            "insertafter": Option(help="An expression, BOF or EOF."),
            "insertbefore": Option(help="An expression or BOF."),
            "backrefs": Option("bool", default=False, help="`line` may use groups of `regexp`."),
            "create": Option("bool", default=False),
            "firstmatch": Option("bool", default=False),
            **content.OPTIONS,
        },
        mutually_exclusive=(
            ("insertbefore", "insertafter"),
            ("regexp", "search_string"),
            ("backrefs", "search_string"),
        ),
        help="Have one line in a text file, or not.",
    )

    def probe(self, call: Call) -> Command:
        return fact(call).command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        seen = fact(call).parse(found)
        try:
            _refuse(call.args)
            return _absent(call, seen) if call.args["state"] == "absent" else _present(call, seen)
        except NotEditable as error:
            return error.decision
        except re.error as error:
            return Decision(failed=f"not a regular expression: {error}")


def _refuse(args: Any) -> None:
    if args["state"] == "absent":
        if all(args[name] is None for name in ("regexp", "search_string", "line")):
            raise TaskFailed("one of line, search_string, or regexp is required with state=absent")
    elif args["backrefs"] and args["regexp"] is None:
        raise TaskFailed("regexp is required with backrefs=true")
    elif args["line"] is None:
        raise TaskFailed("line is required with state=present")


def _present(call: Call, seen: Look) -> Decision:
    args = call.args
    if not args["insertbefore"] and not args["insertafter"]:
        args = {**args, "insertafter": "EOF"}
    before = text(seen, "" if args["create"] else f"Destination {seen.file.path} does not exist !")
    after, msg = lines.present(_lines(before), _wanted(args))
    return _edited(call, seen, after, {"msg": msg})


def _absent(call: Call, seen: Look) -> Decision:
    if not seen.file.exists:
        return Decision(values={"msg": "file not present"})
    after, count = lines.absent(_lines(text(seen)), _wanted(call.args))
    return _edited(call, seen, after, {"msg": f"{count} line(s) removed" if count else "", "found": count})


def _edited(call: Call, seen: Look, after: list[bytes], said: dict[str, Any]) -> Decision:
    """What others call `backup_file` is `backup` here, and always there."""
    decision = edited(call, seen, b"".join(after), {"backup": "", **said}, isinstance(call.args["line"], Secret))
    finish = decision.finish
    return replace(decision, finish=lambda outcomes: _renamed(finish(outcomes)) if finish else {})


def _renamed(values: Values) -> dict[str, Any]:
    return {"backup" if name == "backup_file" else name: value for name, value in values.items()}


def _lines(data: bytes) -> list[bytes]:
    """Lines end at \\n only, as Python's `readlines` has it."""
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


def _wanted(args: Any) -> lines.Wanted:
    texts = {name: args[name] for name in ("line", "regexp", "search_string", "insertafter", "insertbefore")}
    encoded = {name: plain(value).encode() for name, value in texts.items() if value is not None}
    return lines.Wanted(**encoded, backrefs=args["backrefs"], firstmatch=args["firstmatch"])


lineinfile = LineInFile()
