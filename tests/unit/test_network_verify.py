"""The whole dialogue with made-up hosts: what it costs, what it says, and the documents that come of it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
import yaml
from network_stand import Cluster

from qcluster.command import Command
from qcluster.errors import ConnectTimeout, Interrupted
from qcluster.modules import arguments
from qcluster.modules.base import Call, Reach
from qcluster.modules.verify_network import verify_network
from qcluster.network.dialogue import Dialogue
from qcluster.network.document import document
from qcluster.network.findings import CAUSES, Npu
from qcluster.network.schedule import Effort
from qcluster.network.topology import without_plan
from qcluster.network.verify import Wishes, verify
from qcluster.report.network_text import network_lines
from qcluster.result import Outcome
from qcluster.transport.scripted import ScriptedTransport

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/verify-network.json").read_text())


def look(cluster, wishes=None, transports=None, cancelled=lambda: False):
    variables = {name: {"ip": f"10.0.0.{i + 1}"} for i, name in enumerate(cluster.names)}
    events = []
    dialogue = Dialogue(transports or cluster.transports, lambda: 1000.0, events.append, cancelled)
    outcomes = verify(without_plan(variables), dialogue, wishes or Wishes())
    report = document(outcomes)
    if len(cluster.names) < 9:  # the validator takes a minute for the probes of 64 hosts
        jsonschema.validate(report, SCHEMA)
    return outcomes, report, events


def test_sixty_four_hosts_cost_six_commands_each():
    cluster = Cluster(64)
    _, report, _ = look(cluster)
    assert (report["verdict"], report["findings"]) == ("pass", [])
    assert report["probes"] == {"planned": 64 * 63, "passed": 64 * 63, "failed": 0, "unknown": 0}
    spent = Counter(len(transport.ran) for transport in cluster.transports.values())
    assert spent == {6: 64}, "host, NPUs, probes; listen, connect, unlisten"


def test_every_command_has_a_deadline_on_the_host():
    cluster = Cluster(2)
    look(cluster)
    assert all(command.timeout for transport in cluster.transports.values() for command in transport.ran)


def test_a_failure_costs_further_rounds_and_is_named():
    cluster = Cluster(3, broken=lambda source, target: source == (1, 5))
    outcomes, report, _ = look(cluster)
    (found,) = outcomes.findings
    assert (found.id, found.npus) == ("npu-source", (Npu("node-1", 5),))
    assert found.summary.startswith("NPU 5 of node-1 cannot reach node-0 and node-2: ")
    assert report["probes"]["failed"] == sum(cell["state"] == "fail" for cell in report["matrix"])
    assert 7 <= len(cluster.transports["node-1"].ran) <= 9


def test_the_expected_duration_is_told_before_the_first_probe():
    _, report, events = look(Cluster(2))
    texts = [event.text for event in events]
    note = next(i for i, text in enumerate(texts) if "64 probes over HCCS, about 35 s" in text)
    assert note < next(i for i, event in enumerate(events) if event.kind == "count")
    assert report["expected_seconds"] == pytest.approx(35.2)


def test_without_probes_and_tcp_only_readings_are_taken():
    cluster = Cluster(2)
    _, report, _ = look(cluster, Wishes(probes=False, tcp=False))
    assert (report["verdict"], report["probes"]["planned"], report["tcp"]) == ("pass", 0, [])
    assert {len(transport.ran) for transport in cluster.transports.values()} == {2}


def test_a_budget_is_told():
    _, report, _ = look(Cluster(3), Wishes(effort=Effort(budget=5)))
    assert [found["id"] for found in report["findings"]] == ["not-covered"]
    assert report["verdict"] == "pass"


def test_a_host_that_is_gone_is_unknown_and_the_others_are_judged():
    cluster = Cluster(3)
    gone = ScriptedTransport("node-2", default=ConnectTimeout("node-2", "no answer in 10 s"))
    _, report, _ = look(cluster, transports={**cluster.transports, "node-2": gone})
    assert [(found["id"], found["hosts"]) for found in report["findings"]] == [("host-unreachable", ["node-2"])]
    assert report["verdict"] == "unknown"
    assert report["probes"]["passed"] == report["probes"]["planned"] > 0


def test_noise_instead_of_an_answer_is_never_a_pass():
    cluster = Cluster(2)
    for answer in ("", "Last login: yesterday\n", "@host/clock 0 6\n1000.0\n", "@end 0 0\n\n"):
        noisy = ScriptedTransport("node-1", default=answer)
        _, report, _ = look(cluster, transports={**cluster.transports, "node-1": noisy})
        assert report["verdict"] == "unknown"
        assert {tuple(found["hosts"]) for found in report["findings"]} == {("node-1",)}


def test_ctrl_c_stops_between_phases():
    with pytest.raises(Interrupted):
        look(Cluster(2), cancelled=lambda: True)


def action(cluster, heard=None, lost=None, **args):
    given = arguments.coerce(verify_network.spec, args)
    reach = Reach(
        transport=cluster.transports["node-0"],
        fleet=cluster.transports,
        variables_of=lambda host: {"ip": "10.0.0.1"},
        play_hosts=tuple(name for name in cluster.names if name not in (lost or {})),
        emit=(lambda event: None) if heard is None else heard.append,
        sleep=lambda seconds: None,
        clock=lambda: 1000.0,
        lost=lost or {},
    )
    return verify_network.run(Call("node-0", given, {"ansible_play_hosts_all": tuple(cluster.names)}), reach)


def test_the_action_fails_with_sentences_and_remedies():
    report = action(Cluster(3, broken=lambda source, target: target == (2, 3)))
    first, second, third, *_ = report.failed.splitlines()
    assert first == "the network does not pass (fail)"
    assert second.startswith("fail: NPU 3 of node-2 cannot be reached from node-0 and node-1")
    assert "hccn_tool -i 3 -ip -g" in third
    jsonschema.validate({k: v for k, v in report.values.items() if k not in ("changed",)}, SCHEMA)


def test_a_finding_is_told_in_full_once():
    sick = Cluster(3, broken=lambda source, target: target == (2, 3))
    heard = []
    report = action(sick, heard)
    texts = [event.text for event in heard if event.kind == "finding"]
    assert "fail: npu-target (node-2)" in texts and not any("cannot be reached" in text for text in texts)
    assert "cannot be reached" in report.failed
    brief = action(sick, brief=True)
    assert brief.failed.splitlines()[:2] == ["the network does not pass (fail)", "fail: npu-target (node-2)"]
    assert "hccn_tool" not in brief.failed


def test_who_gives_no_answer_is_named_while_it_is_waited_for():
    told, heard = threading.Event(), []

    class Slow:
        def run(self, command, on_output=None):
            assert told.wait(60)
            return Outcome(command, 0)

    def emit(event):
        heard.append(event.text)
        told.set()

    dialogue = Dialogue({"a": Slow()}, lambda: 1000.0, emit, silence=0.01)
    assert set(dialogue.ask({"a": Command(("true",))})) == {"a"}
    assert heard[0].startswith("no answer from a for ")


def test_a_host_that_the_run_has_lost_keeps_its_reason():
    report = action(Cluster(3), lost={"node-2": "node-2: sudo wants a password (set ansible_become_password)"})
    (told,) = [found["summary"] for found in report.values["findings"] if found["id"] == "host-unreachable"]
    assert "node-2 could not be asked: sudo wants a password (set ansible_become_password)." in told


def test_the_action_passes():
    assert action(Cluster(2)).failed == ""


def test_a_terminal_gets_a_line_a_host_and_findings_worst_first():
    _, report, _ = look(Cluster(3, broken=lambda source, target: target == (2, 3)))
    lines = list(network_lines(report))
    assert [line.split()[1] for line in lines[:3]] == ["node-0", "node-1", "node-2"]
    assert lines[2].startswith("FAIL    node-2  A3, 16 NPUs  link UP  TLS off  driver 25.5.1")
    assert any("remedy  On node-2: is its address" in line for line in lines)
    assert "\x1b[" in "\n".join(network_lines(report, colour=True))


def test_the_schema_knows_every_cause():
    assert SCHEMA["$defs"]["finding"]["properties"]["cause"]["enum"] == list(CAUSES)


def test_the_role_offers_every_argument_of_the_action():
    root = Path(__file__).parents[2] / "roles/network"
    defaults = yaml.safe_load((root / "defaults/main.yml").read_text())
    spec = yaml.safe_load((root / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert {name.removeprefix("network_") for name in defaults} == set(verify_network.spec.options)
    assert set(spec) == set(defaults)
