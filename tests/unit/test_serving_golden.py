"""Plans and scripts of the examples, word for word. `QCLUSTER_GOLDEN=write` writes them anew: read the difference."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from serving_inventories import written

from qcluster.inventory import load
from qcluster.serving import make_plan
from qcluster.serving.plan import Plan, as_json
from qcluster.serving.scripts import scripts

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests/golden/serving"


def plan_of(name: str) -> Plan:
    return make_plan(load(ROOT / f"inventories/{name}.yaml"))


def same(path: Path, text: str) -> None:
    if os.environ.get("QCLUSTER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ["1p1d", "single-a2", "single-a3"])
def test_plan(name: str) -> None:
    document = as_json(plan_of(name))
    document["instances"] = document["instances"][:2] + document["instances"][-2:]
    document["explain"] = {one["name"]: document["explain"][one["name"]] for one in document["instances"]}
    same(GOLDEN / f"{name}.json", json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n")


@pytest.mark.parametrize("name", ["1p1d", "single-a2"])
def test_scripts(name: str) -> None:
    for file, text in scripts(plan_of(name)).items():
        same(GOLDEN / name / file, text)


@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "inventories").glob("*.yaml"))])
def test_scripts_are_good_shell(name: str, tmp_path: Path) -> None:
    written = []
    for file, text in scripts(plan_of(name)).items():
        path = tmp_path / file.replace("/", "_")
        path.write_text(text, encoding="utf-8")
        written.append(str(path))
        assert subprocess.run(["bash", "-n", path], capture_output=True).stderr == b""
    checker = shutil.which("shellcheck") or str(ROOT / ".venv/bin/shellcheck")
    found = subprocess.run([checker, "-S", "warning", "-e", "SC2046", *written], capture_output=True, text=True)
    assert found.stdout == ""


def test_processes_that_a_template_cannot_tell_apart_have_a_script_each(tmp_path: Path) -> None:
    for given in ({"vllm_env": {"MARK": "{{ local_rank }}"}}, {"vllm_args": {"chat-template": "/t/{{ port }}"}}):
        plan = make_plan(written(tmp_path, {"vars": {"dp": 2, **given}}))
        files = scripts(plan)
        assert {"p1/run_p1-prefill-0.sh", "p1/run_p1-prefill-1.sh"} <= set(files) and "p1/launch.sh" not in files
    assert "--chat-template /t/7101" in files["p1/run_p1-prefill-1.sh"]


def test_scripts_of_what_is_not_known_yet(tmp_path: Path) -> None:
    case = {"vars": {"hardware": "auto", "dp": 1, "ansible_user": "ops", "vllm_env": {"ODD": "$(id) $HOME $5"}}}
    files = scripts(make_plan(written(tmp_path, case)))
    assert not [name for name, text in files.items() if "<fact:" in text]
    docker = files["p1/docker_run_qcluster-inventory.sh"]
    assert "chip_suffix=" in docker and '-v "$HOME"/.cache/qcluster:"$HOME"/.cache/qcluster' in docker
    assert "qcluster.digest" not in docker  # what a person starts is not what `up` would
    assert 'export ODD="\\$(id) $HOME \\$5"' in files["p1/run_dp_template.sh"]


@pytest.mark.parametrize("name", ["1p1d", "2p1d", "single-a2"])
def test_the_template_gives_each_process_its_planned_command_line(name: str, tmp_path: Path) -> None:
    """Run the template as launch_online_dp.py does, with a `vllm` that prints its words."""
    plan = plan_of(name)
    fake = tmp_path / "bin/vllm"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$ASCEND_RT_VISIBLE_DEVICES" "$HCCL_BUFFSIZE" "$@"\n')
    fake.chmod(0o755)
    files = scripts(plan)
    for host in plan.hosts:
        members = [one for one in plan.instances if one.host == host.name]
        for index, one in enumerate(members):
            file = f"{host.name}/run_dp_template.sh"
            file = file if file in files else f"{host.name}/run_{one.name}.sh"
            visible = ",".join(map(str, one.devices))
            size, rank = len(members), index
            words = [visible, str(one.port), str(size), str(rank), one.address, "12321", str(one.tp)]
            environment = {"PATH": f"{fake.parent}:{os.environ['PATH']}", "HOME": "/home/u"}
            path = tmp_path / "script.sh"
            path.write_text(files[file])
            done = subprocess.run(["bash", path, *words], env=environment, capture_output=True, text=True)
            expected = [word.replace("<fact:home>", "/home/u") for word in one.argv[1:]]
            assert done.stdout.splitlines() == [visible, one.env["HCCL_BUFFSIZE"], *expected], done.stderr
