"""Every mistake in a playbook is told before the run, all at once, with file, line and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from qcluster import engine
from qcluster.errors import InputError

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "playbook" / "mistakes.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_mistake_is_told_with_its_place(case: dict[str, Any], tmp_path: Path) -> None:
    playbook = tmp_path / "site.yml"
    playbook.write_text(case["playbook"], encoding="utf-8")
    with pytest.raises(InputError) as caught:
        engine.load(playbook)
    assert str(caught.value).replace(f"{playbook}:", "").splitlines() == case["problems"]
    assert caught.value.exit_code == 2


def test_mistakes_in_files_that_are_included_are_told_too(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text(
        "- hosts: all\n  tasks:\n    - include_tasks: more.yml\n    - import_tasks: more.yml\n"
    )
    (tmp_path / "more.yml").write_text("- comand: ls\n")
    with pytest.raises(InputError) as caught:
        engine.load(tmp_path / "site.yml")
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [(str(tmp_path / "more.yml"), 1)]


def test_mistakes_in_roles_are_told_with_the_role_s_file(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text("- hosts: all\n  roles: [web]\n")
    for part in ("tasks", "handlers", "meta"):
        (tmp_path / "roles/web" / part).mkdir(parents=True)
    (tmp_path / "roles/web/tasks/main.yml").write_text("- debug: {mgs: x}\n")
    (tmp_path / "roles/web/handlers/main.yml").write_text("- debug: {msg: x}\n  whe: true\n")
    (tmp_path / "roles/web/meta/main.yml").write_text("dependencies: [databse]\n")
    with pytest.raises(InputError) as caught:
        engine.load(tmp_path / "site.yml")
    files = {Path(problem.file).parent.name for problem in caught.value.problems}
    assert files == {"tasks", "handlers", "meta"}


def test_a_file_that_imports_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text("- hosts: all\n  tasks:\n    - import_tasks: loop.yml\n")
    (tmp_path / "loop.yml").write_text("- import_tasks: loop.yml\n")
    with pytest.raises(InputError, match="imports itself"):
        engine.load(tmp_path / "site.yml")
