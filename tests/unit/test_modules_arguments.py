"""Arguments of modules: strings and mappings, static checks, conversions; the table of modules."""

from __future__ import annotations

from typing import Any

import pytest

from qcluster.errors import InputError, TaskFailed
from qcluster.modules import arguments, table
from qcluster.modules.base import Call, Option, Spec
from qcluster.secret import Secret

SPEC = Spec(
    {
        "path": Option("path", required=True, aliases=("dest",)),
        "state": Option(choices=("absent", "present"), default="present"),
        "force": Option("bool", default=False),
        "count": Option("int"),
        "names": Option("list", elements="str"),
        "table": Option("dict"),
    },
    mutually_exclusive=(("count", "names"),),
)
FREE = Spec({"cmd": Option(), "chdir": Option("path"), "creates": Option("path")}, free_form="cmd")


@pytest.mark.parametrize(
    ("spec", "raw", "parsed"),
    [
        (SPEC, "path=/a state=absent", {"path": "/a", "state": "absent"}),
        (SPEC, "path='/a b' count={{ n + 1 }}", {"path": "/a b", "count": "{{ n + 1 }}"}),
        (SPEC, None, {}),
        (SPEC, {"path": "/a"}, {"path": "/a"}),
        (FREE, "echo a=b chdir=/tmp 'c  d'", {"cmd": "echo a=b 'c  d'", "chdir": "/tmp"}),
        (FREE, "echo don't  stop\nnow", {"cmd": "echo don't  stop\nnow"}),
        (FREE, "echo {{ 'creates=x' }} creates='/a b'", {"cmd": "echo {{ 'creates=x' }}", "creates": "/a b"}),
    ],
)
def test_parses(spec: Spec, raw: Any, parsed: dict[str, Any]) -> None:
    assert arguments.parse(spec, raw) == parsed


@pytest.mark.parametrize("raw", [["a"], "no pairs here"])
def test_refuses_what_cannot_be_arguments(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"name=value|mapping"):
        arguments.parse(SPEC, raw)


def test_finds_every_mistake_before_a_host_is_touched() -> None:
    given = {"paht": "/a", "state": "gone", "force": "maybe", "count": "{{ later }}", "names": ["a"]}
    found = [str(problem) for problem in arguments.check(SPEC, given, "thing")]
    assert found == [
        "thing.paht: unknown argument (did you mean path?)",
        "thing: missing required arguments: path",
        "thing: arguments are mutually exclusive: count|names",
        "thing.state: must be one of: absent, present, got: gone",
        "thing.force: 'maybe' is not a boolean (yes or no)",
    ]


def test_coerces_as_ansible_does() -> None:
    given = {"dest": "/a", "force": "yes", "count": "3", "names": "a, b", "table": "x=1 y=2"}
    with pytest.raises(TaskFailed, match="exclusive"):
        arguments.coerce(SPEC, given)
    del given["count"]
    assert arguments.coerce(SPEC, given) == {
        "path": "/a", "state": "present", "force": True, "count": None, "names": ["a", "b"],
        "table": {"x": "1", "y": "2"},
    }  # fmt: skip


def test_what_was_not_given_has_its_default() -> None:
    assert arguments.coerce(SPEC, {"path": 5})["path"] == "5"
    assert arguments.coerce(SPEC, {"path": "/a"})["state"] == "present"
    assert arguments.coerce(SPEC, {"path": "/a"})["count"] is None


@pytest.mark.parametrize("name", table.names())
def test_every_module_can_be_imported_and_says_what_it_does(name: str) -> None:
    module = table.lookup(name)
    assert module.spec.help
    assert table.is_action(module) or hasattr(module, "decide")


def test_builtin_names_mean_the_same() -> None:
    assert table.lookup("ansible.builtin.copy") is table.lookup("copy") is table.lookup("ansible.legacy.copy")


def test_an_unknown_module_has_a_suggestion() -> None:
    assert not table.known("ansible.builtin.cpoy")
    with pytest.raises(InputError, match="did you mean copy"):
        table.lookup("cpoy")


@pytest.mark.parametrize(
    ("module", "args"),
    [
        ("command", {"cmd": Secret("s3cret")}),
        ("command", {"argv": ["login", Secret("s3cret")]}),
        ("file", {"path": Secret("s3cret")}),
        ("get_url", {"url": Secret("s3cret"), "dest": "/x"}),
    ],
)
def test_a_secret_is_refused_where_others_could_see_it(module: str, args: dict[str, Any]) -> None:
    problems = arguments.check(table.lookup(module).spec, args)
    assert [problem.what for problem in problems] == ["is a secret, and everybody could see it here"]


def test_a_secret_travels_in_stdin_and_in_files() -> None:
    assert b"s3cret\n" in _steps("command", {"cmd": "login", "stdin": Secret("s3cret")})[0].stdin
    module = table.lookup("copy")
    assert arguments.coerce(module.spec, {"content": Secret("s3cret"), "dest": "/x"})["content"] == Secret("s3cret")


def _steps(name: str, args: dict[str, Any]) -> Any:
    module = table.lookup(name)
    assert not table.is_action(module)
    return module.decide(Call("host", arguments.coerce(module.spec, args), {}), None).steps
