"""What modules decide, as tables: tests/cases/modules/*.yml give arguments and what was found, and what follows."""

from __future__ import annotations

import base64
import hashlib
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from qcluster.command import Command, Put, sh
from qcluster.errors import TaskFailed
from qcluster.modules import arguments, table
from qcluster.modules.base import Call, Decision
from qcluster.result import Outcome

FOLDER = Path(__file__).parents[1] / "cases" / "modules"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(FOLDER.glob("*.yml"))
    for case in yaml.safe_load(file.read_text())
]
_KINDS = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "link": stat.S_IFLNK}


def _status(file: dict[str, Any]) -> str:
    mode = _KINDS[file["kind"]] | int(file.get("mode", "0644"), 8)
    size = len(str(file.get("content", "")).encode())
    uid, gid = file.get("uid", 0), file.get("gid", 0)
    numbers = f"{mode:x} {uid} {gid} {size} {file.get('inode', 7)} 1 {file.get('nlink', 1)} 1.5 2.5 3.5 8 4096"
    return f"{numbers}\n{file.get('owner', 'root')}\n{file.get('group', 'root')}\n"


def _record(file: dict[str, Any]) -> list[str]:
    """One path in the words of the script in facts/files.py."""
    if file["kind"] == "absent":
        return [file["path"], "", "", "", "", file.get("access", "dp"), "", ""]
    there = file.get("there")
    target, real = (file["target"], file.get("real", file["target"])) if file["kind"] == "link" else ("", "")
    data = str(file.get("content", "")).encode() if file["kind"] == "file" else b""
    checksum = f"{hashlib.sha1(data).hexdigest()}  -\n" if file["kind"] == "file" else ""
    shown = _status(there) if there else ""
    return [
        file["path"], _status(file), shown, target, real, file.get("access", "dprw"), checksum,
        base64.b64encode(data).decode(),
    ]  # fmt: skip


def _looked(found: dict[str, Any]) -> str:
    fields = [str(len(found["files"])), f"{found.get('umask', '0022')}\nuid=0(root) gid=0(root) groups=0(root)\n"]
    fields += [str(found.get("owner_id", "")), f"x:x:{found['group_id']}:" if "group_id" in found else ""]
    for file in found["files"]:
        fields += _record(file)
    for entry in found.get("below", ()):
        fields.append(f"{_KINDS[entry['kind']] | int(entry['mode'], 8):x} 0 0 root\troot\t{entry['path']}")
    return "\0".join([*fields, "end", ""])


def _found(found: dict[str, Any] | None, probe: Command | None) -> Outcome | None:
    if found is None or probe is None:
        return None
    out = _looked(found) if "files" in found else found.get("stdout", "").replace("\\0", "\0")
    return Outcome(probe, found.get("exit", 0), out.encode(), found.get("stderr", "").encode())


def _shown(step: Command | Put) -> str:
    if isinstance(step, Put):
        owner = f" {step.owner}:{step.group}" if step.owner or step.group else ""
        return f"put {step.path} {step.mode:04o}{owner} {step.data.decode()!r}"
    if step.argv[:3] == ("sh", "-s", "--"):
        lines = step.stdin.decode().strip().splitlines()
        return shlex.join(["script", *step.argv[3:]]) if step.argv[3:] else " ".join(lines)
    return shlex.join(step.argv)


def _decided(case: dict[str, Any]) -> Decision:
    module = table.lookup(case["module"])
    assert not table.is_action(module)
    args = arguments.parse(module.spec, case["args"])
    assert not arguments.check(module.spec, args)
    call = Call(
        "host", arguments.coerce(module.spec, args), {}, check=case.get("check", False), diff=case.get("diff", False)
    )
    try:
        return module.decide(call, _found(case.get("found"), module.probe(call)))
    except TaskFailed as error:
        return Decision(failed=str(error))


@pytest.mark.parametrize("case", CASES)
def test_decides(case: dict[str, Any]) -> None:
    decision = _decided(case)
    assert decision.failed == case.get("failed", "")
    assert bool(decision.skipped) == case.get("skipped", False)
    assert [_shown(step) for step in decision.steps] == case.get("steps", [])
    changed = bool(decision.steps) if decision.changed is None else decision.changed
    assert changed == case.get("changed", bool(case.get("steps")))
    for name, value in case.get("values", {}).items():
        assert decision.values[name] == value, name
    for name in case.get("without", ()):
        assert name not in decision.values


def test_a_probe_that_was_cut_off_is_not_an_answer() -> None:
    module = table.lookup("stat")
    assert not table.is_action(module)
    call = Call("host", arguments.coerce(module.spec, {"path": "/x"}), {})
    with pytest.raises(TaskFailed, match="cannot be looked at"):
        module.decide(call, Outcome(sh(""), 0, b"1\x000022\nuid=0(root)"))
