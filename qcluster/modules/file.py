"""file: a file, folder or link with its mode and owner, or nothing at all."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qcluster.command import Command, Step, sh
from qcluster.errors import TaskFailed
from qcluster.facts.fact import Fact
from qcluster.facts.files import File, Look, look
from qcluster.modules import attributes
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Diff, Outcome

MAKE_FOLDER = """
make() {
  [ -d "$1" ] && return
  case $1 in */*) [ -z "${1%/*}" ] || make "${1%/*}" || return ;; esac
  mkdir -- "$1" || return
  [ -z "$owner" ] || chown "$owner" -- "$1" || return
  [ -z "$mode" ] || chmod "$mode" -- "$1"
}
owner=$2 mode=$3
make "$1" && stat -c %s -- "$1"
"""
_TIMES = ("preserve", "now")


@dataclass(frozen=True)
class Wish:
    """One task on one path: what it asks for and what is there."""

    args: Mapping[str, Any]
    look: Look
    file: File
    check: bool

    @property
    def src(self) -> File:
        return self.look.files[-1]


@dataclass(frozen=True)
class Change:
    """Steps, what is registered beside the path, and the difference."""

    steps: tuple[Step, ...] = ()
    values: Mapping[str, Any] | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    finish: Callable[[Sequence[Outcome]], Mapping[str, Any]] | None = None


class FileModule:
    """Ansible's `file`."""

    spec = Spec(
        {
            "path": Option("path", required=True, aliases=("dest", "name")),
            "state": Option(choices=("absent", "directory", "file", "hard", "link", "touch")),
            "src": Option("path", help="What a link points to."),
            "recurse": Option("bool", default=False, help="Attributes of everything below, too."),
            "force": Option("bool", default=False, help="Make a link over a file, or to nothing."),
            "follow": Option("bool", default=True, help="Of a link, mean what it points to."),
            "modification_time": Option(choices=_TIMES),
            "access_time": Option(choices=_TIMES),
            **attributes.OPTIONS,
        },
        help="Files, folders and links, and their attributes.",
    )

    def probe(self, call: Call) -> Command:
        return _fact(call).command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        seen = _fact(call).parse(found)
        wish = Wish(call.args, seen, seen.file, call.check)
        state = _state(wish)
        try:
            _refuse(wish, state)
            change = _STATES[state](wish)
        except TaskFailed as error:
            return Decision(failed=str(error), values={"path": seen.file.path})
        return _decision(call, change, state)


def _fact(call: Call) -> Fact[Look]:
    path, src = _bare(call.args["path"]), call.args["src"] or ""
    if src and call.args["state"] == "link":
        src = posixpath.join(posixpath.dirname(path), src)
    owner, group = call.args["owner"] or "", call.args["group"] or ""
    below = call.args["recurse"] or call.args["state"] in ("absent", "link")
    return look(path, src, checksum="", owner=owner, group=group, below=below)


def _bare(path: str) -> str:
    return path.rstrip("/") or "/"


def _state(wish: Wish) -> str:
    if wish.args["state"]:
        return str(wish.args["state"])
    if wish.file.exists:
        return wish.file.state
    return "directory" if wish.args["recurse"] else "file"


def _refuse(wish: Wish, state: str) -> None:
    if wish.args["recurse"] and state != "directory":
        raise TaskFailed("recurse option requires state to be 'directory'")
    if wish.args["src"] and state not in ("link", "hard"):
        raise TaskFailed("src option requires state to be 'link' or 'hard'")


def _decision(call: Call, change: Change, state: str) -> Decision:
    values = dict(change.values or {})
    if change.before is not None:
        values["diff"] = {"before": change.before, "after": change.after}
    shown = (Diff(_shown(change.before), _shown(change.after)),) if call.diff and change.before != change.after else ()
    return Decision(change.steps, bool(change.steps), values, diffs=shown, finish=change.finish)


def _shown(part: Mapping[str, Any] | None) -> str:
    return json.dumps(part, indent=4, sort_keys=True) + "\n"


def _absent(wish: Wish) -> Change:
    file = wish.file
    values: dict[str, Any] = {"path": file.path, "state": "absent"}
    if not file.exists:
        return Change(values=values)
    before, after = _sides(file, "absent")
    if file.state == "directory":
        before["path_content"] = {
            "directories": [entry.path for entry in wish.look.below if entry.is_directory],
            "files": [entry.path for entry in wish.look.below if not entry.is_directory],
        }
    if wish.check:
        values |= attributes.values(attributes.present(file), file.state, file.size)
    return Change((Command(("rm", "-rf", "--", file.path)),), values, before, after)


def _file(wish: Wish) -> Change:
    file = _followed(wish)
    if file.state not in ("file", "hard"):
        raise TaskFailed(f"file ({file.path}) is {file.state}, cannot continue")
    return _settled(wish, file, "file")


def _touched(wish: Wish) -> Change:
    exists = wish.file.exists
    file = wish.file.followed or wish.file
    times = [wish.args[name] or "now" for name in ("modification_time", "access_time")]
    base = attributes.present(file) if exists else attributes.fresh(wish.look)
    after = attributes.wanted(wish.args, base, wish.look, file.is_directory)
    touch = _touch(wish.file.path, *times) if exists else _touch(wish.file.path, "now", "now")
    values: dict[str, Any] = {"dest": wish.file.path}
    if exists or not wish.check:
        values |= attributes.values(after, file.state if exists else "file", file.size)
    changed = attributes.steps(attributes.Change(file.path, base, after))
    return Change(attributes.together((*touch, *changed)), values, *_sides(wish.file, "touch"))


def _touch(path: str, modification: str, access: str) -> tuple[Command, ...]:
    which = {("now", "now"): (), ("now", "preserve"): ("-m",), ("preserve", "now"): ("-a",)}
    option = which.get((modification, access))
    return () if option is None else (Command(("touch", *option, "--", path)),)


def _directory(wish: Wish) -> Change:
    file = _followed(wish)
    if not file.exists:
        return _new_directory(wish, file)
    if file.state != "directory":
        raise TaskFailed(f"{file.path} already exists as a {file.state}")
    return _settled(wish, file, "directory")


def _new_directory(wish: Wish, file: File) -> Change:
    base = attributes.fresh(wish.look, directory=True)
    after = attributes.wanted(wish.args, base, wish.look, directory=True)
    mode = f"{after.mode:04o}" if wish.args["mode"] is not None else ""
    make = sh(MAKE_FOLDER, file.path, attributes.ownership(base, after), mode)
    # How large an empty folder is depends on the file system.
    made = {} if wish.check else attributes.values(after, "directory", 0)
    return Change((make,), {"path": file.path, **made}, *_sides(file, "directory"), finish=_size)


def _size(outcomes: Sequence[Outcome]) -> Mapping[str, Any]:
    return {"size": int(outcomes[-1].out)} if outcomes[-1].ok else {}


def _settled(wish: Wish, file: File, state: str) -> Change:
    """Mode and owner of something that is there; of everything below it with `recurse`."""
    change = _moved(wish, file)
    below = (_moved(wish, entry) for entry in wish.look.below) if wish.args["recurse"] else ()
    before, now = _sides(file, state)
    old, new = attributes.differences(change.before, change.after)
    values = {"path": file.path, **attributes.values(change.after, file.state, file.size)}
    return Change(attributes.steps(change, *below), values, {**before, **old}, {**now, **new})


def _moved(wish: Wish, file: File) -> attributes.Change:
    base = attributes.present(file)
    return attributes.Change(
        file.path, base, attributes.wanted(wish.args, base, wish.look, file.is_directory), file.is_link
    )


def _link(wish: Wish) -> Change:
    file, src = wish.file, wish.args["src"]
    if src is None and file.state == "link":
        src = file.target
    if src is None:
        raise TaskFailed("src is required for creating new symlinks")
    _refuse_link(wish, src)
    before, after = _sides(file, "link")
    if file.state == "link" and file.target == src:
        return _link_attributes(wish, src, before, after)
    if file.state == "link":
        before["src"], after["src"] = file.target, src
    empty = (Command(("rmdir", "--", file.path)),) if file.state == "directory" else ()
    make = (*empty, Command(("ln", "-sfn", "--", src, file.path)))
    made = _made_link(wish, src) if not wish.check or file.followed else {}
    return Change(attributes.together(make), {"dest": file.path, "src": src, **made}, before, after)


def _refuse_link(wish: Wish, src: str) -> None:
    file, forced = wish.file, wish.args["force"]
    if not forced and not wish.src.exists:
        raise TaskFailed(
            f"src file does not exist, use 'force=yes' if you really want to create the link: {wish.src.path}"
        )
    if not forced and file.state in ("file", "hard", "directory"):
        raise TaskFailed(f"refusing to convert from {file.state} to symlink for {file.path}")
    if file.state == "directory" and wish.look.below:
        raise TaskFailed(f"the directory {file.path} is not empty, refusing to convert it")


def _made_link(wish: Wish, src: str) -> dict[str, Any]:
    """Ansible describes the link itself, and only where it leads to something."""
    if not wish.src.exists:
        return {}
    mine = replace(attributes.fresh(wish.look), mode=0o777)
    return attributes.values(mine, "link", len(src.encode()))


def _link_attributes(wish: Wish, src: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    file = wish.file
    values: dict[str, Any] = {"dest": file.path, "src": src}
    if file.followed is None:
        return Change((), values, before, after)
    values |= attributes.values(attributes.present(file), "link", file.size)
    return Change(attributes.steps(_moved(wish, _followed(wish))), values, before, after)


def _hard(wish: Wish) -> Change:
    file, src, forced = wish.file, wish.src, wish.args["force"]
    if wish.args["src"] is None:
        raise TaskFailed("src is required for creating new hardlinks")
    if not src.exists:
        raise TaskFailed("src does not exist")
    same = file.exists and file.numbers["inode"] == src.numbers["inode"] and file.numbers["dev"] == src.numbers["dev"]
    if not same and not forced and file.state == "hard":
        raise TaskFailed("Cannot link, different hard link exists at destination")
    if not same and not forced and file.state in ("file", "directory"):
        raise TaskFailed(f"Cannot link, {file.state} exists at destination")
    change = _moved(wish, src)
    make = () if same else (Command(("ln", "-f", "--", src.path, file.path)),)
    settle = attributes.steps(replace(change, path=file.path))
    values: dict[str, Any] = {"dest": file.path, "src": wish.args["src"]}
    if same or not wish.check:
        values |= attributes.values(change.after, "hard", src.size)
    return Change(attributes.together((*make, *settle)), values, *_sides(file, "hard"))


def _followed(wish: Wish) -> File:
    """What is meant: through a link, unless `follow: false`."""
    return wish.file.followed or wish.file if wish.args["follow"] else wish.file


def _sides(file: File, state: str) -> tuple[dict[str, Any], dict[str, Any]]:
    before, after = {"path": file.path}, {"path": file.path}
    if file.state != state:
        before["state"], after["state"] = file.state, state
    return before, after


_STATES: Mapping[str, Callable[[Wish], Change]] = {
    "absent": _absent, "directory": _directory, "file": _file, "hard": _hard, "link": _link, "touch": _touched,
}  # fmt: skip

file = FileModule()
