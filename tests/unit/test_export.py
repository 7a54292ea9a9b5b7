"""The plan in other tools' words."""

from __future__ import annotations

import configparser
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from qcluster.cli.export import export
from qcluster.errors import InputError
from qcluster.export.grafana import PANELS, dashboard
from qcluster.export.prometheus import targets
from qcluster.export.systemd import DOCKER, quoted, units
from qcluster.inventory import load, written
from qcluster.secret import Secret
from qcluster.serving import HostFacts, bind, make_plan
from qcluster.serving.plan import Plan

ROOT = Path(__file__).parents[2]
FACTS = HostFacts(hardware="a3", nic="eth0", home="/root", is_root=True, os_suffix="", jemalloc="", arch="aarch64")


@pytest.fixture(scope="module")
def plan() -> Plan:
    unbound = make_plan(load(ROOT / "inventories" / "1p1d.yaml"))
    return bind(unbound, {host.name: FACTS for host in unbound.hosts})


def test_every_instance_is_a_target_once(plan: Plan) -> None:
    found = targets(plan)
    assert len({one["targets"][0] for one in found}) == len(plan.instances)
    assert {one["labels"]["role"] for one in found} == {"prefill", "decode"}


def test_the_dashboard_has_a_panel_a_question_and_is_json() -> None:
    board = json.loads(json.dumps(dashboard()))
    assert [panel["title"] for panel in board["panels"]] == [panel.title for panel in PANELS]
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}) == len(PANELS)


def test_a_unit_starts_exactly_the_planned_command(plan: Plan) -> None:
    found = units(plan)
    assert len(found) == len(plan.instances) + 1
    one = plan.instances[0]
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(found[f"{one.host}/qcluster-1p1d-{one.name}.service"])
    words = [word.replace("$$", "$") for word in shlex.split(unit["Service"]["ExecStart"])]
    assert tuple(words[-len(one.argv) :]) == one.argv
    assert [word for word in words if word.startswith("--device=/dev/davinci")][:2] == [
        "--device=/dev/davinci0",
        "--device=/dev/davinci1",
    ]
    assert not any("<fact:" in text for text in found.values())


@pytest.mark.parametrize(
    ("word", "text"),
    [("plain", "plain"), ("a b", '"a b"'), ('{"x": 1}', '"{\\"x\\": 1}"'), ("100%", "100%%"), ("$A", "$$A")],
)
def test_systemd_quotes_in_its_own_way(word: str, text: str) -> None:
    assert quoted(word) == text


def test_systemd_itself_accepts_every_unit(plan: Plan, tmp_path: Path) -> None:
    def verdict(text: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "one.service"
        path.write_text(text.replace(DOCKER, "/bin/true"))
        return subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)

    assert shutil.which("systemd-analyze"), "systemd is needed: apt-get install systemd"
    texts = list(units(plan).values())
    for text in (texts[0], texts[-1]):
        told = verdict(text)
        assert (told.returncode, told.stderr) == (0, "")
    assert "ExecStart" in verdict(texts[0].replace("ExecStart=", "ExecStrat=")).stderr


@pytest.mark.parametrize("command", ["systemd", "k8s"])
def test_what_only_the_hosts_know_is_asked_or_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(export, [command, str(ROOT / "inventories" / "1p1d.yaml")])
    assert "--resolve" in str(ran.exception)
    assert not (tmp_path / "systemd").exists()


def test_ansible_itself_reads_the_static_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host of every group, with the variables that the original inventory gives it."""
    monkeypatch.chdir(tmp_path)
    example = ROOT / "inventories" / "2p2d.yaml"
    (tmp_path / "static.yaml").write_text(CliRunner().invoke(export, ["ansible", str(example)]).output)

    def listed(path: Path) -> dict[str, Any]:
        program = Path(sys.executable).with_name("ansible-inventory")
        told = subprocess.run([program, "-i", path, "--list"], capture_output=True, text=True, check=True)
        document: dict[str, Any] = json.loads(told.stdout)
        return document

    static, before = listed(tmp_path / "static.yaml"), listed(example)
    assert static["prefill"] == before["prefill"]
    assert static["_meta"]["hostvars"] == before["_meta"]["hostvars"]


def test_what_a_vault_holds_stays_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["$ANSIBLE_VAULT;1.1;AES256", "6162", "6364"]
    original = (ROOT / "inventories" / "1p1d.yaml").read_text()
    vaulted = "".join(f"\n        {line}" for line in ["api_key: !vault |", *(f"  {line}" for line in lines)])
    text = original.replace("hardware: a3", "hardware: a3" + vaulted.replace("\n        ", "\n    "), 1)
    (tmp_path / "i.yaml").write_text(text)
    ran = CliRunner().invoke(export, ["ansible", "i.yaml"])
    assert ran.exit_code == 0, ran.output
    assert "***" not in ran.output and ran.output.count("api_key: !vault |") == 2
    (tmp_path / "static.yaml").write_text(ran.output)
    keys = [load(tmp_path / name).hosts["p1"].variables["api_key"] for name in ("static.yaml", "i.yaml")]
    assert keys[0] == keys[1] and keys[0].ciphertext.split() == lines
    with pytest.raises(InputError, match="one by one"):
        written.text({"password": Secret("hush")})


def test_the_static_inventory_loads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(export, ["ansible", str(ROOT / "inventories" / "2p2d.yaml")])
    assert ran.exit_code == 0, ran.output
    (tmp_path / "static.yaml").write_text(ran.output)
    again, before = load(tmp_path / "static.yaml"), load(ROOT / "inventories" / "2p2d.yaml")
    assert list(again.hosts) == list(before.hosts)
    assert again.groups["prefill"].hosts == before.groups["prefill"].hosts
    assert {n: h.variables["ansible_host"] for n, h in again.hosts.items()} == {
        n: h.variables["ansible_host"] for n, h in before.hosts.items()
    }
