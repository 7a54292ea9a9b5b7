"""A run as a whole: exit codes, interruption, fatal reports, questions, batches, events."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from engine_stand import run, stand

from qcluster.command import Command
from qcluster.engine.run import batch_size, batches, ordered
from qcluster.errors import ConnectionRefused, InputError, QclusterError
from qcluster.events import HostRetrying, ItemFinished, PlayStarted, RunFinished, RunStarted, TaskStarted
from qcluster.modules import table
from qcluster.modules.base import Call, Reach, Report, Spec
from qcluster.result import Outcome


def test_events_tell_the_run_in_order(tmp_path: Path) -> None:
    ran = run(tmp_path, '  - name: "say {{ inventory_hostname }}"\n    debug: {msg: x}\n    loop: [1]\n')
    kinds = [type(event).__name__ for event in ran.events]
    assert kinds == [
        "RunStarted", "PlayStarted", "TaskStarted", "HostStarted", "ItemFinished", "HostFinished", "PlayFinished",
        "RunFinished",
    ]  # fmt: skip
    assert ran.of(TaskStarted)[0].task == "say h1"
    assert ran.of(RunStarted)[0].hosts == ran.of(PlayStarted)[0].hosts == ("h1",)
    assert ran.of(ItemFinished)[0].label == "1"


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ("debug: {msg: x}", 0),
        ("fail: {msg: x}", 1),
        ("command: gone", 3),
        ("fail: {msg: x}\n    ignore_errors: true", 0),
    ],
)
def test_exit_codes(tmp_path: Path, task: str, code: int) -> None:
    def answer(command: Command) -> Outcome:
        raise ConnectionRefused("h1", "refused")

    assert run(tmp_path, f"  - {task}\n", answer=answer).exit == code


def test_unreachable_outweighs_failed(tmp_path: Path) -> None:
    def answer(command: Command) -> Outcome:
        raise ConnectionRefused("h1", "refused")

    text = "  - fail: {msg: x}\n    when: inventory_hostname == 'h2'\n  - command: x\n"
    assert run(tmp_path, text, stand("h1", "h2"), answer).exit == 3


class Fatal:
    """An action that ends the run for everybody."""

    spec = Spec()
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        return Report(failed="it does not serve", fatal=4)


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_fatal_report_ends_the_run_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    monkeypatch.setattr(table, "lookup", lambda name: Fatal() if name == "ping" else None)
    text = f"- hosts: all\n  gather_facts: false\n  strategy: {strategy}\n  tasks:\n    - ping:\n    - ping:\n"
    ran = run(tmp_path, text)
    assert (ran.exit, ran.statuses()) == (4, ["failed"])


def test_a_task_to_start_at_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--start-at-task Secnd: no such task \(did you mean 'Second'\?\)"):
        run(tmp_path, "  - {name: First, debug: }\n  - {name: Second, debug: }\n", start_at_task="Secnd")


def test_the_recap_is_in_the_order_of_the_inventory(tmp_path: Path) -> None:
    assert list(run(tmp_path, "  - debug:\n", stand("h10", "h2", "a")).recap) == ["h10", "h2", "a"]


def test_ctrl_c_starts_nothing_more_and_exits_130(tmp_path: Path) -> None:
    cancelled = threading.Event()

    def answer(command: Command) -> Outcome:
        raise KeyboardInterrupt

    ran = run(tmp_path, "  - command: a\n  - command: b\n", answer=answer, cancelled=cancelled)
    assert cancelled.is_set() and ran.exit == 130
    assert [command.argv for command in ran.fleet["h1"].ran] == [("a",)]
    assert ran.of(RunFinished)[0].exit == 130


def test_step_asks_before_each_task_until_told_to_continue(tmp_path: Path) -> None:
    answers, asked = iter(["n", "y", "c"]), list[str]()

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    text = "".join(f"  - name: t{number}\n    debug: {{msg: {number}}}\n" for number in range(4))
    ran = run(tmp_path, text, step=True, ask=ask)
    assert ran.messages() == [1, 2, 3]
    assert asked[0] == "Perform task: t0 (N)o/(y)es/(c)ontinue: " and len(asked) == 3


def test_retries_are_told(tmp_path: Path) -> None:
    slept: list[float] = []
    text = "  - command: x\n    register: r\n    until: r.rc == 0\n    retries: 2\n    delay: 3\n"
    ran = run(tmp_path, text, answer=lambda command: Outcome(command, 1), sleep=slept.append)
    assert [(event.attempt, event.retries) for event in ran.of(HostRetrying)] == [(1, 2), (2, 2)]
    assert slept == [3, 3] and ran.values()[0]["attempts"] == 2


def test_facts_known_before_the_run_lie_below_play_variables(tmp_path: Path) -> None:
    text = """\
