"""The scripts of the file facts and modules in a real shell, on awkward names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qcluster.command import Command, Put, render
from qcluster.facts import files, system
from qcluster.facts.sockets import connections
from qcluster.modules import arguments, attributes, table
from qcluster.modules.base import Call
from qcluster.result import Outcome

AWKWARD = "a b\n'c' $UNSET_HERE *"


def run(step: Command | Put) -> Outcome:
    if isinstance(step, Put):
        Path(step.path).write_bytes(step.data)
        Path(step.path).chmod(step.mode)
        return Outcome(Command(("put",)), 0)
    done = subprocess.run(["sh", "-c", render(step)], input=step.stdin, capture_output=True)
    return Outcome(step, done.returncode, done.stdout, done.stderr)


def task(name: str, args: Any) -> tuple[bool, dict[str, Any]]:
    """Probe, decide, act: (changed, values)."""
    module = table.lookup(name)
    assert not table.is_action(module)
    call = Call("host", arguments.coerce(module.spec, arguments.parse(module.spec, args)), {})
    probe = module.probe(call)
    decision = module.decide(call, run(probe) if probe else None)
    assert not decision.failed, decision.failed
    outcomes = [run(step) for step in decision.steps]
    assert all(outcome.ok for outcome in outcomes), outcomes
    values = {**decision.values, **(decision.finish(outcomes) if decision.finish else {})}
    return bool(decision.steps) if decision.changed is None else decision.changed, values


def test_looks_at_awkward_names(tmp_path: Path) -> None:
    (tmp_path / AWKWARD).write_text("text\n")
    (tmp_path / "link").symlink_to(AWKWARD)
    (tmp_path / "lost").symlink_to("nowhere")
    fact = files.look(str(tmp_path / "link"), str(tmp_path / "lost"), str(tmp_path), content=True)
    link, lost, folder = fact.parse(run(fact.command)).files
    assert (link.state, link.target, link.content) == ("link", AWKWARD, b"text\n")
    assert link.followed and link.followed.size == 5
    assert (lost.state, lost.followed) == ("link", None)
    assert (folder.state, folder.content) == ("directory", None)


def test_resolves_what_the_shell_of_the_host_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home of mine")
    monkeypatch.setenv("PART", "p")
    fact = files.look("~/x", "~", "$HOME/${PART}q/$NOTHING_SET/$", "a~b")
    paths = [file.path for file in fact.parse(run(fact.command)).files]
    assert paths == ["/home of mine/x", "/home of mine", "/home of mine/pq/$NOTHING_SET/$", "a~b"]


def test_sees_everything_below(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / AWKWARD).touch(mode=0o640)
    fact = files.look(str(tmp_path), below=True)
    below = fact.parse(run(fact.command)).below
    assert {(Path(one.path).name, one.permissions & 0o700) for one in below} == {("sub", 0o700), (AWKWARD, 0o600)}


def test_a_folder_and_a_file_twice(tmp_path: Path) -> None:
    folder = {"path": f"{tmp_path}/x/y {AWKWARD}/", "state": "directory", "mode": "0750"}
    assert task("file", folder)[0]
    assert not task("file", folder)[0]
    text = {"content": "1", "dest": f"{tmp_path}/{AWKWARD}", "mode": "u=rw,go=", "backup": True}
    assert task("copy", text)[0]
    assert not task("copy", text)[0]
    changed, values = task("copy", {**text, "content": "2"})
    assert changed and Path(values["backup_file"]).read_text() == "1"
    assert oct((tmp_path / AWKWARD).stat().st_mode)[-3:] == "600"


def test_a_new_file_is_described_as_it_is(tmp_path: Path) -> None:
    told = task("copy", {"content": "abc", "dest": str(tmp_path / "f")})[1]
    seen = task("stat", {"path": str(tmp_path / "f")})[1]["stat"]
    same = {"mode": "mode", "uid": "uid", "gid": "gid", "owner": "pw_name", "group": "gr_name", "size": "size"}
    assert {name: told[name] for name in same} == {name: seen[other] for name, other in same.items()}
    assert told["checksum"] == seen["checksum"]


def test_command_resolves_on_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORD", "two words")
    values = task("command", {"argv": ["printf", "%s|", "$WORD", "it's"], "chdir": str(tmp_path)})[1]
    assert values["stdout"] == "two words|it's|"


def test_script_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = tmp_path / "say.sh"
    script.write_text('#!/bin/sh\necho "$1-$2"\n')
    assert task("script", f"{script} 'a b' c")[1]["stdout"] == "a b-c\n"
    assert [path.name for path in tmp_path.iterdir()] == ["say.sh"]


def test_the_system_describes_itself() -> None:
    fact = system.system()
    host = fact.parse(run(fact.command))
    facts = task("setup", {"filter": ["ansible_kernel", "user_*"]})[1]["ansible_facts"]
    assert facts["ansible_kernel"] == os.uname().release == host.lines("uname")[2]
    assert facts["ansible_user_uid"] == os.getuid()
    assert host.environment["PATH"] == os.environ["PATH"]


def test_the_table_of_connections_can_be_read() -> None:
    fact = connections()
    assert all(0 <= one.port < 65536 for one in fact.parse(run(fact.command)))


@pytest.mark.parametrize(
    ("mode", "current", "folder", "after"),
    [
        ("0644", 0, False, 0o644), (0o600, 0, False, 0o600), ("4755", 0, False, 0o4755),
        ("u=rwx,g=rx,o=", 0o777, False, 0o750),
        ("+x", 0o644, False, 0o755), ("a-w", 0o666, False, 0o444), ("g=u", 0o640, False, 0o660),
        ("u+s", 0o755, False, 0o4755),
        ("o+t", 0o777, True, 0o1777), ("a+X", 0o644, False, 0o644), ("a+X", 0o644, True, 0o755),
        ("g+w-r", 0o640, False, 0o620),
    ],
)  # fmt: skip
def test_modes(mode: Any, current: int, folder: bool, after: int) -> None:
    assert attributes.permissions(mode, current, folder) == after
