"""What the planner renders for every shipped inventory is what the simulated vLLM accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcluster.inventory import load
from qcluster.lab.tools.engine.flags import parse
from qcluster.lab.tools.engine.options import Model, Options, read_version
from qcluster.lab.tools.engine.refusals import refusal
from qcluster.serving import make_plan

INVENTORIES = sorted((Path(__file__).parents[2] / "inventories").glob("*.yaml"))


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.stem)
def test_every_planned_engine_would_start(path: Path) -> None:
    plan = make_plan(load(path))
    model = Model("/weights", True, moe=plan.model.moe, hybrid=plan.model.hybrid)
    for instance in plan.instances:
        assert instance.argv[:2] == ("vllm", "serve")
        image = instance.image.replace("<fact:os_suffix>", "")
        options = Options(parse(list(instance.argv[2:])), model, read_version(image))
        assert refusal(options) is None, instance.name
        assert options.local_ranks * options.rank_devices == len(instance.devices), instance.name
        assert options.headless == (instance.port is None), instance.name
