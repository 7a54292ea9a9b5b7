"""Ranges of host names, ports at their end, and the parts of patterns."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcluster.errors import InputError
from qcluster.inventory import load
from qcluster.inventory.folding import folded, told
from qcluster.inventory.model import Inventory
from qcluster.inventory.patterns import select, split, unmatched
from qcluster.inventory.ranges import expand, split_port


@given(st.integers(0, 300), st.integers(0, 40), st.integers(1, 7), st.integers(0, 4))
def test_a_numeric_range_is_pythons_range_with_leading_zeros(first: int, more: int, step: int, width: int) -> None:
    low, high = str(first).zfill(width), str(first + more).zfill(width)
    if low.startswith("0") and len(low) > 1 and len(low) != len(high):
        with pytest.raises(ValueError, match="as many digits"):
            list(expand(f"n[{low}:{high}]"))
        return
    pad = len(low) if low.startswith("0") and len(low) > 1 else 0
    wanted = [f"n{number:0{pad}d}-x" for number in range(first, first + more + 1, step)]
    assert list(expand(f"n[{low}:{high}:{step}]-x")) == wanted


@given(st.lists(st.integers(1, 3), max_size=3))
def test_several_ranges_multiply(sizes: list[int]) -> None:
    pattern = "h" + "".join(f"-[1:{size}]" for size in sizes)
    names = list(expand(pattern))
    product = 1
    for size in sizes:
        product *= size
    assert len(names) == len(set(names)) == product


@pytest.mark.parametrize(
    "pattern", ["a[", "a]", "a[1]", "a[1:]", "a[x:10]", "a[1:3:0]", "a[1:3:x]", "a[1:2:3:4]", "a[c:a]"]
)
def test_a_broken_range_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        list(expand(pattern))


def test_letters_and_open_beginnings() -> None:
    assert list(expand("r[a:e:2]")) == ["ra", "rc", "re"]
    assert list(expand("n[:2]")) == ["n0", "n1", "n2"]


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("host", "host", None),
        ("host:22", "host", 22),
        ("a[1:2]", "a[1:2]", None),
        ("a[1:2]:22", "a[1:2]", 22),
        ("2001:db8::1", "2001:db8::1", None),
        ("[2001:db8::1]:22", "2001:db8::1", 22),
        ("[2001:db8::1]", "2001:db8::1", None),
    ],
)
def test_a_port_is_split_from_its_host(text: str, name: str, port: int | None) -> None:
    assert split_port(text) == (name, port)


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    path = tmp_path_factory.mktemp("inv") / "hosts.yaml"
    path.write_text("prefill: {hosts: {'p[1:4]': }}\ndecode: {hosts: {'d[1:2]': }}\n", encoding="utf-8")
    return load(path)


def test_a_limit_narrows_and_may_come_from_a_file(
    inventory: Inventory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    listed = tmp_path_factory.mktemp("limit") / "retry"
    listed.write_text("p2\n\nd1\n", encoding="utf-8")
    assert select(inventory, "all", "prefill:!p1") == ("p2", "p3", "p4")
    assert select(inventory, "all", f"@{listed}") == ("p2", "d1")
    assert select(inventory, ["decode", "p1"], "p1,d2") == ("d2", "p1")
    with pytest.raises(InputError, match="limit"):
        select(inventory, "all", "@/nowhere/at/all")


def test_a_range_of_names_selects_them(inventory: Inventory) -> None:
    assert select(inventory, "p[2:3]") == ("p2", "p3")


def test_what_matches_nothing_is_named_with_a_guess(inventory: Inventory) -> None:
    assert unmatched(inventory, "prefil:d1:!zzz") == ("prefil did you mean 'prefill'?", "zzz")
    assert unmatched(inventory, "all:!ungrouped") == ()


@pytest.mark.parametrize("pattern", ["~[", "~(", "prefill[9]", "!", "p1:&"])
def test_a_broken_pattern_is_bad_input(inventory: Inventory, pattern: str) -> None:
    with pytest.raises(InputError):
        select(inventory, pattern)


NAMES = st.lists(st.sampled_from(["p1", "p2", "prefill", "decode", "d*", "all"]), min_size=1, max_size=3)


@given(NAMES, NAMES)
def test_intersection_and_exclusion_part_a_pattern_in_two(left: list[str], right: list[str]) -> None:
    path_independent = Inventory("x", {}, {})
    assert select(path_independent, ":".join(left)) == ()
    assert split(",".join(left)) == split(":".join(left)) == left


@given(NAMES, st.sampled_from(["p1", "prefill", "decode", "d*"]))
def test_and_plus_not_give_the_whole(inventory: Inventory, left: list[str], part: str) -> None:
    whole = set(select(inventory, left))
    inside, outside = set(select(inventory, [*left, f"&{part}"])), set(select(inventory, [*left, f"!{part}"]))
    assert inside | outside == whole
    assert not inside & outside


NUMBERED = st.builds(
    "{}{}{}".format, st.sampled_from(["p", "d-", "a3-n"]), st.integers(0, 30), st.sampled_from(["", "x"])
)
PADDED = st.builds("{}{:03d}.dc1".format, st.sampled_from(["p", "d-"]), st.integers(0, 999))
ADDRESSES = st.builds("10.0.0.{}".format, st.integers(0, 255))


@given(st.lists(NUMBERED | PADDED | ADDRESSES | st.just("proxy") | st.just("fe80::1"), max_size=40), st.booleans())
def test_folded_names_expand_to_the_same(names: list[str], in_order: bool) -> None:
    written = sorted(names) if in_order else names
    words = list(folded(written))
    assert [name for word, _ in words for name in expand(word)] == written
    assert [count for _, count in words] == [len(list(expand(word))) for word, _ in words]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (expand("p[001:100]"), "p[001:100]"),
        ([*expand("d[1:199:2]"), "proxy"], "d[1:199:2], proxy"),
        (expand("n[8:12].rack1.example.org"), "n[8:12].rack1.example.org"),
        (["p1", "p2", "p3"], "p1, p2, p3"),
        (expand("10.1.0.[9:12]"), "10.1.0.[9:12]"),
        (expand("web-[a:z]"), "web-a, web-b, web-c, web-d, web-e, web-f, web-g, web-h and 18 more"),
        ([], ""),
    ],
)
def test_many_names_are_told_in_few_words(names: Iterable[str], text: str) -> None:
    assert told(names) == text
