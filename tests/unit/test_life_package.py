"""A source installation: what is there, what is installed, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from qcluster.command import Command
from qcluster.errors import TaskFailed
from qcluster.modules.base import Call, Decision
from qcluster.modules.python_import import python_import
from qcluster.modules.python_package import python_package
from qcluster.result import Outcome


def decided(out: str, code: int = 0, **args: Any) -> Decision:
    defaults = {name: option.default for name, option in python_package.spec.options.items()}
    call = Call("h", {**defaults, "name": "vllm-ascend", "version": "0.23.0", "job_dir": "/j", **args}, {})
    return python_package.decide(call, Outcome(Command(("probe",)), code, out.encode()))


@pytest.mark.parametrize("have", ["0.23.0", "0.23.0.post1"])
def test_the_wanted_version_is_ok(have: str) -> None:
    assert decided(f"{have}\n") == Decision(values={"version": have})


def test_a_missing_package_is_installed_and_seen() -> None:
    first, second = decided("").steps
    assert isinstance(first, Command) and first.argv[-5:] == ("python3", "-m", "pip", "install", "vllm-ascend==0.23.0")
    assert first.argv[3].startswith("/j/pip-"), "a job: a lost connection does not end it"
    assert isinstance(second, Command)


def test_a_source_folder_is_installed_editable_and_other_indexes_are_searched() -> None:
    first = decided("", editable="/src/vllm-ascend", indexes=["https://mirror/pypi"]).steps[0]
    assert isinstance(first, Command)
    assert first.argv[-4:] == ("--extra-index-url", "https://mirror/pypi", "-e", "/src/vllm-ascend")


def test_another_version_is_never_replaced() -> None:
    decision = decided("0.18.0\n")
    assert decision.steps == () and "0.18.0 is installed, wanted is 0.23.0" in decision.failed


def test_nothing_is_installed_where_that_is_not_wanted() -> None:
    assert "not installed" in decided("", install=False).failed


def test_a_host_without_python_says_so() -> None:
    assert decided("no python3 on this host\n", 3).failed == "no python3 on this host"


def test_an_installation_that_left_nothing_fails() -> None:
    finish = decided("").finish
    assert finish is not None
    ok = Outcome(Command(("x",)), 0, b"")
    with pytest.raises(TaskFailed, match="does not"):
        finish([ok, ok])
    with pytest.raises(TaskFailed, match=r"pip installed 0\.22\.1, wanted is 0\.23\.0"):
        finish([ok, Outcome(Command(("x",)), 0, b"0.22.1\n")])
    with pytest.raises(TaskFailed, match="not complete in time, or was ended; run again"):
        finish([Outcome(Command(("x",)), 137), ok])
    with pytest.raises(TaskFailed, match="No matching distribution"):
        finish([Outcome(Command(("x",)), 1, b"", b"ERROR: No matching distribution found")])


def imported(out: str, **args: Any) -> Decision:
    defaults = {name: option.default for name, option in python_import.spec.options.items()}
    given = {"name": "mooncake.engine", "requirement": "mooncake==1", "remedy": "do this", "job_dir": "/j"}
    return python_import.decide(Call("h", {**defaults, **given, **args}, {}), Outcome(Command(("x",)), 0, out.encode()))


def test_what_cannot_be_imported_is_installed_where_pip_has_it() -> None:
    missing = "missing No module named 'mooncake'\n"
    assert imported("set_env says hello\nyes\n") == Decision()
    first, _ = imported(missing).steps
    assert isinstance(first, Command) and first.argv[-2:] == ("install", "mooncake==1")
    for refused in (imported(missing, requirement=""), imported(missing, install=False)):
        assert refused.failed == "mooncake.engine cannot be imported (No module named 'mooncake'): do this"
    broken = imported("broken ImportError libascend_hal.so: cannot open\n")
    assert broken.steps == () and "(ImportError libascend_hal.so: cannot open): do this" in broken.failed


def test_an_import_that_fails_after_the_installation_fails() -> None:
    finish = imported("missing x\n").finish
    assert finish is not None
    ok = Outcome(Command(("x",)), 0, b"")
    assert finish([ok, Outcome(Command(("x",)), 0, b"yes\n")]) == {"imported": "mooncake.engine"}
    with pytest.raises(TaskFailed, match=r"\(OSError x\): pip has installed it; do this"):
        finish([ok, Outcome(Command(("x",)), 0, b"broken OSError x\n")])
