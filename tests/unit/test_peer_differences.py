"""The deliberate differences of docs/differences-from-ansible.md that no playbook can show side by side."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from qcluster.command import Command, render
from qcluster.modules import arguments, table
from qcluster.modules.base import Call
from qcluster.result import Outcome


def refused(module: str, args: dict[str, Any]) -> str:
    return "; ".join(map(str, arguments.check(table.lookup(module).spec, args, module)))


def run(step: Command) -> Outcome:
    done = subprocess.run(["sh", "-c", render(step)], input=step.stdin, capture_output=True)
    return Outcome(step, done.returncode, done.stdout, done.stderr)


def decided(name: str, args: dict[str, Any]) -> dict[str, Any]:
    module = table.lookup(name)
    assert not table.is_action(module)
    call = Call("host", arguments.coerce(module.spec, args), {})
    probe = module.probe(call)
    decision = module.decide(call, run(probe) if probe else None)
    outcomes = [run(step) for step in decision.steps if isinstance(step, Command)]
    return {**decision.values, **(decision.finish(outcomes) if decision.finish else {})}


def test_a_program_that_is_not_there_is_what_a_shell_says() -> None:
    assert decided("command", {"cmd": "no-such-program-here"})["rc"] == 127


def test_stat_needs_no_file_and_no_lsattr() -> None:
    shown = decided("stat", {"path": "/"})["stat"]
    assert shown["isdir"] and not {"mimetype", "charset", "attributes", "attr_flags", "version"} & set(shown)


@pytest.mark.parametrize(
    ("module", "args", "what"),
    [
        ("file", {"path": "/x", "state": "touch", "access_time": "202601010000.00"}, "must be one of: preserve, now"),
        ("file", {"path": "/x", "attributes": "+i"}, "file.attributes: unknown argument"),
        ("copy", {"content": "", "dest": "/x", "unsafe_writes": True}, "copy.unsafe_writes: unknown argument"),
        ("template", {"src": "a", "dest": "/x", "seuser": "u"}, "template.seuser: unknown argument"),
        ("uri", {"url": "http://h", "body_format": "form-multipart"}, "must be one of: raw, json, form-urlencoded"),
        ("uri", {"url": "http://h", "unix_socket": "/s"}, "uri.unix_socket: unknown argument"),
        ("get_url", {"url": "http://h", "dest": "/x", "tmp_dest": "/t"}, "get_url.tmp_dest: unknown argument"),
    ],
)
def test_arguments_that_are_not_taken(module: str, args: dict[str, Any], what: str) -> None:
    assert what in refused(module, args)


def test_a_checksum_is_a_text_not_an_address() -> None:
    module = table.lookup("get_url")
    args = {"url": "http://h/f", "dest": "/x", "checksum": "sha256:http://h/sums"}
    assert table.is_action(module)
    with pytest.raises(Exception, match="checksum format is invalid"):
        module.run(Call("host", arguments.coerce(module.spec, args), {}), None)  # type: ignore[arg-type]
