"""`qcluster run`, `exec` and `docs` as programs: exit code, stdout, stderr."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from qcluster.playbook.language import MAGIC

INVENTORY = """\
all:
  vars: {ansible_connection: local}
  hosts: {a: {n: 1}, b: {n: 2}}
"""
PLAYBOOK = """\
- name: A play
  hosts: all
  gather_facts: false
  tags: play
  tasks:
    - name: First
      debug: {msg: "{{ greeting | default('none') }}"}
      tags: one
    - name: Second
      fail: {msg: two}
      when: n == 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yaml").write_text(INVENTORY)
    (tmp_path / "site.yml").write_text(PLAYBOOK)
    return tmp_path


def qcluster(folder: Path, *words: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "qcluster", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_run_tells_each_task_and_the_recap(folder: Path) -> None:
    code, out, err = qcluster(folder, "run", "site.yml", "-i", "hosts.yaml", "-e", "greeting=hello")
    assert code == 1
    assert "hello" in out + err and "failed=1" in out + err


def test_run_gives_json(folder: Path) -> None:
    code, out, _ = qcluster(folder, "run", "site.yml", "-i", "hosts.yaml", "-o", "json", "--limit", "a")
    assert code == 0
    assert json.loads(out)["recap"]["a"] | {"ok": 1, "skipped": 1} == json.loads(out)["recap"]["a"]


def test_only_the_tags_asked_for(folder: Path) -> None:
    code, out, _ = qcluster(folder, "run", "site.yml", "-i", "hosts.yaml", "-o", "json", "--tags", "one")
    assert code == 0
    assert [task["task"] for play in json.loads(out)["plays"] for task in play["tasks"]] == ["First"]


def test_lists_touch_no_host(folder: Path) -> None:
    code, out, _ = qcluster(
        folder, "run", "site.yml", "-i", "hosts.yaml", "--list-hosts", "--list-tasks", "--list-tags"
    )
    assert code == 0
    assert out.splitlines() == [
        "",
        "playbook: site.yml",
        "",
        "  play #1 (all): A play\tTAGS: [play]",
        "    pattern: ['all']",
        "    hosts (2):",
        "      a",
        "      b",
        "    tasks:",
        "      First\tTAGS: [one, play]",
        "      Second\tTAGS: [play]",
        "      TASK TAGS: [one, play]",
    ]


def test_a_syntax_check_is_quiet_and_a_mistake_exits_2(folder: Path) -> None:
    assert qcluster(folder, "run", "site.yml", "-i", "hosts.yaml", "--syntax-check")[0] == 0
    (folder / "bad.yml").write_text("- hosts: all\n  task: []\n")
    code, out, err = qcluster(folder, "run", "bad.yml", "-i", "hosts.yaml", "--syntax-check")
    assert (code, out) == (2, "")
    assert "bad.yml:2: task: unknown keyword of a play (did you mean 'tasks'?)" in err


def test_exec_shows_hosts_in_front_and_exits_with_the_worst_code(folder: Path) -> None:
    code, out, err = qcluster(
        folder, "exec", "all", "-i", "hosts.yaml", "--", "sh", "-c", "echo out; echo err >&2; exit 5"
    )
    assert code == 5
    assert sorted(out.splitlines()) == ["a | out", "b | out"]
    assert sorted(err.splitlines()) == ["a | err", "a | exit code 5", "b | err", "b | exit code 5"]


def test_exec_on_nobody_is_bad_input(folder: Path) -> None:
    code, out, err = qcluster(folder, "exec", "all:!all", "-i", "hosts.yaml", "--", "true")
    assert (code, out, err) == (2, "", "qcluster: all:!all: no host of hosts.yaml is meant\n")


def test_exec_passes_arguments_as_given(folder: Path) -> None:
    words = ["a b", "$HOME", "'", "*", "", "-x", "汉字"]
    code, out, _ = qcluster(folder, "exec", "a", "-i", "hosts.yaml", "-o", "json", "--", "printf", "%s|", *words)
    assert code == 0
    assert json.loads(out)["a"]["stdout"] == "|".join(words) + "|"


def test_docs_of_a_module_a_keyword_and_a_role(folder: Path) -> None:
    meta = folder / "roles/web/meta"
    meta.mkdir(parents=True)
    (meta / "argument_specs.yml").write_text(
        "argument_specs:\n  main:\n    short_description: A web server\n    options:\n"
        "      port: {type: int, default: 80, description: Where it listens.}\n"
        "      tls:\n        type: dict\n        options: {cert: {required: true}}\n"
    )
    code, out, _ = qcluster(folder, "docs", "web")
    assert code == 0
    assert out.splitlines() == [
        "role web",
        "  A web server",
        "  port (int, default 80): Where it listens.",
        "  tls (dict)",
        "    cert (str, required)",
    ]
    assert "  cmd (str)" in qcluster(folder, "docs", "command")[1]
    assert qcluster(folder, "docs", "throttle")[1].startswith("throttle (keyword of a ")


def test_docs_of_nothing_known(folder: Path) -> None:
    code, _, err = qcluster(folder, "docs", "comand")
    assert (code, err) == (2, "qcluster: comand: nothing of that name is documented (did you mean 'command'?)\n")


def test_variables_beside_the_playbook_are_read_by_run_alone(folder: Path) -> None:
    from qcluster.cli.session import Choice

    (folder / "site").mkdir()
    (folder / "site/group_vars").mkdir()
    (folder / "site/group_vars/all.yml").write_text("greeting: beside\n")
    (folder / "site/site.yml").write_text(PLAYBOOK)
    assert "beside" in "".join(qcluster(folder, "run", "site/site.yml", "-i", "hosts.yaml", "--limit", "a")[1:])
    assert Choice().playbook_dir is None


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("qc101", "# QC101 PD needs a release that moves hybrid KV"),
        ("tls-mismatch", "# tls-mismatch"),
        ("device-occupied", "# device-occupied"),
        ("kv_port", "kv_port (inventory variable of a host: int): "),
        ("ansible_ssh_host", "ansible_host (connection variable): "),
        ("include_role", "include_role (a task): "),
        ("meta", "meta (a task), one of:\n  flush_handlers: "),
        ("with_items", "with_items (of Ansible; refused here): use loop"),
    ],
)
def test_docs_also_explains_rules_findings_and_variables(folder: Path, name: str, line: str) -> None:
    assert qcluster(folder, "docs", name)[1].startswith(line)