- hosts: all
  gather_facts: false
  vars: {b: play}
  tasks: [{debug: {msg: "{{ a }} {{ b }} {{ ansible_facts.a }}"}}]
"""
    assert run(tmp_path, text, facts={"h1": {"a": "fact", "b": "fact"}}).messages() == ["fact play fact"]


def test_forks_limits_hosts_at_the_same_time(tmp_path: Path) -> None:
    now, most, lock = [0], [0], threading.Lock()

    def answer(command: Command) -> Outcome:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1
        return Outcome(command, 0)

    run(tmp_path, "  - command: x\n", stand(*"abcdefgh"), answer, forks=2)
    assert most == [2]


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_throttle_limits_one_task(tmp_path: Path, strategy: str) -> None:
    now, most, lock = [0], [0], threading.Lock()

    def answer(command: Command) -> Outcome:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1
        return Outcome(command, 0)

    text = f"- hosts: all\n  gather_facts: false\n  strategy: {strategy}\n  tasks: [{{command: x, throttle: 2}}]\n"
    ran = run(tmp_path, text, stand(*"abcdefgh"), answer)
    assert most == [2] and len(ran.results) == 8


def test_an_unexpected_error_of_a_module_fails_its_host_only(tmp_path: Path) -> None:
    def answer(command: Command) -> Outcome:
        raise ZeroDivisionError("a bug")

    ran = run(tmp_path, "  - command: x\n    when: inventory_hostname == 'h1'\n", stand("h1", "h2"), answer)
    assert ran.statuses("h1") == ["failed"] and ran.statuses("h2") == ["skipped"]
    assert "ZeroDivisionError: a bug" in ran.messages("h1")[0]


def test_unknown_hosts_are_bad_input_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        run(tmp_path, "  - command: x\n", limit="nobody")


def test_a_handler_of_a_templated_name_that_nobody_defined_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(QclusterError, match=r"site.yml:4: notify: the play has no handler named 'gone'"):
        run(tmp_path, "  - command: x\n    notify: \"{{ 'gone' }}\"\n")


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [
        ((), [10]),
        ((3,), [3, 3, 3, 1]),
        ((1, 3), [1, 3, 3, 3]),
        (("30%",), [3, 3, 3, 1]),
        (("5%",), [1] * 10),
        ((0,), [10]),
    ],
)
def test_serial(sizes: tuple[Any, ...], lengths: list[int]) -> None:
    hosts = tuple("abcdefghij")
    found = list(batches(hosts, sizes))
    assert [len(batch) for batch in found] == lengths
    assert tuple(host for batch in found for host in batch) == hosts


def test_a_share_is_at_least_one_host() -> None:
    assert batch_size("1%", 10) == 1


@pytest.mark.parametrize(
    ("order", "expected"),
    [("inventory", "bca"), ("reverse_inventory", "acb"), ("sorted", "abc"), ("reverse_sorted", "cba")],
)
def test_order(order: str, expected: str) -> None:
    assert "".join(ordered(("b", "c", "a"), order)) == expected
    assert sorted(ordered(("b", "c", "a"), "shuffle")) == ["a", "b", "c"]
