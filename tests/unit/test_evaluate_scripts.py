"""The scripts and the configuration that a point is run with: sound bash, and a key that is in none of them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import life_stand
import pytest

from qcluster.evaluate.model import Request, Workload, as_json
from qcluster.evaluate.points import Rates, loads, offline, subject
from qcluster.modules.evaluation_point import errand_of, files, job
from qcluster.secret import Secret
from qcluster.serving.plan import from_json
from qcluster.templating import Templar
from qcluster.templating.compiled import Style

SHELLCHECK = life_stand.ROOT / ".venv" / "bin" / "shellcheck"
KEY = "kanarienvogel-7"
HEAD = '{% include "environment.sh.j2" %}\n'
CASES = [("serve", "vllm"), ("latency", "vllm"), ("eval", "lm_eval"), ("eval", "aisbench"), ("serve", "aisbench")]


def written(folder: Path, kind: str, tool: str, **more: Any) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What one point's folder begins with, and the words of its job."""
    document = life_stand.document(folder)
    plan = from_json(document)
    points = offline(plan, kind) if kind == "latency" else loads(plan, Rates((8,)))
    work = Workload(dataset="random" if (kind, tool) == ("serve", "vllm") else "gsm8k", input_len=1, output_len=2)
    request = Request(kind, tool, subject(plan), replace(work, dataset_path=more.get("data", "")), points)
    variables = {
        "evaluation_generation": {"temperature": 0.6, "top_k": 10},
        "evaluation_install": False,
        "evaluation_path": "/opt/a b/bin",
    }
    args = {"request": as_json(request), "point": points[0].name, "folder": "/r/1-serve", "home": "/h/1-serve"}
    args |= {"wrapper": ["docker", "exec", "box"], "data": "", "api_key": Secret(KEY), "timeout": 60}
    seen = life_stand.variables(document, "p1")

    def template_file(path: Path, settings: Mapping[str, Any]) -> str:
        text = path.read_text().replace(HEAD, path.with_name("environment.sh.j2").read_text())
        return str(Templar({**seen, **settings["variables"]}).text(text, Style((), trim_blocks=True)))

    call = life_stand.call("evaluation", seen, {**args, "variables": variables, **more})
    call = replace(call, template_file=template_file)
    errand = errand_of(call)
    return files(call, errand), job(call, errand).args


@pytest.mark.parametrize(("kind", "tool"), CASES)
def test_scripts_pass_bash_and_shellcheck(tmp_path: Path, kind: str, tool: str) -> None:
    (tmp_path / "train.jsonl").write_text("{}\n")
    (tmp_path / "test.jsonl").write_text("{}\n")
    data = {"data": str(tmp_path)} if tool != "vllm" else {}
    found, _ = written(tmp_path, kind, tool, **data)
    script = tmp_path / "run.sh"
    script.write_bytes(found["run.sh"])
    assert subprocess.run(["bash", "-n", str(script)], capture_output=True).stderr == b""
    told = subprocess.run([str(SHELLCHECK), "--severity=info", str(script)], capture_output=True, text=True)
    assert told.stdout == ""


@pytest.mark.parametrize(("kind", "tool"), CASES)
def test_the_key_is_in_its_own_file_only(tmp_path: Path, kind: str, tool: str) -> None:
    found, words = written(tmp_path, kind, tool)
    assert found.pop("key") == KEY.encode()
    assert not [name for name, data in found.items() if KEY.encode() in data]
    assert words == (
        "docker",
        "exec",
        "box",
        "bash",
        f"/h/1-serve/{'latency' if kind == 'latency' else 'concurrency-8'}/run.sh",
    )


@pytest.mark.parametrize("kind", ["eval", "serve"])
def test_aisbench_is_told_the_service(tmp_path: Path, kind: str) -> None:
    found, _ = written(tmp_path, kind, "aisbench")
    (name,) = (name for name in found if name.startswith("configs/models/"))
    calls = [node for node in ast.walk(ast.parse(found[name])) if isinstance(node, ast.Call)]
    model = {word.arg: ast.unparse(word.value) for word in calls[0].keywords}
    assert (model["host_ip"], model["host_port"], model["batch_size"]) == ("'10.0.0.1'", "1999", "8")
    assert model["stream"] == str(kind == "serve")
    assert "OPENAI_API_KEY" in model["api_key"]
    assert model["generation_kwargs"] == "dict(temperature=0.6, top_k=10)"


def test_an_engine_without_a_server_gets_the_plans_environment(tmp_path: Path) -> None:
    found, _ = written(tmp_path, "latency", "vllm")
    text = found["run.sh"].decode()
    assert 'export ASCEND_RT_VISIBLE_DEVICES="0,1"' in text and "export HCCL_BUFFSIZE=" in text
    assert "ASCEND_RT_VISIBLE_DEVICES" not in written(tmp_path, "serve", "vllm")[0]["run.sh"].decode()
