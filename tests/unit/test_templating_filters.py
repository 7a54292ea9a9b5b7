"""Filters that have no counterpart in ansible-core, or differ from it on purpose."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcluster.templating import Templar, TemplateError
from qcluster.templating.filters import FILTERS
from qcluster.templating.filters.containers import difference, intersect, symmetric_difference, union
from qcluster.templating.versions import compare


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'10.1.2.3' | ipaddr", "10.1.2.3"),
        ("'nope' | ipaddr", False),
        ("'10.1.2.3/24' | ipaddr('network')", "10.1.2.0"),
        ("'10.1.2.3/24' | ipaddr('netmask')", "255.255.255.0"),
        ("'10.1.2.3/24' | ipaddr('prefix')", 24),
        ("'10.1.2.3/24' | ipaddr('address')", "10.1.2.3"),
        ("'10.1.2.3/24' | ipaddr('subnet')", "10.1.2.0/24"),
        ("'10.1.2.3/24' | ipaddr('broadcast')", "10.1.2.255"),
        ("'10.1.2.0/24' | ipaddr('size')", 256),
        ("'10.1.2.0/24' | ipaddr('first_usable')", "10.1.2.1"),
        ("'10.1.2.0/24' | ipaddr('last_usable')", "10.1.2.254"),
        ("'10.1.2.0/24' | ipaddr(5)", "10.1.2.5/24"),
        ("'10.1.2.0/24' | ipaddr('-1')", "10.1.2.255/24"),
        ("'10.1.2.3' | ipaddr('10.0.0.0/8')", "10.1.2.3"),
        ("'11.1.2.3' | ipaddr('10.0.0.0/8')", False),
        ("'10.1.2.3' | ipaddr('private')", "10.1.2.3"),
        ("'10.1.2.3' | ipaddr('public')", False),
        ("['10.0.0.1', 'x', '::1'] | ipaddr", ["10.0.0.1", "::1"]),
        ("['10.0.0.1', '::1'] | ipv4", ["10.0.0.1"]),
        ("'::1' | ipv6", "::1"),
        ("'::1' | ipwrap", "[::1]"),
        ("['::1', '10.0.0.1', 'h'] | ipwrap", ["[::1]", "10.0.0.1", "h"]),
        ("'10.0.0.0/8' | nthhost(305)", "10.0.1.49"),
        ("'192.168.1.5' | ipmath(5)", "192.168.1.10"),
        ("'10.0.0.1/32' | ipaddr('first_usable')", "10.0.0.1"),
    ],
)
def test_addresses(expression: str, value: Any) -> None:
    assert Templar({}).evaluate(expression) == value
    assert (
        Templar({}).evaluate(expression.replace("| ip", "| ansible.utils.ip").replace("| nth", "| ansible.utils.nth"))
        == value
    )


def test_an_unknown_address_query_names_those_that_exist() -> None:
    with pytest.raises(TemplateError, match="broadcast"):
        Templar({}).evaluate("'10.0.0.1' | ipaddr('nope')")


LISTS = st.lists(st.integers(0, 6), max_size=8)


@given(LISTS, LISTS)
def test_set_filters_are_sets_in_a_stable_order(a: list[int], b: list[int]) -> None:
    assert set(union(a, b)) == set(a) | set(b)
    assert set(intersect(a, b)) == set(a) & set(b)
    assert set(difference(a, b)) == set(a) - set(b)
    assert set(symmetric_difference(a, b)) == set(a) ^ set(b)
    for found in (union(a, b), intersect(a, b), difference(a, b), symmetric_difference(a, b)):
        assert len(found) == len(set(found))
    assert union(a, b) == list(dict.fromkeys([*a, *b]))


def test_password_hash_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "passlib.hash", None)
    with pytest.raises(TemplateError, match="passlib"):
        Templar({}).evaluate("'x' | password_hash('sha512')")


def test_every_filter_has_its_qualified_name() -> None:
    for name in FILTERS:
        if "." not in name:
            assert Templar({}).render(f"{{{{ [] | map('ansible.builtin.{name}') | list }}}}") == []


NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4)


@given(NUMBERS, NUMBERS)
def test_versions_of_numbers_compare_like_lists_of_numbers(a: list[int], b: list[int]) -> None:
    one, other = ".".join(map(str, a)), ".".join(map(str, b))
    assert compare(one, other, "<") == (a < b)
    assert compare(one, other, "ge") == (a >= b)
    assert compare(one, one) and not compare(one, one, "ne")
