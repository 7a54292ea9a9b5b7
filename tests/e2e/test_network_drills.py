"""Fault drills: each fault, put into the lab, is found by `verify-network` and named by its true cause."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from qcluster.lab import faults

REPOSITORY = Path(__file__).parents[2]
SCHEMA = json.loads((REPOSITORY / "docs/schemas/verify-network.json").read_text(encoding="utf-8"))
QUICK = ("-e", '{"network_tool_timeout": 1, "network_busy_retries": [0.1, 0.2]}', "-q")

A2 = """
all:
  vars: {ansible_connection: lab, model: Qwen3.5-27B-w8a8, hardware: a2, tp: 2, dp: 4, deployment: drill-a2}
  children:
    prefill: {hosts: {p1: {}}}
    decode: {hosts: {d1: {}}}
"""

A3 = """
all:
  vars: {ansible_connection: lab, model: Qwen3.5-27B-w8a8, hardware: a3, tp: 2, dp: 2, npus: 4, deployment: drill-a3}
  children:
    prefill: {hosts: {p1: {}, p2: {}}}
    decode: {hosts: {d1: {}}}
"""


class Drill:
    """A lab that stays up for all drills of this file, and the faults in it."""

    def __init__(self, place, text, name):
        self.place, self.inventory = place, place.write(name, text)
        self.lab = place.folder / f"lab-{Path(name).stem}"

    def check(self, *more):
        ran = self.place.run("verify-network", self.inventory, "--json", *QUICK, *more, QCLUSTER_LAB_DIR=str(self.lab))
        assert ran.out, ran.err
        report = ran.json()
        jsonschema.validate(report, SCHEMA)
        assert (ran.exit == 0) == report["passed"]
        return report

    def start(self):
        ran = self.place.run("lab", "start", self.inventory, QCLUSTER_LAB_DIR=str(self.lab))
        assert ran.exit == 0, ran.text
        return self

    def stop(self):
        self.place.run("lab", "stop", self.inventory, QCLUSTER_LAB_DIR=str(self.lab))

    @contextmanager
    def fault(self, name, *words) -> Iterator[None]:
        """Something broken, mended afterwards."""
        faults.put(self.lab, name, words)
        try:
            yield
        finally:
            faults.clear(self.lab)


@pytest.fixture(scope="module")
def a3(shared_place):
    drill = Drill(shared_place, A3, "drill-a3.yaml").start()
    yield drill
    drill.stop()


@pytest.fixture(scope="module")
def a2(shared_place):
    drill = Drill(shared_place, A2, "drill-a2.yaml").start()
    yield drill
    drill.stop()


def serious(report):
    return [(found["id"], found["cause"]) for found in report["findings"] if found["verdict"] != "advisory"]


def only(report):
    """The one finding that keeps the network from passing."""
    found = [found for found in report["findings"] if found["verdict"] != "advisory"]
    assert len(found) == 1, [(item["id"], item["summary"]) for item in found]
    return found[0]


def npus(found):
    return [(npu["host"], npu["npu"]) for npu in found["npus"]]


def test_healthy(a3, a2):
    for drill in (a3, a2):
        report = drill.check()
        assert (report["verdict"], report["findings"]) == ("pass", [])
        assert report["probes"]["passed"] == report["probes"]["planned"] > 0
        assert all(pair["tried"] and not pair["missed"] for pair in report["tcp"])


def test_only_hosts_that_will_talk_are_probed(a3):
    met = {(cell["source"]["host"], cell["target"]["host"]) for cell in a3.check()["matrix"]}
    assert met == {("p1", "d1"), ("d1", "p1"), ("p2", "d1"), ("d1", "p2")}


def test_link_down_blocks_a2(a2):
    with a2.fault("link-down", "d1:5"):
        report = a2.check()
    found = only(report)
    assert (report["verdict"], found["id"], npus(found)) == ("fail", "link-down", [("d1", 5)])


def test_link_down_is_an_advisory_on_a3_while_pings_pass(a3):
    with a3.fault("link-down", "d1:2"):
        report = a3.check()
    assert report["verdict"] == "pass"
    assert "link-down" in [found["cause"] for found in report["findings"]]


@pytest.mark.parametrize("fault, cause", [("npu-source", "npu-source"), ("npu-target", "npu-target")])
def test_one_bad_npu(a3, fault, cause):
    with a3.fault(fault, "d1:3"):
        found = only(a3.check())
    assert (found["cause"], npus(found)) == (cause, [("d1", 3)])
    assert "NPU 3 of d1" in found["summary"]


def test_a_whole_host(a3):
    with a3.fault("host-fabric", "p2"):
        found = only(a3.check())
    assert (found["cause"], found["hosts"]) == ("host", ["p2"])


def test_a_host_pair_one_way(a3):
    with a3.fault("host-pair", "p1:d1"):
        found = only(a3.check())
    assert (found["cause"], found["hosts"]) == ("host-pair", ["p1", "d1"])
    assert found["summary"].startswith("p1 cannot reach d1:")


def test_the_whole_plane(a3):
    with a3.fault("plane", "hccs"):
        found = only(a3.check())
    assert (found["id"], set(found["hosts"])) == ("plane", {"p1", "p2", "d1"})


def test_tls_on_one_host(a3):
    with a3.fault("tls-off", "p2"):
        report = a3.check()
    found = only(report)
    assert (found["cause"], found["hosts"]) == ("tls-mismatch", ["p2"])
    assert "-tls -s enable" in found["remedy"]


def test_stale_conf_on_one_npu(a3):
    with a3.fault("hccn-conf-stale", "d1:1"):
        found = only(a3.check())
    assert (found["cause"], npus(found)) == ("hccn-conf-stale", [("d1", 1)])
    assert "stale on 1 of 12 NPUs" in found["summary"]


def test_missing_conf(a3):
    with a3.fault("hccn-conf-missing", "p1"):
        found = only(a3.check())
    assert (found["cause"], found["hosts"]) == ("hccn-conf-missing", ["p1"])


def test_missing_vnic(a3):
    with a3.fault("vnic-missing", "p1:0"):
        found = only(a3.check())
    assert (found["cause"], npus(found)) == ("vnic-missing", [("p1", 0)])


def test_missing_address(a2):
    with a2.fault("ip-missing", "p1:0"):
        report = a2.check()
    assert "address-missing" in [cause for _, cause in serious(report)]


def test_wrong_superpod(a3):
    with a3.fault("superpod-wrong", "p2"):
        found = only(a3.check())
    assert (found["cause"], found["hosts"]) == ("superpod-mismatch", ["p2"])


def test_duplicate_address(a3):
    with a3.fault("duplicate-ip", "d1:1", "p1:0"):
        report = a3.check()
    causes = [cause for _, cause in serious(report)]
    assert causes[0] == "duplicate-address"
    assert set(causes) <= {"duplicate-address", "hccn-conf-stale"}


def test_packet_loss(a3):
    with a3.fault("loss", "d1:2"):
        found = only(a3.check())
    assert (found["cause"], npus(found)) == ("packet-loss", [("d1", 2)])


def test_busy_tool(a3):
    with a3.fault("busy", "d1", "always"):
        report = a3.check()
    assert report["verdict"] == "unknown"
    assert {cause for _, cause in serious(report)} == {"tool-busy"}
    assert all(found["hosts"] == ["d1"] for found in report["findings"] if found["verdict"] == "unknown")


def test_a_tool_that_is_busy_for_a_moment_is_no_finding(a3):
    with a3.fault("busy", "d1", "2"):
        assert a3.check()["verdict"] == "pass"


def test_permission_denied(a3):
    with a3.fault("permission", "d1"):
        report = a3.check()
    assert report["verdict"] == "unknown"
    assert {cause for _, cause in serious(report)} == {"permission"}


def test_truncated_output(a3):
    with a3.fault("truncated", "d1", "tool"):
        report = a3.check()
    assert report["verdict"] == "unknown"
    assert {cause for _, cause in serious(report)} == {"truncated"}


def test_a_tool_that_hangs(a3):
    with a3.fault("hang", "d1"):
        report = a3.check()
    assert report["verdict"] == "unknown"
    assert {cause for _, cause in serious(report)} == {"timeout"}


def test_unknown_may_be_allowed(a3):
    with a3.fault("permission", "d1"):
        report = a3.check("--allow-unknown")
    assert (report["verdict"], report["passed"]) == ("unknown", True)


def test_firewall_between_two_hosts(a3):
    with a3.fault("firewall", "p1:d1"), a3.fault("firewalld", "d1"):
        found = only(a3.check())
    assert (found["cause"], found["hosts"]) == ("tcp-blocked", ["p1", "d1"])
    assert "firewalld is active on d1" in found["summary"]
    assert "firewall-cmd" in found["remedy"]


def test_one_blocked_port(a3):
    with a3.fault("firewall", "d1:p2", "7100"):
        found = only(a3.check())
    assert (found["cause"], found["hosts"]) == ("tcp-blocked", ["d1", "p2"])
    assert "1 port (api: 7100)" in found["summary"]


def test_tool_missing(a3):
    with a3.fault("tool-missing", "d1"):
        report = a3.check()
    assert report["verdict"] == "unknown"
    assert {cause for _, cause in serious(report)} == {"tool-missing"}


def test_a_stream_that_breaks_off(a3):
    with a3.fault("truncated", "d1", "script"):
        report = a3.check()
    assert report["verdict"] == "unknown"
    assert {cause for _, cause in serious(report)} == {"truncated"}


def test_a_host_that_goes_away(a3):
    with a3.fault("host-down", "p2"):
        ran = a3.place.run("verify-network", a3.inventory, "--json", *QUICK, QCLUSTER_LAB_DIR=str(a3.lab))
    assert (ran.exit, ran.json()["verdict"]) == (3, "unknown")
    assert only(ran.json())["hosts"] == ["p2"]


def test_clock_skew_and_mtu_are_advisories(a3):
    with a3.fault("clock-skew", "p2", "90"), a3.fault("mtu", "p2", "9000"):
        report = a3.check()
    assert report["verdict"] == "pass"
    assert {found["cause"] for found in report["findings"]} == {"clock-skew", "mtu"}


def test_driver_mismatch(a3):
    with a3.fault("driver-mismatch", "p2", "24.1.rc3"):
        found = only(a3.check())
    assert (found["cause"], found["hosts"]) == ("driver-mismatch", ["p2"])


def test_full_and_pairs_and_budget(a3):
    assert a3.check("--full")["probes"]["planned"] == 4 * 16
    budget = a3.check("--budget", "2")
    assert [found["id"] for found in budget["findings"]] == ["not-covered"]
    assert budget["expected_seconds"] <= 2


def test_a_person_reads_it(a3):
    with a3.fault("npu-source", "d1:3"):
        ran = a3.place.run("verify-network", a3.inventory, *QUICK, QCLUSTER_LAB_DIR=str(a3.lab))
    assert ran.exit == 1
    lines = ran.out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["p1", "p2", "d1"]
    assert any(line.startswith("FAIL    NPU 3 of d1 cannot reach") for line in lines)
    assert lines[-1].startswith("FAIL")


def test_no_host_answers(a2):
    with a2.fault("host-down", "p1"), a2.fault("host-down", "d1"):
        ran = a2.place.run("verify-network", a2.inventory, "--json", *QUICK, QCLUSTER_LAB_DIR=str(a2.lab))
    report = ran.json()
    jsonschema.validate(report, SCHEMA)
    assert (ran.exit, report["verdict"], only(report)["hosts"]) == (3, "unknown", ["p1", "d1"])
