"""copy with `remote_src`: from one place of the host to another; nothing travels."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import Any

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed, UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.facts.files import SCRIPT, File, Look, look, read
from qcluster.modules import attributes, content
from qcluster.modules.base import Call, Decision
from qcluster.result import Outcome

DIFFERS = """
expand "$3"; from=$p; expand "$2"; to=$p
if [ -d "$from" ]; then
  cd -- "$from" && find . -mindepth 1 -exec sh -c '
    to=$1; shift
    for name; do
      if [ -d "$name" ]; then [ -d "$to/$name" ]; else
        [ -e "$to/$name" ] && [ "$(sha1sum <"$name")" = "$(sha1sum <"$to/$name")" ]
      fi || printf "%s\\0" "$name"
    done' sh "$to" {} +
fi
printf 'end\\0'
"""
REPLACE = """
new=$(mktemp -- "$2.XXXXXX") && cp --preserve=timestamps -- "$1" "$new" && chmod "$3" -- "$new" && mv -fT -- "$new" "$2"
"""


def _target(call: Call) -> str:
    src, dest = call.args["src"], call.args["dest"]
    return posixpath.join(dest, "" if src.endswith("/") else posixpath.basename(src))


def _fact(call: Call) -> Fact[Look]:
    owner, group = call.args["owner"] or "", call.args["group"] or ""
    dest = call.args["dest"]
    return look(dest, _target(call), call.args["src"], content=call.diff, owner=owner, group=group)


def probe(call: Call) -> Command:
    """The look at both places, then the names below a source folder that differ at the destination."""
    ask = _fact(call).command
    script = f'{SCRIPT}\nset -- "$2" "$3"\n'
    last = 'set -- "$3" "$2"\n' + DIFFERS
    assert script
    return replace(ask, stdin=f"{SCRIPT}\n{last}".encode())


def decide(call: Call, found: Outcome) -> Decision:
    seen, differing = _read(found)
    source = seen.files[2]
    if not source.exists:
        raise TaskFailed(f"Source {source.path} not found")
    if source.is_directory:
        return _folder(call, seen, differing)
    return _file(call, seen, source.followed or source)


def _read(found: Outcome) -> tuple[Look, tuple[str, ...]]:
    looked, end, names = found.stdout.removesuffix(b"end\0").rpartition(b"\0end\0")
    if not end or not found.stdout.endswith(b"\0end\0"):
        raise UnreadableOutput("files cannot be looked at", found.err or found.out)
    return read(replace(found, stdout=looked + end)), tuple(name.decode() for name in names.split(b"\0")[:-1])


def _folder(call: Call, seen: Look, differing: tuple[str, ...]) -> Decision:
    source, dest = seen.files[2].path, seen.files[1].path
    values = {"dest": call.args["dest"], "src": call.args["src"]}
    if seen.files[1].exists and not differing:
        return Decision(values=values)
    make = Command(("mkdir", "-p", "--", dest))
    copy = Command(("cp", "-R", "--preserve=mode,timestamps", "--", f"{source.rstrip('/')}/.", dest))
    owner = ":".join(filter(None, (call.args["owner"], call.args["group"])))
    chown = (Command(("chown", "-R", owner, "--", dest)),) if owner else ()
    return Decision(attributes.together((make, copy, *chown)), True, values)


def _base(seen: Look, source: File, file: File) -> attributes.Attributes:
    """Where a file is replaced, the new one has the source's mode; a new file has what the umask leaves."""
    mine = attributes.fresh(seen)
    return replace(mine, mode=source.permissions) if file.exists else mine


def _file(call: Call, seen: Look, source: File) -> Decision:
    path, file, _ = content.place(call.args["dest"], posixpath.basename(source.path), seen)
    if file.exists and not call.args["force"]:
        return Decision(values={"dest": path, "src": source.path, "msg": "file already exists"})
    checksum = seen.files[2].checksum
    same = file.exists and not file.is_link and file.checksum == checksum
    base = attributes.present(file) if same else _base(seen, source, file)
    args: dict[str, Any] = {**call.args}
    if args["mode"] == "preserve":
        args["mode"] = source.permissions
    after = attributes.wanted(args, base, seen)
    copy = () if same else (sh(REPLACE, source.path, path, f"{base.mode:04o}"),)
    backup = (content.backup(path),) if call.args["backup"] and file.exists and not same else ()
    values = {"dest": path, "src": source.path, "checksum": checksum}
    described = {} if call.check else attributes.values(after, "file", source.size)
    steps = (*backup, *copy, *attributes.steps(attributes.Change(path, base, after)))
    return Decision(steps, bool(steps), {**values, **described})
