"""lineinfile: one line in a text file, or not in it. The new text is computed here and written whole."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from qcluster.command import Command
from qcluster.errors import TaskFailed
from qcluster.facts.fact import Fact
from qcluster.facts.files import File, Look, look
from qcluster.modules import content, lines
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.content import Page
from qcluster.modules.convert import plain
from qcluster.modules.copy import folder_step
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
        return _fact(call).command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        seen = _fact(call).parse(found)
        try:
            _refuse(call, seen.file)
            return _absent(call, seen) if call.args["state"] == "absent" else _present(call, seen)
        except re.error as error:
            return Decision(failed=f"not a regular expression: {error}")
        except TaskFailed as error:
            return Decision(failed=str(error), values={"rc": 257} if not seen.file.exists else {})


def _fact(call: Call) -> Fact[Look]:
    owner, group = call.args["owner"] or "", call.args["group"] or ""
    return look(call.args["path"], content=True, owner=owner, group=group)


def _refuse(call: Call, file: File) -> None:
    args = call.args
    if file.is_directory:
        raise TaskFailed(f"Path {file.path} is a directory !")
    if args["state"] == "absent":
        if all(args[name] is None for name in ("regexp", "search_string", "line")):
            raise TaskFailed("one of line, search_string, or regexp is required with state=absent")
        return
    if args["backrefs"] and args["regexp"] is None:
        raise TaskFailed("regexp is required with backrefs=true")
    if args["line"] is None:
        raise TaskFailed("line is required with state=present")
    if not file.exists and not args["create"]:
        raise TaskFailed(f"Destination {file.path} does not exist !")


def _present(call: Call, seen: Look) -> Decision:
    args = call.args
    if not args["insertbefore"] and not args["insertafter"]:
        args = {**args, "insertafter": "EOF"}
    after, msg = lines.present(_lines(seen.file), _wanted(args))
    folder = () if seen.file.has_parent else folder_step(call, posixpath.dirname(seen.file.path))
    return _written(call, seen, after, {"msg": msg}, folder)


def _absent(call: Call, seen: Look) -> Decision:
    if not seen.file.exists:
        return Decision(values={"msg": "file not present"})
    after, count = lines.absent(_lines(seen.file), _wanted(call.args))
    return _written(call, seen, after, {"msg": f"{count} line(s) removed" if count else "", "found": count})


def _written(
    call: Call, seen: Look, after: list[bytes], said: dict[str, Any], folder: tuple[Command, ...] = ()
) -> Decision:
    """Links are written through, and the result names no attributes, as with Ansible."""
    secret = isinstance(call.args["line"], Secret)
    page = Page(seen.file.path, b"".join(after), {**call.args, "follow": True}, seen.file, seen, secret)
    writing = content.before(content.write(page, call.check), *folder)
    if writing.moved and seen.file.exists | (not call.check):
        said["msg"] = " and ".join(filter(None, (said["msg"], "ownership, perms or SE linux context changed")))
    diffs = content.difference(page) if call.diff else ()
    finish = writing.finish
    return Decision(
        writing.steps,
        values={"backup": "", **said},
        diffs=diffs,
        finish=lambda outcomes: _renamed(finish(outcomes) if finish else {}),
    )


def _renamed(values: Any) -> dict[str, Any]:
    """What `copy` calls `backup_file` is `backup` here."""
    return {"backup" if name == "backup_file" else name: value for name, value in values.items()}


def _lines(file: File) -> list[bytes]:
    """Lines end at \\n only, as Python's `readlines` has it."""
    return re.findall(rb"[^\n]*\n|[^\n]+", file.content or b"")


def _wanted(args: Any) -> lines.Wanted:
    texts = {name: args[name] for name in ("line", "regexp", "search_string", "insertafter", "insertbefore")}
    encoded = {name: plain(value).encode() for name, value in texts.items() if value is not None}
    return lines.Wanted(**encoded, backrefs=args["backrefs"], firstmatch=args["firstmatch"])


lineinfile = LineInFile()
