"""One host's way through a play: the order of tasks, and what a failure does to it. No host, no thread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcluster.engine.chosen import by_tags, chooser
from qcluster.engine.variables import HostMemory, Rendered, View
from qcluster.engine.walk import Answer, Brought, Walk
from qcluster.playbook import Library
from qcluster.playbook.handlers import find
from qcluster.playbook.model import Block, Node, Play, Scope, Task, Where


def task(name: str, **more: object) -> Task:
    scope = Scope(handler=bool(more.pop("handler", False)))
    return Task(name, name, Where(), str(more.pop("module", "debug")), more.pop("args", {}), scope, scope, **more)  # type: ignore[arg-type]


def walk(*nodes: Node, handlers: tuple[Task, ...] = ()) -> Walk:
    from pathlib import Path

    play = Play(Library(Path()), ".", "p", Where(), "all", Scope(), sections=((), tuple(nodes), ()), handlers=handlers)
    return Walk(play, handlers, chooser((), (), None), None, find)


def names(walk: Walk, failing: str = "", notify: str = "") -> tuple[list[str], bool]:
    """The tasks in order, where those in `failing` fail and the first notifies; and whether the host failed."""
    steps, seen = walk.steps(), list[str]()
    answer: Answer | None = None
    while True:
        try:
            step = steps.send(answer) if answer else next(steps)
        except StopIteration as end:
            return seen, end.value
        seen.append(step.task.name)
        for name in notify.split() if len(seen) == 1 else ():
            assert walk.notify(name)
        answer = Answer(failed=step.task.name in failing.split())


BLOCK = Block((task("a"), task("b")), (task("r"),), (task("z"),))


@pytest.mark.parametrize(
    ("failing", "seen", "failed"),
    [
        ("", "a b z e", False),
        ("a", "a r z e", False),
        ("b r", "a b r z", True),
        ("z", "a b z", True),
        ("e", "a b z e", True),
    ],
)
def test_block_rescue_always(failing: str, seen: str, failed: bool) -> None:
    assert names(walk(BLOCK, task("e")), failing) == (seen.split(), failed)


def test_a_failure_in_a_block_without_rescue_reaches_the_one_around_it() -> None:
    inner = Block((task("i"),), (), (task("ia"),))
    assert names(walk(Block((inner, task("n")), (task("r"),)), task("e")), "i") == (["i", "ia", "r", "e"], False)


def test_steps_say_whether_a_failure_is_rescued() -> None:
    steps = walk(Block((task("a"),), (task("r"),), (task("z"),))).steps()
    first = next(steps)
    assert first.rescued
    assert not steps.send(Answer(failed=True)).rescued


def test_keys_order_the_tasks_of_a_play() -> None:
    steps, keys = walk(BLOCK, task("e")).steps(), []
    step = next(steps)
    try:
        while True:
            keys.append(step.key)
            step = steps.send(Answer(failed=step.task.name == "a"))
    except StopIteration:
        pass
    assert keys == sorted(keys) and len(set(keys)) == len(keys)


def test_what_an_include_brings_comes_next_with_its_variables() -> None:
    steps = walk(task("i"), task("e")).steps()
    next(steps)
    step = steps.send(Answer(brought=(Brought((task("x"),), {"v": 1}, 0),)))
    assert (step.task.name, step.params) == ("x", {"v": 1})
    assert steps.send(Answer()).task.name == "e"


def test_handlers_run_once_in_the_order_of_their_list() -> None:
    handlers = (task("h1", handler=True), task("h2", handler=True, listen=("topic",)), task("h3", handler=True))
    one = walk(task("a"), handlers=handlers)
    assert not one.notify("nobody")
    assert names(one, notify="h3 topic h3 h1") == (["a", "h1", "h2", "h3"], False)


def test_a_host_that_failed_runs_no_handlers() -> None:
    one = walk(task("a"), handlers=(task("h", handler=True),))
    assert names(one, "a", notify="h") == (["a"], True)


def test_a_role_runs_once_on_a_host_unless_it_was_skipped() -> None:
    role = Block((task("t"),), once="web")
    assert names(walk(role, role))[0] == ["t"]
    steps = walk(role, role).steps()
    next(steps)
    assert steps.send(Answer(ran=False)).task.name == "t"


@pytest.mark.parametrize(
    ("tags", "only", "skip", "runs"),
    [
        ("", "", "", True),
        ("never", "", "", False),
        ("never a", "a", "", True),
        ("never a", "never", "", True),
        ("never", "all", "", False),
        ("always", "b", "", True),
        ("always", "b", "always", False),
        ("a", "tagged", "", True),
        ("", "tagged", "", False),
        ("a", "untagged", "", False),
        ("", "untagged", "", True),
        ("a b", "a", "b", False),
        ("a", "", "all", False),
        ("always", "", "all", True),
        ("a", "", "tagged", False),
        ("", "", "untagged", False),
    ],
)
def test_tags(tags: str, only: str, skip: str, runs: bool) -> None:
    assert by_tags(frozenset(tags.split()), only.split(), skip.split()) is runs


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers()), max_size=4))
def test_a_view_is_its_layers_merged(layers: list[dict[str, int]]) -> None:
    merged: dict[str, int] = {}
    for layer in reversed(layers):
        merged.update(layer)
    view = View(*layers)
    assert dict(view.items()) == merged and len(view) == len(merged)
    assert all((name in view) == (name in merged) and view.get(name) == merged.get(name) for name in "abcd")


def test_values_are_rendered_when_they_are_read() -> None:
    rendered = Rendered(View({"a": "{{ b }}", "b": "{{ c + 1 }}", "c": 1, "bad": "{{ gone }}"}))
    assert rendered["a"] == 2 and "bad" in rendered and rendered.get("nothing") is None


def test_facts_are_seen_with_and_without_their_prefix() -> None:
    memory = HostMemory({"ansible_system": "Linux"})
    memory.learn({"own": 1})
    assert memory.facts == {"ansible_system": "Linux", "own": 1, "ansible_facts": {"system": "Linux", "own": 1}}