def test_variables_of_the_reference_are_always_there(folder: Path) -> None:
    named = {*MAGIC, *(word for text in MAGIC.values() for word in re.findall(r"`(\w+_\w+)`", text))}
    rescued = {"block": [{"fail": {}}], "rescue": [{"assert": {"that": "ansible_failed_result.failed"}}]}
    looped = {"assert": {"that": "ansible_loop_var == 'item' and item == 1"}, "loop": [1]}
    probe = {"debug": {"msg": "{{ [" + ", ".join(f"{one} is defined" for one in sorted(named - {"omit"})) + "] }}"}}
    tasks = [{**probe, "register": "told"}, {"assert": {"that": "told.msg is all"}}, rescued, looped]
    (folder / "magic.yml").write_text(yaml.safe_dump([{"name": "P", "hosts": "a", "tasks": tasks}]))
    code, out, err = qcluster(folder, "run", "magic.yml", "-i", "hosts.yaml", "-v")
    assert code == 0, out + err


def test_a_second_inventory_is_refused(folder: Path) -> None:
    code, _, err = qcluster(folder, "run", "site.yml", "-i", "hosts.yaml", "-i", "more.yaml", "--list-hosts")
    assert (code, "hosts.yaml and more.yaml: there is one inventory" in err) == (2, True), err
