"""A text file of the host with some of it changed: shared by lineinfile, blockinfile and replace."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from qcluster.errors import TaskFailed
from qcluster.facts.fact import Fact
from qcluster.facts.files import Look, look
from qcluster.modules import content
from qcluster.modules.base import Call, Decision
from qcluster.modules.content import Page
from qcluster.modules.copy import folder_step

NO_FILE, A_FOLDER = 257, 256
"""What Ansible registers as `rc` where there is no file to edit."""
_MOVED = "ownership, perms or SE linux context changed"


class NotEditable(TaskFailed):
    """There is no file to edit; `rc` says why, as Ansible does."""

    def __init__(self, what: str, rc: int):
        self.rc = rc
        super().__init__(what)

    @property
    def decision(self) -> Decision:
        return Decision(failed=str(self), values={"rc": self.rc})


def fact(call: Call) -> Fact[Look]:
    owner, group = call.args["owner"] or "", call.args["group"] or ""
    return look(call.args["path"], content=True, owner=owner, group=group)


def text(seen: Look, missing: str = "") -> bytes:
    """The file's bytes; nothing of one that is missing, unless `missing` says that this is a failure."""
    if seen.file.is_directory:
        raise NotEditable(f"Path {seen.file.path} is a directory !", A_FOLDER)
    if missing and not seen.file.exists:
        raise NotEditable(missing, NO_FILE)
    return seen.file.content or b""


def edited(call: Call, seen: Look, data: bytes, said: Mapping[str, Any], secret: bool = False) -> Decision:
    """Write `data` through links, kept and checked as the task says; `said` is registered, with its `msg` completed."""
    page = Page(seen.file.path, data, {**call.args, "follow": True}, seen.file, seen, secret)
    folder = () if seen.file.has_parent else folder_step(call, posixpath.dirname(seen.file.path))
    writing = content.before(content.write(page, call.check), *folder)
    values = dict(said)
    if writing.moved and (seen.file.exists or not call.check):
        values["msg"] = " and ".join(filter(None, (said["msg"], _MOVED)))
    diffs = content.difference(page) if call.diff else ()
    return Decision(writing.steps, values=values, diffs=diffs, finish=writing.finish)
