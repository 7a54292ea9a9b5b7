"""What reaches a host: round trips, become, environment, deadlines, secrets, jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_stand import run, stand

from qcluster.command import Become, Command
from qcluster.errors import ConnectionDropped
from qcluster.inventory.model import Host, Inventory
from qcluster.result import Outcome
from qcluster.secret import Secret


def test_a_command_costs_one_round_trip(tmp_path: Path) -> None:
    ran = run(tmp_path, "  - command: uptime\n")
    assert [command.argv for command in ran.fleet["h1"].ran] == [("uptime",)]
    assert ran.statuses() == ["changed"]


def test_in_check_mode_nothing_runs_but_what_says_so(tmp_path: Path) -> None:
    ran = run(tmp_path, "  - command: one\n  - command: two\n    check_mode: false\n", check=True)
    assert [command.argv for command in ran.fleet["h1"].ran] == [("two",)]
    assert ran.statuses() == ["skipped", "changed"]


def test_become_goes_with_every_command_and_variables_win_over_keywords(tmp_path: Path) -> None:
    text = "  - command: a\n    become: true\n    become_user: {user}\n  - command: b\n"
    plain = run(tmp_path, text.format(user="alice"))
    assert [command.become for command in plain.fleet["h1"].ran] == [Become(user="alice"), None]
    hosts = stand("h1", ansible_become=True, ansible_become_user="bob", ansible_become_password="pw")
    told = run(tmp_path, text.format(user="alice"), hosts)
    assert [command.become for command in told.fleet["h1"].ran] == [Become("bob", Secret("pw"))] * 2


def test_a_delegated_task_becomes_as_its_target_says(tmp_path: Path) -> None:
    hosts = Inventory("", {"h1": Host("h1"), "h2": Host("h2", {"ansible_become": True})}, stand("h1", "h2").groups)
    ran = run(tmp_path, "  - command: a\n    delegate_to: h2\n    run_once: true\n", hosts)
    assert not ran.fleet["h1"].ran
    assert [command.become for command in ran.fleet["h2"].ran] == [Become()]


def test_environment_adds_up_and_the_inner_entry_wins(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """\
- hosts: all
  gather_facts: false
  environment: {A: play, B: "{{ 1 + 1 }}"}
  tasks:
    - command: x
      environment: {A: task, C: "{{ none_such | default(omit) }}"}
""",
    )
    assert ran.fleet["h1"].ran[0].env == {"A": "task", "B": "2"}


def test_a_secret_never_enters_an_environment(tmp_path: Path) -> None:
    ran = run(tmp_path, '  - command: x\n    environment: {KEY: "{{ key }}"}\n', stand("h1", key=Secret("s3cret")))
    assert ran.statuses() == ["failed"] and not ran.fleet["h1"].ran
    assert "KEY is a secret" in ran.messages()[0]


def test_timeout_is_the_hosts_to_enforce(tmp_path: Path) -> None:
    ran = run(tmp_path, "  - command: x\n    timeout: 7\n", answer=lambda command: Outcome(command, 124))
    assert ran.fleet["h1"].ran[0].timeout == 7
    assert ran.messages() == ["Timed out after 7 second(s)."]


def test_no_log_hides_results_in_events_but_not_in_registered_values(tmp_path: Path) -> None:
    text = """\
  - command: x
    no_log: true
    register: r
  - debug: {msg: "{{ r.stdout | length }}"}
  - command: y
    no_log: true
    loop: [canary]
"""
    ran = run(tmp_path, text, answer=lambda command: Outcome(command, 0, b"canary"))
    assert ran.messages()[1] == 6
    assert ran.values()[0] == {
        "censored": "the output has been hidden due to the fact that 'no_log: true' was specified for this result",
        "changed": True,
        "failed": False,
    }
    assert "canary" not in repr([event for event in ran.events if getattr(event, "label", None) is None])
    assert all(command.secret for command in ran.fleet["h1"].ran)


def test_the_label_of_a_hidden_item_is_hidden(tmp_path: Path) -> None:
    ran = run(tmp_path, "  - debug: {msg: x}\n    no_log: true\n    loop: [canary]\n")
    assert "canary" not in repr(ran.events)


def test_a_dropped_connection_is_a_value_and_the_other_host_goes_on(tmp_path: Path) -> None:
    def answer(command: Command) -> Outcome:
        raise ConnectionDropped("h1", "lost while it ran")

    ran = run(
        tmp_path,
        "  - command: x\n    when: inventory_hostname == 'h1'\n  - debug: {msg: on}\n",
        stand("h1", "h2"),
        answer,
    )
    assert (ran.statuses("h1"), ran.statuses("h2"), ran.exit) == (["unreachable"], ["skipped", "ok"], 3)


@pytest.mark.parametrize("poll", [0, 1])
def test_async_detaches_on_the_host(tmp_path: Path, poll: int) -> None:
    def answer(command: Command) -> Outcome:
        status = b"finished 0 2 3 0\n{}out\nend\n"
        return Outcome(command, 0, b"/state/j1" if b"sleep" in command.stdin else status)

    text = f"  - command: sleep 100\n    async: 60\n    poll: {poll}\n    register: r\n"
    ran = run(tmp_path, text, stand("h1", qcluster_state_dir="/state"), answer)
    began = ran.fleet["h1"].ran[0]
    assert began.argv[-1] == "60" and "setsid" in began.argv[2] and began.argv[4].startswith("/state/async/j")
    assert began.stdin.endswith(b"( sleep 100 ) </dev/null || exit\n")
    values = ran.values()[0]
    assert (values["started"], values["finished"]) == (True, bool(poll))
    assert values.get("stdout") == ("out" if poll else None)


def test_a_text_from_a_host_is_never_rendered(tmp_path: Path) -> None:
    text = '  - command: x\n    register: r\n  - debug: {msg: "{{ r.stdout }}"}\n'
    ran = run(tmp_path, text, answer=lambda command: Outcome(command, 0, b"{{ inventory_hostname }}"))
    assert ran.messages()[1] == "{{ inventory_hostname }}"
