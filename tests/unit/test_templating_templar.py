"""What the templar promises beyond agreeing with Ansible: places in errors, data that stays data, values left alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qcluster.schema import load_yaml
from qcluster.templating import (
    OMIT,
    Recursion,
    Style,
    Templar,
    TemplateError,
    TemplateSyntax,
    UndefinedVariable,
    unsafe,
)
from qcluster.templating.lazy import LazyDict, LazyList
from qcluster.templating.marks import is_plain

VARIABLES = {
    "one": 1,
    "name": "node",
    "greeting": "hello {{ name }}",
    "chain": ["{{ one }}", {"deep": "{{ greeting }}"}],
    "loop_a": "{{ loop_b }}",
    "loop_b": "x{{ loop_a }}",
    "plain": {"list": [1, 2], "map": {"k": "v"}},
}


def templar(**more: object) -> Templar:
    return Templar({**VARIABLES, **more})


@pytest.mark.parametrize("value", ["text", 7, None, True, [1, "a"], {"a": {"b": [1]}}, {"a": "{x}"}, b"bytes"])
def test_a_value_without_templates_is_the_same_object(value: object) -> None:
    assert templar().render(value) is value


def test_nested_values_are_rendered_and_keys_too() -> None:
    value = {"{{ name }}": ["{{ one }}", {"k": "{{ greeting }}"}], "n": 2}
    assert templar().render(value) == {"node": [1, {"k": "hello node"}], "n": 2}


def test_omit_drops_items_at_every_depth() -> None:
    value = {"keep": 1, "gone": "{{ omit }}", "list": [1, "{{ omit }}"], "deep": {"x": "{{ nope | default(omit) }}"}}
    assert templar().render(value) == {"keep": 1, "list": [1], "deep": {}}
    assert templar().render("{{ omit }}") is OMIT


def test_an_error_says_where_the_template_was_written() -> None:
    data = load_yaml(Path("tasks.yml"), "a: 1\nb:\n  c: 'x {{ nowhere }}'\n")
    with pytest.raises(UndefinedVariable, match=r"^tasks.yml:3: 'nowhere' is undefined, in x \{\{ nowhere \}\}$"):
        templar().render(data)


def test_an_error_inside_a_variable_names_the_variables_that_lead_to_it() -> None:
    with pytest.raises(Recursion, match="loop_a → loop_b → loop_a"):
        templar().render("{{ loop_a }}")


def test_a_syntax_error_is_its_own_kind() -> None:
    with pytest.raises(TemplateSyntax):
        templar().render("{{ one")
    with pytest.raises(TemplateSyntax):
        templar().evaluate("one ==")


def test_template_errors_exit_with_one() -> None:
    assert TemplateError("x").exit_code == 1


def test_what_a_host_answered_is_never_rendered() -> None:
    stdout = unsafe({"stdout": "{{ one }}", "lines": ["{% x %}", "plain"], "rc": 0})
    rendered = Templar({"result": stdout}).render("{{ result.stdout }} {{ result.lines[0] }}")
    assert rendered == "{{ one }} {% x %}"
    assert Templar({"result": stdout}).render({"again": stdout["stdout"]}) == {"again": "{{ one }}"}


def test_unsafe_leaves_ordinary_values_alone() -> None:
    value = {"stdout": "fine", "rc": 0, "list": ["a {b}"]}
    assert unsafe(value) is value


def test_a_rendered_text_with_braces_is_data_from_then_on() -> None:
    once = templar().render("{{ '{{ one }}' }}")
    assert (once, templar().render(once)) == ("{{ one }}", "{{ one }}")


def test_unsafe_in_yaml_stays_as_written() -> None:
    data = load_yaml(Path("v.yml"), "raw: !unsafe '{{ one }}'\n")
    assert Templar(data).render("{{ raw }}") == "{{ one }}"


def test_a_template_cannot_change_the_variables() -> None:
    variables = {"items_": [1], "map": {"a": {"b": []}}, "alias": "{{ items_ }}"}
    source = "{% set _ = items_.append(2) %}{% set _ = map.a.b.append(1) %}{% set _ = alias.append(3) %}{{ items_ }}"
    assert Templar(variables).render(source) == [1, 2]
    assert variables == {"items_": [1], "map": {"a": {"b": []}}, "alias": "{{ items_ }}"}


def test_conditions_must_be_true_or_false() -> None:
    assert templar().condition("one == 1") is True
    assert templar().condition(False) is False
    assert templar().condition("{{ one == 2 }}") is False
    for wrong in ("one", "name", "plain.list", ""):
        with pytest.raises(TemplateError):
            templar().condition(wrong)


def test_an_expression_is_native() -> None:
    assert templar().evaluate("chain[1].deep | upper") == "HELLO NODE"
    assert templar().evaluate("[one, name]") == [1, "node"]
    assert templar().evaluate("none") is None


def test_a_template_file_keeps_its_newlines_and_gives_text() -> None:
    source = "a\n{% if one %}\n  b={{ one }}\n{% endif %}\n\n"
    assert templar().text(source) == "a\n  b=1\n\n"
    assert templar().text("{{ plain.list }}") == "[1, 2]"
    assert templar().text("{% set x = 1 %}") == ""


def test_a_template_file_has_ansibles_options() -> None:
    source = "<% if one %>\n  x [[ name ]]\n<% endif %>\n"
    style = Style(block_start_string="<%", block_end_string="%>", variable_start_string="[[", variable_end_string="]]")
    assert templar().text(source, style) == "  x node\n"
    assert templar().text("#jinja2: trim_blocks: False\n{% if one %}\nx{% endif %}\n") == "\nx\n"
    assert templar().text("  {% if one %}\nx\n  {% endif %}\n", Style(lstrip_blocks=True)) == "x\n"
    with pytest.raises(TemplateError, match="trim_block"):
        templar().text("#jinja2: trim_block: False\nx")


def test_a_template_file_includes_and_imports_with_variables(tmp_path: Path) -> None:
    (tmp_path / "part.j2").write_text("[{{ greeting }} {{ local }}]")
    (tmp_path / "macros.j2").write_text("{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}")
    source = "{% import 'macros.j2' as m %}{% set local = 5 %}{% include 'part.j2' %}{{ m.twice('ab') }}\n"
    assert templar().text(source, Style(search=(str(tmp_path),))) == "[hello node 5]abab\n"


def test_a_missing_include_is_a_template_error(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"nope\.j2"):
        templar().text("{% include 'nope.j2' %}", Style(search=(str(tmp_path),)))


def test_hosts_of_others_are_read_through_a_mapping() -> None:
    hostvars = {"a": {"ip": "10.0.0.1", "url": "http://{{ ip }}"}}
    assert templar(hostvars=hostvars, ip="self").render("{{ hostvars['a'].ip }}") == "10.0.0.1"
    assert templar(hostvars=hostvars).render("{{ ['a'] | map('extract', hostvars, 'ip') | list }}") == ["10.0.0.1"]


def test_one_templar_serves_many_threads() -> None:
    shared = templar()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: shared.render("{{ chain[1].deep }}"), range(200)))
    assert set(found) == {"hello node"}


def test_lazy_containers_behave_like_their_plain_ones() -> None:
    def read(value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    lazy = LazyDict({"a": "x", "b": "y"}, read)
    assert lazy["a"] == "X" and lazy.get("b") == "Y" and lazy.get("c", 1) == 1
    assert dict(lazy) == {"a": "X", "b": "Y"} == lazy and lazy != {"a": "x"}
    assert {**LazyDict({"a": "x"}, read)} == {"a": "X"} and LazyDict({"a": "x"}, read).copy() == {"a": "X"}
    assert LazyDict({"a": "x"}, read).pop("a") == "X" and list(LazyDict({"a": "x"}, read).values()) == ["X"]
    items = LazyList(["x", "y", "z"], read)
    assert items[-1] == "Z" and items[:2] == ["X", "Y"] and "Y" in items and items == ["X", "Y", "Z"]
    assert [*LazyList(["x"], read), 1] == ["X", 1] and LazyList(["x"], read).__add__(["k"]) == ["X", "k"]
    assert ["k", *LazyList(["x"], read)] == LazyList(["x"], read).__radd__(["k"])
    grown = LazyList(["x", "y"], read)
    grown.insert(0, "raw")
    assert grown == ["raw", "X", "Y"] and grown.index("X") == 1 and str(LazyList(["x"], read)) == "['X']"


def test_plainness_sees_into_everything() -> None:
    assert is_plain({"a": [1, {"b": "c {"}]})
    assert not is_plain({"a": [1, {"b": "{{ c }}"}]})
    assert not is_plain({"{{ k }}": 1})
    assert not is_plain([OMIT])


def test_a_large_plain_value_is_looked_through_once_and_returned_as_it_is() -> None:
    plan = {"instances": [{"name": f"p{number}", "argv": ["vllm", "serve"] * 20} for number in range(40)]}
    shared = Templar({"plan": plan, "alias": "{{ plan }}"})
    assert shared.render("{{ plan }}") is plan
    assert shared.render("{{ alias }}") is plan
    assert shared.render("{{ plan.instances[3].name }}") == "p3"
    assert shared.render("{% set _ = plan.instances.append(1) %}{{ plan.instances | length }}") == 41
    assert len(plan["instances"]) == 40


def test_what_is_remembered_is_told_apart_by_identity() -> None:
    for number in range(300):
        fresh = {"list": [f"{{{{ {number} }}}}" if number % 2 else "text"] * 70}
        assert is_plain(fresh) is (number % 2 == 0)
        assert is_plain(fresh) is (number % 2 == 0)
