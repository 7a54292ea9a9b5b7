"""Bytes that a path must hold: shared by copy, template, lineinfile and the rest that write files."""

from __future__ import annotations

import hashlib
import posixpath
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from qcluster.command import Command, Step, sh
from qcluster.errors import TaskFailed
from qcluster.facts.files import File, Look
from qcluster.modules import attributes
from qcluster.modules.base import Decision, Option
from qcluster.modules.command import lines
from qcluster.result import Diff, Outcome

OPTIONS = {
    "backup": Option("bool", default=False, help="Keep the old file beside the new one."),
    "validate": Option(help="A command that must accept the new file (%s) before it takes the old one's place."),
    **attributes.OPTIONS,
}
BACK_UP = """
copy=$1.$$.$(date +%Y-%m-%d@%H:%M:%S)~
cp -p -- "$1" "$copy" && printf %s "$copy"
"""
VALIDATE = """
new=$1 path=$2
shift 2
if "$@"; then mv -fT -- "$new" "$path"; else code=$?; rm -f -- "$new"; exit "$code"; fi
"""
_SHOWN = 104448
"""Bytes up to which Ansible shows the difference of a file."""


@dataclass(frozen=True)
class Page:
    """`data` for one path. `args` hold mode, owner, group, backup, validate and follow as the task says them."""

    path: str
    data: bytes
    args: Mapping[str, Any]
    file: File
    look: Look
    secret: bool = False

    @property
    def there(self) -> File:
        """What is replaced: through a link only with `follow`."""
        return self.file.followed or self.file if self.args.get("follow") else self.file

    @property
    def same(self) -> bool:
        link = self.file.is_link and not self.args.get("follow")
        return self.there.exists and not link and self.file.checksum == sha1(self.data)


@dataclass(frozen=True)
class Writing:
    """How a page gets to its path; empty `steps` where it is there. `moved`: mode or owner change, too."""

    steps: tuple[Step, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    moved: bool = False
    finish: Callable[[Sequence[Outcome]], Mapping[str, Any]] | None = None


def backup(path: str) -> Command:
    """Keep a copy beside the file; the command says its name."""
    return sh(BACK_UP, path)


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def write(page: Page, check: bool = False) -> Writing:
    """Raises `TaskFailed` where the page cannot be there."""
    if page.same:
        return _settle(page)
    if page.file.state == "directory":
        raise TaskFailed(f"{page.path} is a directory")
    base = _base(page)
    after = attributes.wanted(page.args, base, page.look)
    path = page.there.path if page.args.get("follow") else page.path
    values = {"dest": path, "checksum": sha1(page.data), "md5sum": _md5(page.data)}
    described = {} if check else attributes.values(after, "file", len(page.data))
    return Writing(_steps(page, path, after), {**values, **described}, base != after, _Finish(page))


def _settle(page: Page) -> Writing:
    """The content is right: only mode and owner may differ."""
    base = attributes.present(page.there)
    after = attributes.wanted(page.args, base, page.look)
    values = attributes.values(after, page.there.state, page.there.size)
    steps = attributes.steps(attributes.Change(page.there.path, base, after))
    named = {"dest": page.there.path, "path": page.there.path, "checksum": sha1(page.data)}
    return Writing(steps, {**named, **values}, bool(steps))


def _base(page: Page) -> attributes.Attributes:
    """A file that is replaced keeps its owner and mode; a link that is replaced has none to keep."""
    if page.there.exists and not page.there.is_link:
        return attributes.present(page.there)
    return attributes.fresh(page.look)


def _steps(page: Page, path: str, after: attributes.Attributes) -> tuple[Step, ...]:
    kept = (backup(path),) if page.args.get("backup") and page.there.exists else ()
    if not page.args.get("validate"):
        return (*kept, attributes.put(path, page.data, after, page.look, page.secret))
    new = f"{path}.qcluster-new{posixpath.splitext(path)[1]}"
    words = [word.replace("%s", new) for word in shlex.split(page.args["validate"])]
    if new not in " ".join(words):
        raise TaskFailed(f"validate must contain %s: {page.args['validate']}")
    return (*kept, attributes.put(new, page.data, after, page.look, page.secret), sh(VALIDATE, new, path, *words))


@dataclass(frozen=True)
class _Finish:
    page: Page

    def __call__(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self.page.args.get("backup") and self.page.there.exists and outcomes[0].ok:
            values["backup_file"] = outcomes[0].out
        last = outcomes[-1]
        if isinstance(last.command, Command) and VALIDATE.encode() == last.command.stdin and not last.ok:
            values |= {"msg": "failed to validate", "exit_status": last.exit, "changed": False}
            values |= lines({"stdout": last.out, "stderr": last.err})
        return values


def difference(page: Page) -> tuple[Diff, ...]:
    """Before and after for `--diff`; what is binary or large is only named, a secret is not shown."""
    if page.same or page.secret:
        return ()
    before = page.file.content if page.file.content is not None else b""
    return (Diff(_text(before), _text(page.data), page.path),)


def _text(data: bytes) -> str:
    if b"\0" in data[:8192]:
        return "(binary)\n"
    return data.decode("utf-8", "replace") if len(data) <= _SHOWN else f"({len(data)} bytes)\n"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def place(dest: str, name: str, look: Look) -> tuple[str, File, bool]:
    """Where a file called `name` goes: (path, what is there, whether its folder has to be made).

    `look` has seen `dest` and `dest/name`. Raises `TaskFailed` where there is no folder to write into.
    """
    itself, inside = look.files[:2]
    if itself.is_directory or dest.endswith("/"):
        return inside.path, inside, not itself.exists
    if not itself.has_parent:
        raise TaskFailed(f"Destination directory {posixpath.dirname(itself.path)} does not exist")
    return itself.path, itself, False


def decided(writing: Writing, *, diffs: tuple[Diff, ...], more: Mapping[str, Any]) -> Decision:
    values = {**writing.values, **more}
    return Decision(writing.steps, bool(writing.steps), values, diffs=diffs, finish=writing.finish)


def before(writing: Writing, *steps: Step) -> Writing:
    """The same writing after some steps of its own."""
    if not steps:
        return writing
    count, finish = len(steps), writing.finish
    return replace(
        writing,
        steps=(*steps, *writing.steps),
        finish=(lambda outcomes: finish(outcomes[count:]) if outcomes[count:] else {}) if finish else None,
    )
