"""`qcluster inventory`, through click."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qcluster.cli.inventory import inventory
from qcluster.cli.session import Choice, load_inventory
from qcluster.errors import InputError

HOSTS = """\
all:
  vars: {tp: 1, ansible_user: root, ansible_password: canary-5, url: "http://{{ ansible_host }}"}
  children:
    prefill:
      vars: {tp: 2, vllm_env: {HF_TOKEN: canary-6, max-num-batched-tokens: 8192}}
      hosts:
        p1: {ansible_host: 10.0.0.1, ansible_port: 2222}
        p2:
"""


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.yaml").write_text(HOSTS, encoding="utf-8")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "p1.yml").write_text("tp: 4\n", encoding="utf-8")
    return "hosts.yaml"


def run(*argv: str) -> Result:
    return CliRunner().invoke(inventory, argv, catch_exceptions=False)


def test_the_table_shows_where_each_host_is(hosts: str) -> None:
    assert run("list", hosts).output.splitlines() == [
        "HOST  ADDRESS        USER  GROUPS",
        "p1    10.0.0.1:2222  root  prefill",
        "p2    p2             root  prefill",
    ]


def test_the_json_list_can_be_limited(hosts: str) -> None:
    document = json.loads(run("list", hosts, "--json", "--limit", "p2").output)
    assert document["prefill"] == {"hosts": ["p2"]}
    assert list(document["_meta"]["hostvars"]) == ["p2"]


def test_explain_says_where_a_value_comes_from(hosts: str) -> None:
    lines = run("show", "p1", hosts, "--explain").output.splitlines()
    at = lines.index("tp: 4")
    assert lines[at : at + 6] == [
        "tp: 4",
        "    from host_vars, host_vars/p1.yml:1",
        "    was 2",
        "    in   prefill, hosts.yaml:5",
        "    was 1",
        "    in   all, hosts.yaml:2",
    ]
    assert "url: http://{{ ansible_host }} = http://10.0.0.1" in lines


def test_values_are_shown_rendered_and_secrets_hidden(hosts: str) -> None:
    shown = run("show", "p1", hosts).output
    assert "url: http://10.0.0.1\n" in shown
    assert json.loads(run("show", "p1", hosts, "--json").output)["vllm_env"] == {
        "HF_TOKEN": "***",
        "max-num-batched-tokens": 8192,
    }


@pytest.mark.parametrize(
    "argv", [("list", "--json"), ("list",), ("show", "p1"), ("show", "p1", "--explain"), ("graph", "--vars")]
)
def test_a_password_is_in_no_output(hosts: str, argv: tuple[str, ...]) -> None:
    output = run(*argv, "-i", hosts).output
    assert output and "canary" not in output


def test_the_graph_begins_where_asked(hosts: str) -> None:
    assert run("graph", hosts, "--group", "prefill").output == "@prefill:\n  |--p1\n  |--p2\n"


def test_an_unknown_host_or_group_is_bad_input_with_a_guess(hosts: str) -> None:
    for argv in (("show", "p11", hosts), ("graph", hosts, "--group", "prefil")):
        with pytest.raises(InputError, match="did you mean"):
            run(*argv)


def test_the_inventory_last_used_is_taken(hosts: str) -> None:
    run("list", hosts)
    assert "10.0.0.1" in run("list").output


def test_variables_are_told_from_the_schema() -> None:
    assert run("variables", "tp").output == "tp (whole number; host): tensor parallel size\n"
    assert "proxy_port (whole number; default 1999; deployment)" in run("variables").output
    with pytest.raises(InputError, match="did you mean 'weights_dir'"):
        run("variables", "weight_dir")


def test_run_reads_variables_beside_its_playbook(hosts: str) -> None:
    Path("play/group_vars").mkdir(parents=True)
    Path("play/group_vars/all.yml").write_text("beside: 5\n", encoding="utf-8")
    choice = Choice(None, hosts, playbook_dir=Path("play"))
    assert load_inventory(choice)[1].hosts["p1"].variables["beside"] == 5
    assert "beside" not in load_inventory(Choice(None, hosts))[1].hosts["p1"].variables
