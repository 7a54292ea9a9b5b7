"""The source of vllm-ascend on a host, with the real git on a repository made on the spot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qcluster.errors import TaskFailed
from qcluster.modules.base import Call, Decision
from qcluster.modules.source_tree import source_tree
from qcluster.transport.local import LocalTransport

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")
PROGRAM = "examples/proxy.py"


def git(folder: Path, *words: str) -> None:
    subprocess.run([*GIT, "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A repository with the tags v1 and v2, the program only in v2."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    git(folder, "tag", "v1")
    (folder / "examples").mkdir()
    (folder / PROGRAM).write_text("print()")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "two")
    git(folder, "tag", "v2")
    return folder


def run(upstream: Path, dest: Path, reference: str = "v2") -> Decision:
    """The task, carried out here."""
    defaults: dict[str, Any] = {name: option.default for name, option in source_tree.spec.options.items()}
    given = {
        "dest": str(dest),
        "repository": f"file://{upstream}",
        "reference": reference,
        "holds": PROGRAM,
        "job_dir": f"{dest}.jobs",
    }
    one, here = Call("h", {**defaults, **given}, {}), LocalTransport("h")
    decision = source_tree.decide(one, here.run(source_tree.probe(one)))
    outcomes = [here.run(step) for step in decision.steps]  # type: ignore[arg-type]
    if decision.finish:
        decision.finish(outcomes)
    return decision


@pytest.mark.parametrize("reference", ["v2", "main"])
def test_it_is_cloned_once(upstream: Path, tmp_path: Path, reference: str) -> None:
    dest = tmp_path / "below" / "it is here"
    assert len(run(upstream, dest, reference).steps) == 1
    assert (dest / PROGRAM).exists() and not (tmp_path / "below" / "it is here.new").exists()
    again = run(upstream, dest, reference)
    assert again.steps == () and not again.failed and reference in again.values["at"]


def test_a_tree_at_another_tag_is_never_switched(upstream: Path, tmp_path: Path) -> None:
    run(upstream, tmp_path / "tree", "v1")
    decision = run(upstream, tmp_path / "tree")
    assert "is at v1, wanted is v2" in decision.failed and decision.steps == ()
    assert not (tmp_path / "tree" / PROGRAM).exists()


def test_an_unpacked_source_will_do_where_it_has_what_is_needed(upstream: Path, tmp_path: Path) -> None:
    dest = tmp_path / "unpacked"
    (dest / "examples").mkdir(parents=True)
    assert f"has no {PROGRAM}" in run(upstream, dest).failed
    shutil.copy(upstream / PROGRAM, dest / PROGRAM)
    assert run(upstream, dest) == Decision(values={"at": []})


def test_a_clone_that_fails_leaves_nothing_in_its_place(upstream: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match=r"git clone failed(.|\n)*v9"):
        run(upstream, tmp_path / "tree", "v9")
    assert not (tmp_path / "tree").exists()


def test_a_host_without_git_says_so(upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "timeout", "env"):
        (tools / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tools))
    assert "no git on this host" in run(upstream, tmp_path / "tree").failed
