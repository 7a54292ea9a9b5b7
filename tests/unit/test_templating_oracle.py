"""Templates mean what they mean to ansible-core: the same value, of the same type, or an error in both."""

from __future__ import annotations

import functools
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from qcluster.templating import Templar, TemplateError
from qcluster.templating.builtin import install
from qcluster.templating.environment import Environment

CASES = Path(__file__).parents[1] / "cases" / "templating"
ORACLE = Path(__file__).with_name("templating_oracle.py")
type_name = runpy.run_path(str(ORACLE))["type_name"]


def read(name: str) -> Any:
    return yaml.safe_load((CASES / name).read_text(encoding="utf-8"))


AGREE, DIFFER = read("agree.yml"), read("differ.yml")


@functools.cache
def ansible() -> dict[str, list[list[Any]]]:
    """ansible-core's answers to all cases, from one process (it keeps global state)."""
    done = subprocess.run([sys.executable, str(ORACLE), str(CASES)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


TEMPLAR = Templar(read("variables.yml"))  # one for all: a template that changed a variable would break another's case


def answer(template: str | None, condition: str | None = None) -> list[Any]:
    try:
        value = TEMPLAR.render(template) if template is not None else TEMPLAR.condition(str(condition))
    except TemplateError as error:
        return ["error", str(error)]
    return [type_name(value), json.loads(json.dumps(value, default=repr))]


def same(ours: list[Any], theirs: list[Any]) -> bool:
    return ours == theirs or ours[0] == theirs[0] == "error"


@pytest.mark.parametrize("index", range(len(AGREE["values"])), ids=lambda index: AGREE["values"][index])
def test_a_value_is_rendered_as_ansible_does(index: int) -> None:
    ours, theirs = answer(AGREE["values"][index]), ansible()["values"][index]
    assert same(ours, theirs), f"ansible: {theirs}"


@pytest.mark.parametrize("index", range(len(AGREE["conditions"])), ids=lambda index: AGREE["conditions"][index])
def test_a_condition_is_judged_as_ansible_does(index: int) -> None:
    ours, theirs = answer(None, AGREE["conditions"][index]), ansible()["conditions"][index]
    assert same(ours, theirs), f"ansible: {theirs}"


NOT_HERE = {"filter": {"win_basename", "win_dirname", "win_splitdrive", "vault", "unvault"}, "test": set[str]()}


@pytest.mark.parametrize("kind", ["filter", "test"])
def test_every_filter_and_test_of_ansible_builtin_is_here_but_the_documented_ones(kind: str) -> None:
    environment = install(Environment())
    ours = set(environment.filters if kind == "filter" else environment.tests)
    assert set(ansible()["names"][kind]) - ours == NOT_HERE[kind]  # type: ignore[call-overload]


@pytest.mark.parametrize("index", range(len(DIFFER)))
def test_a_deliberate_difference_is_as_documented(index: int) -> None:
    case = DIFFER[index]
    ours, theirs = answer(case.get("template"), case.get("condition")), ansible()["differ"][index]
    for found, wanted in ((ours, case["qcluster"]), (theirs, case["ansible"])):
        assert found[0] == wanted[0]
        assert wanted[1] in found[1] if wanted[0] == "error" else found[1] == wanted[1]
