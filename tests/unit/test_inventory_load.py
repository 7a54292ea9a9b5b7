"""Inventories as values: origins, precedence, and every mistake at once with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcluster.errors import InputError
from qcluster.inventory import load

GOOD = """\
all:
  vars: {tp: 1, dp: 4}
  children:
    prefill:
      vars:
        tp: 2
      hosts:
        p1: {ansible_host: 10.0.0.1, kv_port: 22:22}
    decode:
      hosts: {d1: }
"""


def written(tmp_path: Path, text: str, name: str = "hosts.yaml") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(path)
    assert caught.value.exit_code == 2
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


def test_a_host_knows_where_each_value_comes_from(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    written(tmp_path, "tp: 8\n", "group_vars/prefill.yml")
    host = load(path, extra={"dp": 9}).hosts["p1"]
    assert (host.variables["tp"], host.variables["dp"], host.groups) == (8, 9, ("prefill",))
    assert [(origin.level, origin.line, origin.value) for origin in host.origins["tp"]] == [
        ("all", 2, 1),
        ("prefill", 6, 2),
        ("prefill", 1, 8),
    ]
    assert host.origins["tp"][-1].file == str(tmp_path / "group_vars" / "prefill.yml")
    assert host.origins["dp"][-1].level == "extra"
    assert host.origins["kv_port"][-1].written == "22:22"


def test_groups_hold_their_own_and_their_childrens_hosts(tmp_path: Path) -> None:
    groups = load(written(tmp_path, GOOD)).groups
    assert groups["all"].hosts == ("p1", "d1")
    assert groups["all"].children == ("ungrouped", "prefill", "decode")
    assert groups["prefill"].variables == {"tp": 2}
    assert groups["ungrouped"].hosts == ()


def test_groups_are_nearest_first(tmp_path: Path) -> None:
    text = "all: {children: {a: {children: {b: {children: {c: {hosts: {h: }}}}}}, z: {hosts: {h: }}}}\n"
    assert load(written(tmp_path, text)).hosts["h"].groups == ("c", "b", "z", "a")


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    text = """\
all:
  host: {h1: }
  hosts:
    - h2
  children:
    prefill:
      hosts:
        a[4:1]:
        b[1:x]:
        c: 5
        d[1:2:
      vars: [a]
      var: {x: 1}
    decode: {p1: {}}
    loop: {children: {loop2: {children: {loop: }}}}
    self: {children: {self: }}
    ranked: {vars: {ansible_group_priority: high}}
scalar: 5
"""
    assert problems(written(tmp_path, text)) == [
        "hosts.yaml:2: all: unknown key 'host' (did you mean 'hosts'?)",
        "hosts.yaml:4: all.hosts: is a mapping, not a list (each one is a key with a colon: `name:`)",
        "hosts.yaml:8: all.children.prefill.hosts.a[4:1]: [4:1] is empty: it ends before it begins",
        "hosts.yaml:9: all.children.prefill.hosts.b[1:x]: [1:x] is neither a range of numbers nor of single letters",
        "hosts.yaml:10: all.children.prefill.hosts.c: the variables of a host are a mapping",
        "hosts.yaml:11: all.children.prefill.hosts.d[1:2: a bracket is not closed",
        "hosts.yaml:12: all.children.prefill.vars: is a mapping, not a list (each one is a key with a colon: `name:`)",
        "hosts.yaml:13: all.children.prefill: unknown key 'var' (did you mean 'vars'?)",
        "hosts.yaml:14: all.children.decode: unknown key 'p1' "
        "(hosts stand under decode.hosts, groups under decode.children)",
        "hosts.yaml:15: all.children.loop.children.loop2.children: group 'loop' would contain itself",
        "hosts.yaml:16: all.children.self.children: group 'self' would contain itself",
        "hosts.yaml:17: ranked.vars: ansible_group_priority is a whole number",
        "hosts.yaml:18: scalar: a group is a mapping of hosts, children and vars",
    ]


def test_mistakes_of_several_files_come_together(tmp_path: Path) -> None:
    written(tmp_path, "all: {hosts: {h: }}\n", "inv/a.yaml")
    written(tmp_path, "all: [1]\n", "inv/b.yaml")
    written(tmp_path, "[group]\nhost\n", "inv/c.ini")
    written(tmp_path, "x: 1\nx: 2\n", "inv/group_vars/all.yml")
    written(tmp_path, "- a list\n", "inv/host_vars/h.yml")
    assert problems(tmp_path / "inv") == [
        "inv/b.yaml:1: all: a group is a mapping of hosts, children and vars",
        "inv/c.ini: only YAML inventories are read (.yml, .yaml, .json)",
        "inv/group_vars/all.yml:2: duplicate key 'x' (first on line 1; the later one would win unseen)",
        "inv/host_vars/h.yml:1: variables are a mapping of name to value",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[prefill]\np1\n", "this looks like an INI file"),
        ("plugin: aws_ec2\n", "inventory plugins are not supported"),
        ("- a\n", "an inventory is a mapping of groups"),
        ("all:\n\thosts:\n", "a tab indents this line"),
        ("all: {vars: {x: !secret 1}}\n", "unknown tag !secret"),
        ("all: {vars: {x: {{ y }} }}\n", "quote a value that begins with {{"),
    ],
)
def test_a_file_that_is_no_inventory_says_so(tmp_path: Path, text: str, message: str) -> None:
    assert message in "\n".join(problems(written(tmp_path, text)))


def test_a_missing_inventory_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such inventory"):
        load(tmp_path / "nope.yaml")


def test_an_empty_inventory_has_no_hosts(tmp_path: Path) -> None:
    assert dict(load(written(tmp_path, "")).hosts) == {}
