"""copy of a whole folder from the controller: what to look at, and what to send."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcluster.command import Command, Step, sh
from qcluster.facts.fact import Fact
from qcluster.facts.files import File, Look, look
from qcluster.modules import attributes, content
from qcluster.modules.base import Call, Decision
from qcluster.modules.content import Page
from qcluster.modules.file import MAKE_FOLDER
from qcluster.result import Diff, Outcome


@dataclass(frozen=True)
class Entry:
    """One thing below the source: `kind` is folder, file or link."""

    source: Path
    dest: str
    kind: str


def entries(source: Path, dest: str, whole: bool, follow: bool) -> Iterator[Entry]:
    """Folders before what is in them. `whole`: the folder itself, not only what it holds."""
    top = posixpath.join(dest, source.name) if whole else dest
    yield Entry(source, top, "folder")
    for root, folders, files in os.walk(source, followlinks=follow):
        base = posixpath.join(top, Path(root).relative_to(source).as_posix())
        for name in sorted([*folders, *files]):
            path = Path(root) / name
            kind = "link" if path.is_symlink() and not follow else "folder" if path.is_dir() else "file"
            yield Entry(path, posixpath.normpath(posixpath.join(base, name)), kind)


def _entries(call: Call, source: Path) -> list[Entry]:
    whole = not call.args["src"].endswith("/")
    return list(entries(source, call.args["dest"].rstrip("/") or "/", whole, call.args["local_follow"]))


def probe(call: Call, source: Path) -> Command:
    return _fact(call, _entries(call, source)).command


def _fact(call: Call, found: list[Entry]) -> Fact[Look]:
    owner, group = call.args["owner"] or "", call.args["group"] or ""
    return look(*(entry.dest for entry in found), content=call.diff, owner=owner, group=group)


def decide(call: Call, source: Path, found: Outcome) -> Decision:
    every = _entries(call, source)
    seen = _fact(call, every).parse(found)
    steps: list[Step] = []
    diffs: list[Diff] = []
    values: list[dict[str, Any]] = []
    for entry, file in zip(every, seen.files, strict=True):
        if entry.kind == "file":
            if file.exists and not call.args["force"]:
                continue
            page = Page(file.path, entry.source.read_bytes(), _args(call, entry), file, seen)
            writing = content.write(page, call.check)
            steps += writing.steps
            diffs += content.difference(page) if call.diff else ()
            values.append(dict(writing.values))
        else:
            steps += _folder(call, file, seen) if entry.kind == "folder" else _link(entry, file)
    dest = posixpath.join(call.args["dest"], "")
    summary = values[0] if len(values) == 1 else {"dest": dest, "src": call.args["src"]}
    return Decision(tuple(steps), bool(steps), summary, diffs=tuple(diffs))


def _args(call: Call, entry: Entry) -> dict[str, Any]:
    mode = entry.source.stat().st_mode & 0o7777 if call.args["mode"] == "preserve" else call.args["mode"]
    return {**call.args, "mode": mode, "follow": False}


def _folder(call: Call, file: File, seen: Look) -> tuple[Step, ...]:
    args = {**call.args, "mode": call.args["directory_mode"]}
    if not file.exists:
        base = attributes.fresh(seen, directory=True)
        after = attributes.wanted(args, base, seen, directory=True)
        mode = "" if args["mode"] is None else f"{after.mode:04o}"
        return (sh(MAKE_FOLDER, file.path, attributes.ownership(base, after), mode),)
    base = attributes.present(file.followed or file)
    return attributes.steps(attributes.Change(file.path, base, attributes.wanted(args, base, seen, directory=True)))


def _link(entry: Entry, file: File) -> tuple[Step, ...]:
    target = str(entry.source.readlink())
    return () if file.is_link and file.target == target else (Command(("ln", "-sfn", "--", target, file.path)),)
