"""replace: every match of an expression in a text file by something else."""

from __future__ import annotations

import re
from typing import Any

from qcluster.command import Command
from qcluster.modules import content
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.convert import plain
from qcluster.modules.edited import NotEditable, edited, fact, text
from qcluster.result import Outcome
from qcluster.secret import Secret


class Replace:
    """Ansible's `replace`; expressions are Python's, `^` and `$` match at every line."""

    spec = Spec(
        {
            "path": Option("path", required=True, aliases=("dest", "destfile", "name")),
            "regexp": Option(required=True),
            "replace": Option(default="", no_log=True, help="May name groups; may be a secret."),
            "after": Option(help="Only what follows this."),
            "before": Option(help="Only what precedes this."),
            "encoding": Option(default="utf-8"),
            **content.OPTIONS,
        },
        help="Replace every match in a text file.",
    )

    def probe(self, call: Call) -> Command:
        return fact(call).command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        seen, args = fact(call).parse(found), call.args
        try:
            data = text(seen, f"Path {seen.file.path} does not exist !")
            before = data.decode(args["encoding"])
            after, msg = _replaced(before, args)
        except NotEditable as error:
            return error.decision
        except (re.error, UnicodeDecodeError) as error:
            return Decision(failed=f"Unable to process replace due to error: {error}")
        if after is None:
            return Decision(values={"msg": msg, "rc": 0})
        return edited(
            call, seen, after.encode(args["encoding"]), {"msg": msg, "rc": 0}, isinstance(args["replace"], Secret)
        )


def _replaced(before: str, args: Any) -> tuple[str | None, str]:
    """The new text and the message; None where the section was not found."""
    first, last = _section(before, args)
    if first < 0:
        return None, f"Pattern for before/after params did not match the given file: {_pattern(args)}"
    section, count = re.compile(args["regexp"], re.MULTILINE).subn(plain(args["replace"]), before[first:last])
    changed = section != before[first:last]
    return before[:first] + section + before[last:], f"{count} replacements made" if changed else ""


def _pattern(args: Any) -> str:
    if args["after"] and args["before"]:
        return f"{args['after']}(?P<subsection>.*?){args['before']}"
    return f"{args['after'] or ''}(?P<subsection>.*){args['before'] or ''}"


def _section(before: str, args: Any) -> tuple[int, int]:
    if not args["after"] and not args["before"]:
        return 0, len(before)
    match = re.search(_pattern(args), before, re.DOTALL)
    return match.span("subsection") if match else (-1, -1)


replace = Replace()
