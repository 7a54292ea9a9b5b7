"""What an inventory may not say, and the message it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from serving_inventories import written

from qcluster.errors import InputError
from qcluster.serving import make_plan

CASES = yaml.safe_load((Path(__file__).parent.parent / "cases/serving/bad_input.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_every_mistake_is_named(case: dict[str, Any], tmp_path: Path) -> None:
    found = problems(tmp_path, case)
    for wanted in case["problems"]:
        assert any(wanted in text for text in found), f"{wanted!r} not in:\n" + "\n".join(found)
    assert len(found) == len(case["problems"]), "\n".join(found)


def problems(folder: Path, case: dict[str, Any]) -> list[str]:
    """The messages of an inventory's mistakes, without the file's name."""
    inventory = written(folder, case)
    try:
        make_plan(inventory)
    except InputError as error:
        return [str(problem).removeprefix(inventory.path).lstrip(":") for problem in error.problems]
    return []
