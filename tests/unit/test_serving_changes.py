"""`plan --diff`: which flags and variables of an instance differ from the script that it was started with."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from life_stand import INVENTORY, document, variables

from qcluster.command import Command
from qcluster.errors import UnreadableOutput
from qcluster.facts.launched import launched, parse
from qcluster.inventory import load
from qcluster.result import Outcome
from qcluster.serving import make_plan
from qcluster.serving.changes import changes
from qcluster.serving.plan import Instance, from_json
from qcluster.templating import Templar
from qcluster.templating.compiled import Style

TEMPLATE = Path(__file__).parents[2] / "roles/engine/templates/instance.sh.j2"


@pytest.fixture
def started(tmp_path: Path) -> tuple[Instance, str]:
    """An instance of a bound plan, and the script that the role starts it with."""
    bound = document(tmp_path)
    first = from_json(bound).instances[0]
    names = {**variables(bound, first.host), "engine_name": first.name}
    return first, str(Templar(names).text(TEMPLATE.read_text(encoding="utf-8"), Style((), trim_blocks=True)))


def test_what_runs_as_planned_has_no_changes(started: tuple[Instance, str], tmp_path: Path) -> None:
    instance, script = started
    assert changes(instance, script) == []
    (tmp_path / "i.yaml").write_text(INVENTORY)
    unbound = make_plan(load(tmp_path / "i.yaml")).instances[0]
    assert "<fact:" in str(unbound), "what only the host knows is not compared"
    assert [one for one in changes(unbound, script) if one.what != "command"] == []


def test_flags_and_variables_that_differ_are_told_with_both_values(started: tuple[Instance, str]) -> None:
    instance, script = started
    at = instance.argv.index("--max-num-seqs")
    argv = [*instance.argv[: at + 1], "99", *instance.argv[at + 2 :], "--disable-log-stats"]
    argv.remove("--enforce-eager")
    env = {**instance.env, "HCCL_BUFFSIZE": "7", "NEW": "$HOME/x"}
    told = [str(one) for one in changes(replace(instance, argv=tuple(argv), env=env), script)]
    assert told == [
        "HCCL_BUFFSIZE: 1024 → 7",
        "NEW: - → $HOME/x",
        f"--max-num-seqs: {instance.argv[at + 1]} → 99",
        "--disable-log-stats: - → on",
        "--enforce-eager: on → -",
    ]


def test_the_scripts_of_the_digest_that_runs_are_read(tmp_path: Path) -> None:
    for folder in ("box/0123456789ab-1111", "box/ba9876543210-2222"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "p1-prefill-0.sh").write_text(f"# {folder}\n@end\n\nexec vllm serve x\n")
    question = launched(str(tmp_path), "box", "sha256:0123456789abcdef")
    ran = subprocess.run(
        question.command.argv, input=question.command.stdin, capture_output=True, check=True, timeout=30
    )
    found = question.parse(Outcome(question.command, 0, ran.stdout))
    assert found == {"p1-prefill-0": "# box/0123456789ab-1111\n@end\n\nexec vllm serve x"}
    assert parse(Outcome(Command(("x",)), 0, b"@end\n")) == {}
    with pytest.raises(UnreadableOutput, match="cut off"):
        parse(Outcome(Command(("x",)), 0, b"@p1\n # half"))
