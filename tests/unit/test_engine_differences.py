"""Each deliberate difference of the language from Ansible's (docs/differences-from-ansible.md) has its test here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from engine_stand import run, stand

from qcluster import engine
from qcluster.command import Command
from qcluster.errors import InputError
from qcluster.playbook import language
from qcluster.result import Outcome

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences-from-ansible.md"


def test_hosts_that_a_failed_run_once_counts_for_are_rescued_once(tmp_path: Path) -> None:
    text = """\
  - block:
      - fail: {msg: x}
        run_once: true
    rescue:
      - debug: {msg: rescued}
  - debug: {msg: end}
"""
    ran = run(tmp_path, text, stand("h1", "h2"))
    assert ran.messages("h1") == ["x", "rescued", "end"] and ran.messages("h2") == ["rescued", "end"]
    assert ran.exit == 0


def test_rescued_hosts_are_in_the_next_play(tmp_path: Path) -> None:
    text = """\
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - block: [{fail: {msg: x}, when: inventory_hostname == 'h2'}]
      rescue: [{debug: {msg: rescue}}]
- hosts: all
  gather_facts: false
  tasks: [{debug: {msg: next}}]
"""
    ran = run(tmp_path, text, stand("h1", "h2"))
    assert ran.messages("h1")[1:] == ran.messages("h2")[1:] == ["rescue", "next"] and ran.exit == 0


def test_one_hidden_item_hides_the_loop(tmp_path: Path) -> None:
    text = "  - debug: {msg: 'is {{ item }}'}\n    loop: [a, b]\n    no_log: \"{{ item == 'a' }}\"\n"
    values = run(tmp_path, text).values()[0]
    assert [list(one) for one in values["results"]] == [["censored", "changed", "failed"]] * 2
    assert "is b" not in str(values)


def test_a_missing_include_is_one_failed_result(tmp_path: Path) -> None:
    ran = run(tmp_path, '  - include_tasks: "{{ inventory_hostname }}.yml"\n')
    assert ran.statuses() == ["failed"] and "Could not find or access 'h1.yml'" in ran.messages()[0]


def test_files_of_variables_are_found_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "eu.yml").write_text("place: here\n")
    text = """\
- hosts: all
  gather_facts: false
  vars: {region: eu}
  vars_files: ["{{ region }}.yml"]
  tasks: [{debug: {msg: "{{ place }}"}}]
"""
    assert run(tmp_path, text).messages() == ["here"]
    with pytest.raises(InputError, match=r"no such file: .us\.yml."):
        run(tmp_path, text, extra_vars={"region": "us"})


def test_delegation_needs_a_host_of_the_inventory(tmp_path: Path) -> None:
    ran = run(tmp_path, "  - command: x\n    delegate_to: stranger\n")
    assert ran.messages() == ["delegate_to: no host named 'stranger' in the inventory"]


def test_a_skipped_meta_is_not_told(tmp_path: Path) -> None:
    assert run(tmp_path, "  - meta: end_host\n    when: false\n  - debug:\n").statuses() == ["ok"]


def test_all_hosts_at_once_unless_forks_says_otherwise(tmp_path: Path) -> None:
    ran = run(tmp_path, '  - debug: {msg: "{{ ansible_forks }}"}\n', stand(*"abcdefg"))
    assert ran.messages("a") == [7]


def test_a_limit_that_leaves_nobody_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no host of the playbook is left"):
        run(tmp_path, "  - debug:\n", limit="!all")


def test_a_deadline_is_kept_by_the_host(tmp_path: Path) -> None:
    ran = run(tmp_path, "  - command: x\n    timeout: 3\n", answer=lambda command: Outcome(command, 124))
    assert ran.fleet["h1"].ran[0].line.startswith("timeout -k 5 3 ")
    assert ran.messages() == ["Timed out after 3 second(s)."]


def test_only_what_runs_on_the_host_is_detached(tmp_path: Path) -> None:
    ran = run(tmp_path, "  - debug: {msg: x}\n    async: 10\n    poll: 0\n")
    assert ran.values()[0] == {"msg": "x", "changed": False, "failed": False}


def test_a_failure_under_async_is_told_with_its_streams(tmp_path: Path) -> None:
    def answer(command: Command) -> Outcome:
        if b"x" in command.stdin:
            return Outcome(command, 0, b"/d")
        return Outcome(command, 0, b"finished 3 2 0 4\n{}oops\nend\n")

    hosts = stand("h1", qcluster_state_dir="/d")
    values = run(tmp_path, "  - command: x\n    async: 10\n    poll: 1\n", hosts, answer).values()[0]
    assert (values["rc"], values["stderr"], values["failed"], values["finished"]) == (3, "oops", True, True)


@pytest.mark.parametrize("word", [*language.REFUSED, "with_items", "with_dict", "with_fileglob"])
def test_a_word_of_ansible_that_is_not_known_is_named(tmp_path: Path, word: str) -> None:
    (tmp_path / "site.yml").write_text(f"- hosts: all\n  tasks:\n    - debug: {{msg: x}}\n      {word}: x\n")
    with pytest.raises(InputError, match=rf"site.yml:4: {word}: not part of this language"):
        engine.load(tmp_path / "site.yml")


@pytest.mark.parametrize("module", ["include_vars", "add_host", "group_by", "set_stats", "apt", "service", "cron"])
def test_a_module_of_ansible_that_is_not_known_is_named(tmp_path: Path, module: str) -> None:
    (tmp_path / "site.yml").write_text(f"- hosts: all\n  tasks:\n    - {module}: {{name: x}}\n")
    with pytest.raises(InputError, match=rf"site.yml:3: {module}: no such module"):
        engine.load(tmp_path / "site.yml")


def test_every_keyword_has_its_meaning_once() -> None:
    names = [word.name for word in language.KEYWORDS]
    assert len(names) == len(set(names))
    assert all(word.where <= language.EVERYWHERE and word.meaning.endswith(".") for word in language.KEYWORDS)
    assert not set(names) & set(language.REFUSED)


def test_the_document_names_tests_that_exist() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.partition("## Language")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert rows
    files = Path(__file__).parents[1].rglob("test_*.py")
    known = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}
    for row in rows:
        named = row.rstrip(" |").rpartition("|")[2].strip(" `")
        assert named in known, row
