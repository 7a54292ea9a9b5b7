"""copy: a file, a folder or a text from the controller, or a file of the host itself, to a path on the host."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed
from qcluster.facts.fact import Fact
from qcluster.facts.files import Look, look
from qcluster.modules import attributes, content, copy_folder, copy_remote
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.content import Page
from qcluster.modules.convert import plain
from qcluster.modules.file import MAKE_FOLDER
from qcluster.result import Outcome
from qcluster.secret import Secret


class Copy:
    """Ansible's `copy`. What is equal is not sent."""

    spec = Spec(
        {
            "src": Option("path", help="A file or folder of the controller; with `remote_src` one of the host."),
            "content": Option("raw", no_log=True, help="A text; anything else is written as JSON."),
            "dest": Option("path", required=True),
            "force": Option("bool", default=True, help="Replace a file that differs."),
            "follow": Option("bool", default=False, help="Write through a link at `dest`."),
            "local_follow": Option("bool", default=True, help="Copy what links of the controller point to."),
            "remote_src": Option("bool", default=False),
            "directory_mode": Option("raw", help="Mode of folders that are made."),
            "checksum": Option(help="sha1 that the source must have."),
            **content.OPTIONS,
        },
        required_one_of=(("src", "content"),),
        mutually_exclusive=(("src", "content"),),
        help="Copy a file, a folder or a text to the host.",
    )

    def probe(self, call: Call) -> Command:
        if call.args["remote_src"]:
            return copy_remote.probe(call)
        source = source_of(call)
        if source and source.is_dir():
            return copy_folder.probe(call, source)
        return seen(call, source.name if source else "").command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        try:
            if call.args["remote_src"]:
                return copy_remote.decide(call, found)
            source = source_of(call)
            if source and source.is_dir():
                return copy_folder.decide(call, source, found)
            return one_file(call, source, found)
        except TaskFailed as error:
            return Decision(failed=str(error))


def source_of(call: Call) -> Path | None:
    if call.args.get("content") is not None:
        return None
    found = call.find("files", call.args["src"])
    if not found.exists():
        raise TaskFailed(f"could not find or access {call.args['src']!r} on the controller")
    return found


def seen(call: Call, name: str) -> Fact[Look]:
    """The fact about `dest` and `dest/name`."""
    dest = call.args["dest"]
    owner, group = call.args["owner"] or "", call.args["group"] or ""
    return look(dest, posixpath.join(dest, name), content=call.diff, owner=owner, group=group)


def one_file(call: Call, source: Path | None, found: Outcome) -> Decision:
    data = source.read_bytes() if source else text(call.args["content"])
    if call.args["checksum"] and call.args["checksum"] != content.sha1(data):
        raise TaskFailed("Copied file does not match the expected checksum. Transfer failed.")
    return page_at(call, data, source.name if source else "", found, preserved(call.args, source))


def page_at(call: Call, data: bytes, name: str, found: Outcome, args: Mapping[str, Any]) -> Decision:
    """Shared with `template`: one page at `dest`, or inside it where it is a folder."""
    seen_there = seen(call, name).parse(found)
    if not name and (seen_there.file.is_directory or call.args["dest"].endswith("/")):
        raise TaskFailed("can not use content with a dir as dest")
    path, file, missing = content.place(call.args["dest"], name, seen_there)
    if file.exists and not call.args["force"]:
        return Decision(values={"dest": path, "changed": False})
    page = Page(path, data, args, file, seen_there, isinstance(args.get("content"), Secret))
    writing = content.write(page, call.check)
    folder = folder_step(call, posixpath.dirname(path)) if missing else ()
    diffs = content.difference(page) if call.diff else ()
    return content.decided(content.before(writing, *folder), diffs=diffs, more={})


def folder_step(call: Call, folder: str) -> tuple[Command, ...]:
    mode = call.args.get("directory_mode")
    octal = "" if mode is None else f"{attributes.permissions(mode, 0o755, directory=True):04o}"
    return (sh(MAKE_FOLDER, folder, _owner(call.args), octal),)


def _owner(args: Mapping[str, Any]) -> str:
    owner, group = args["owner"] or "", args["group"] or ""
    return f"{owner}:{group}" if group else owner


def preserved(args: Mapping[str, Any], source: Path | None) -> Mapping[str, Any]:
    """With `mode: preserve` replaced by the source's own."""
    if args["mode"] != "preserve":
        return args
    return {**args, "mode": source.stat().st_mode & 0o7777 if source else None}


def text(value: Any) -> bytes:
    return (plain(value) if isinstance(value, (str, Secret)) else json.dumps(value)).encode()


copy = Copy()
