"""YAML with places: what Ansible would read, where it stands, and what is refused."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qcluster.errors import InputError
from qcluster.schema import (
    NOWHERE,
    Place,
    Unsafe,
    did_you_mean,
    item_place,
    key_place,
    load_yaml,
    place,
    trap,
    written,
)

FILE = Path("dir/file.yml")


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_yaml(FILE, text)
    return [str(problem) for problem in caught.value.problems]


TEXT = """\
# a comment
top: value
mapping:
  key: &anchor {a: 1, b: [x, 2]}
  other: *anchor
list:
  - one
  - 22:22
  - {c: no}
"""


def test_everything_knows_its_place() -> None:
    data = load_yaml(FILE, TEXT)
    assert place(data) == Place("dir/file.yml", 2)
    assert place(data["top"]).line == 2
    assert key_place(data, "mapping").line == 3 and item_place(data, "mapping").line == 4
    assert place(data["mapping"]["key"]["b"]).line == 4
    assert key_place(data["mapping"], "other").line == 5
    assert place(data["list"][0]).line == 7 and item_place(data["list"], 1).line == 8
    assert str(key_place(data["list"][2], "c")) == "dir/file.yml:9"
    assert place(7) == NOWHERE == key_place({}, "x") == item_place([], 0)


def test_the_values_are_plain_to_everybody_else() -> None:
    data = load_yaml(FILE, TEXT)
    assert json.loads(json.dumps(data)) == yaml.safe_load(TEXT)
    assert isinstance(data, dict) and isinstance(data["list"], list) and isinstance(data["top"], str)
    assert copy.deepcopy(data) == data
    assert pickle.loads(pickle.dumps(data)) == data


def test_traps_are_told_by_what_was_written() -> None:
    data = load_yaml(FILE, "a: no\nb: 22:22\nc: 010\nd: 'no'\ne: 10\nf: [on, 1:30]\ng: {<<: {h: Off}}\n")
    assert trap(data, "a") == "YAML reads no as false; quote it: 'no'"
    assert "base 60" in trap(data, "b") and "octal" in trap(data, "c")
    assert trap(data, "d") == "" == trap(data, "e")
    assert "true" in trap(data["f"], 0) and "base 60" in trap(data["f"], 1)
    assert trap(data["g"], "h").startswith("YAML reads Off as false")
    assert written(data, "b") == "22:22"


def test_all_mistakes_come_at_once() -> None:
    text = "a: 1\nb: {c: 1, c: 2}\na: 3\nd: !secret x\ne: !!python/object:os.system y\n[1, 2]: z\n"
    assert problems(text) == [
        "dir/file.yml:2: b: duplicate key 'c' (first on line 2; the later one would win unseen)",
        "dir/file.yml:3: duplicate key 'a' (first on line 1; the later one would win unseen)",
        "dir/file.yml:4: d: unknown tag !secret",
        "dir/file.yml:5: e: unknown tag tag:yaml.org,2002:python/object:os.system",
        "dir/file.yml:6: a mapping key is a text or a number, not a list or a mapping",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1\n", "a tab indents this line"),
        ("a: {{ b }}\n", "quote a value that begins with {{"),
        ("a: b: c\n", "mapping values are not allowed"),
        ("a: [1\n", "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "one file holds one document"),
        ("a: *nope\n", "is not valid YAML"),
        ("a: &a [1, *a]\n", "contains itself"),
        ("<<: 5\n", "<< merges a mapping"),
        ("a: !unsaf x\n", "did you mean '!unsafe'?"),
        ("a: 2026-13-45\n", "cannot be read"),
    ],
)
def test_a_broken_file_says_where_and_what_to_do(text: str, message: str) -> None:
    assert message in "\n".join(problems(text))


def test_files_that_cannot_be_read_are_bad_input(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"a: \xff\n")
    for name, message in (("nope", "cannot be read"), ("latin", "not UTF-8"), ("", "cannot be read")):
        with pytest.raises(InputError, match=message):
            load_yaml(tmp_path / name)


def test_an_empty_file_is_none_and_a_byte_order_mark_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_yaml(tmp_path / "bom") == {"a": 1}
    assert load_yaml(FILE, "# only a comment\n") is None


def test_tags_are_functions_of_their_text() -> None:
    data = load_yaml(
        FILE, "a: !up x\nb: !unsafe '{{ y }}'\n", tags={"!up": lambda tag, text: (tag, text.upper(), place(text).line)}
    )
    assert data["a"] == ("!up", "X", 1)
    assert isinstance(data["b"], Unsafe)


def test_a_near_word_is_proposed() -> None:
    assert did_you_mean("hosst", ["hosts", "vars"]) == "did you mean 'hosts'?"
    assert did_you_mean("zzz", ["hosts"]) == ""


SCALARS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.text("ab: {}#'\"\n-é汉", max_size=8)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(TREES)
def test_it_reads_what_pyyaml_reads(tree: Any) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    assert load_yaml(FILE, text) == yaml.safe_load(text)


@given(st.lists(st.sampled_from(["k", "l"]), min_size=1, max_size=6), st.integers(0, 3))
def test_lines_of_keys_are_counted_right(kinds: list[str], blank: int) -> None:
    lines = ["# comment"] * blank
    for number, kind in enumerate(kinds):
        lines += [f"key{number}:", "  - item"] if kind == "l" else [f"key{number}: value"]
    data = load_yaml(FILE, "\n".join(lines) + "\n")
    for number in range(len(kinds)):
        assert lines[key_place(data, f"key{number}").line - 1].startswith(f"key{number}:")
