"""Every mistake in a playbook is told before the run, all at once, with file, line and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine_stand import run, stand

from qcluster import engine
from qcluster.errors import InputError, TaskFailed
from qcluster.result import Outcome

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


@pytest.mark.parametrize(
    ("keyword", "what"),
    [
        ("serial: \"{{ 'x' }}\"", "serial: ['x'] is not a number or a percentage"),
        ("max_fail_percentage: \"{{ 'many' }}\"", "max_fail_percentage: 'many' is not a number"),
        ('max_fail_percentage: "{{ nothing }}"', "max_fail_percentage: 'nothing' is undefined"),
        ("gather_facts: \"{{ 'perhaps' }}\"", "gather_facts: 'perhaps' is not true or false"),
    ],
)
def test_a_template_of_a_play_must_give_what_its_keyword_wants(tmp_path: Path, keyword: str, what: str) -> None:
    with pytest.raises(InputError, match=re.escape(what)):
        run(tmp_path, f"- hosts: all\n  {keyword}\n  tasks: []\n")


def test_templates_of_a_play_are_rendered(tmp_path: Path) -> None:
    text = """\
- hosts: all
  gather_facts: "{{ facts }}"
  serial: "{{ [1, '50%'] }}"
  tasks: [{debug: {msg: "{{ ansible_play_batch }}"}}]
"""
    ran = run(tmp_path, text, stand("a", "b"), extra_vars={"facts": False})
    assert [ran.messages("a"), ran.messages("b")] == [[["a"]], [["b"]]]


@pytest.mark.parametrize("word", ["retries", "delay", "timeout", "async", "throttle"])
def test_a_template_of_a_task_that_is_no_number_is_named(tmp_path: Path, word: str) -> None:
    task = f"  - command: x\n    until: false\n    {word}: \"{{{{ 'x' }}}}\"\n"
    try:
        told = str(run(tmp_path, task, answer=lambda command: Outcome(command, 1)).messages())
    except TaskFailed as error:
        told = str(error)
    assert f"{word}: 'x' is not a number" in told
