"""blockinfile: some lines between two markers in a text file, or not in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from qcluster.command import Command
from qcluster.modules import content
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.convert import plain
from qcluster.modules.edited import NotEditable, edited, fact, text
from qcluster.result import Outcome
from qcluster.secret import Secret


class BlockInFile:
    """Ansible's `blockinfile`."""

    spec = Spec(
        {
            "path": Option("path", required=True, aliases=("dest", "destfile", "name")),
            "state": Option(default="present", choices=("absent", "present")),
            "block": Option(default="", aliases=("content",), no_log=True, help="The lines; may be a secret."),
            "marker": Option(default="# {mark} ANSIBLE MANAGED BLOCK"),
            "marker_begin": Option(default="BEGIN"),
            "marker_end": Option(default="END"),
            "insertafter": Option(help="An expression or EOF."),
            "insertbefore": Option(help="An expression or BOF."),
            "create": Option("bool", default=False),
            "append_newline": Option("bool", default=False),
            "prepend_newline": Option("bool", default=False),
            **content.OPTIONS,
        },
        mutually_exclusive=(("insertbefore", "insertafter"),),
        help="Have a block of lines in a text file, or not.",
    )

    def probe(self, call: Call) -> Command:
        return fact(call).command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        seen, args = fact(call).parse(found), call.args
        if args["state"] == "absent" and not seen.file.exists:
            return Decision(values={"msg": f"File {seen.file.path} not present"})
        try:
            before = text(seen, "" if args["create"] else f"Path {seen.file.path} does not exist !")
            after = _with_block(before, _Block.of(args))
        except NotEditable as error:
            return error.decision
        except re.error as error:
            return Decision(failed=f"not a regular expression: {error}")
        msg = _message(seen.file.exists, before == after, _Block.of(args))
        return edited(call, seen, after, {"msg": msg}, isinstance(args["block"], Secret))


@dataclass(frozen=True)
class _Block:
    """`lines` is empty where nothing shall be between the markers, and then they are not there either."""

    lines: tuple[bytes, ...]
    begin: bytes
    end: bytes
    args: Any

    @classmethod
    def of(cls, args: Any) -> _Block:
        begin, end = (
            f"{args['marker'].replace('{mark}', args[name])}\n".encode() for name in ("marker_begin", "marker_end")
        )
        block = plain(args["block"]).encode()
        if args["state"] == "absent" or not block:
            return cls((), begin, end, args)
        block = block if block.endswith(b"\n") else block + b"\n"
        return cls((begin, *block.splitlines(keepends=True), end), begin, end, args)


def _message(existed: bool, same: bool, block: _Block) -> str:
    if not existed:
        return "File created"
    if same:
        return ""
    return "Block inserted" if block.lines else "Block removed"


def _with_block(before: bytes, block: _Block) -> bytes:
    lines, at = _without(before.splitlines(keepends=True), block)
    if at > 0 and not lines[at - 1].endswith(b"\n"):
        lines[at - 1] += b"\n"
    present, new = block.args["state"] == "present", list(block.lines)
    if present and block.args["prepend_newline"] and at and lines[at - 1] != b"\n":
        new.insert(0, b"\n")
    if present and block.args["append_newline"] and at < len(lines) and lines[at] != b"\n":
        new.append(b"\n")
    return b"".join([*lines[:at], *new, *lines[at:]])


def _without(lines: list[bytes], block: _Block) -> tuple[list[bytes], int]:
    """The lines without the old block, and where the new one goes."""
    marks = [[at for at, line in enumerate(lines) if line == mark] for mark in (block.begin, block.end)]
    if all(marks):
        first, last = sorted(found[-1] for found in marks)
        return [*lines[:first], *lines[last + 1 :]], first
    return lines, _place(lines, block.args)


def _place(lines: list[bytes], args: Any) -> int:
    after, before = args["insertafter"], args["insertbefore"]
    anchor = after if after not in (None, "EOF") else before if before not in (None, "BOF") else None
    if anchor is not None:
        hits = [at for at, line in enumerate(lines) if re.search(anchor.encode(), line)]
        return len(lines) if not hits else hits[-1] + (after is not None)
    return 0 if before == "BOF" else len(lines)


blockinfile = BlockInFile()
