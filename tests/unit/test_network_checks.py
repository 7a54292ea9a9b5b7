"""Each check finds what it is for in otherwise healthy readings, and nothing in healthy ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from network_stand import chip, conf, evidence, spoil, spoil_host

from qcluster.facts import hccn, npu, ports
from qcluster.facts.hccn import Trouble
from qcluster.network.findings import CAUSES, Npu, Verdict, catalogue, finding, ordered, places, worst
from qcluster.network.matrix import Ends
from qcluster.network.survey import Nic
from qcluster.network.topology import Endpoint
from qcluster.network.verdict import explanation, survey_findings
from qcluster.serving.ports import reserving, spans_of

BAD = Npu("node-1", 2)


def told(found):
    return [(item.id, item.verdict) for item in survey_findings(found)]


def one(found):
    (item,) = survey_findings(found)
    return item


@pytest.mark.parametrize("hardware", ["a2", "a3"])
def test_a_healthy_cluster_has_no_finding(hardware):
    assert told(evidence(hardware)) == []


@pytest.mark.parametrize(
    ("word", "id_", "verdict"),
    [("Alarm", "npu-health", Verdict.FAIL), ("Warning", "npu-health-warning", Verdict.ADVISORY)],
)
def test_an_npu_that_is_not_well_is_named_by_card_and_chip(word, id_, verdict):
    found = evidence("a3")
    host, table = BAD.host, found.hosts[BAD.host].table
    chips = tuple(replace(one, health=word) if one.physical_id == BAD.npu else one for one in table.npus)
    item = one(spoil_host(found, host, table=replace(table, npus=chips)))
    assert (item.id, item.verdict, item.npus) == (id_, verdict, (BAD,))
    assert f"-i {BAD.npu // 2} -c {BAD.npu % 2}" in item.remedy


NPU_CASES = [
    ("a2", {"link": hccn.Link(False)}, "link-down", Verdict.FAIL),
    ("a3", {"link": hccn.Link(False)}, "link-down-a3", Verdict.ADVISORY),
    ("a2", {"net_health": hccn.NetHealth("Receive timeout")}, "net-health", Verdict.FAIL),
    ("a3", {"net_health": hccn.NetHealth("Init")}, "net-health-a3", Verdict.ADVISORY),
    ("a2", {"link": hccn.Link(False), "net_health": hccn.NetHealth("Fault")}, "link-down", Verdict.FAIL),
    ("a2", {"link": hccn.Link(False), "lldp": hccn.Lldp("")}, "link-down", Verdict.FAIL),
    ("a2", {"lldp": hccn.Lldp("")}, "no-neighbour", Verdict.ADVISORY),
    ("a3", {"optical": hccn.Optical(False)}, "no-optic", Verdict.ADVISORY),
    ("a2", {"gateway": Trouble("unset", "no gateway was preset there")}, "gateway-missing", Verdict.ADVISORY),
    ("a3", {"vnic": hccn.Vnic(False, "", "")}, "vnic-missing", Verdict.FAIL),
    ("a3", {"vnic": Trouble("unsupported", "not supported on this product")}, "vnic-missing", Verdict.FAIL),
    ("a3", {"tls": hccn.Tls(True)}, "tls-mismatch", Verdict.FAIL),
    ("a3", {"netdetect": hccn.NetDetect("11.12.0.9")}, "hccn-conf-netdetect", Verdict.ADVISORY),
    ("a3", {"link": Trouble("tool-busy", "busy")}, "tool-busy", Verdict.UNKNOWN),
    ("a3", {"link": Trouble("permission", "no")}, "permission", Verdict.UNKNOWN),
    ("a3", {"link": Trouble("timeout", "")}, "timeout", Verdict.UNKNOWN),
    ("a3", {"link": Trouble("truncated", "link st")}, "truncated", Verdict.UNKNOWN),
    ("a3", {"link": Trouble("unparsed", "???")}, "unparsed", Verdict.UNKNOWN),
]


@pytest.mark.parametrize("hardware, values, id_, verdict", NPU_CASES, ids=lambda case: str(case)[:40])
def test_one_spoilt_npu(hardware, values, id_, verdict):
    item = one(spoil(evidence(hardware), *BAD, **values))
    assert (item.id, item.verdict, item.npus) == (id_, verdict, (BAD,))


def test_a_link_down_on_a3_fails_where_the_npu_is_silent():
    found = replace(spoil(evidence(), *BAD, link=hccn.Link(False)), silent=frozenset([BAD]))
    assert told(found) == [("link-down", Verdict.FAIL)]


def test_an_address_that_is_not_set():
    lacking = {"ip": Trouble("unset", "no ip was preset there!"), "gateway": Trouble("unset", "no gateway")}
    assert told(spoil(evidence("a2"), *BAD, **lacking)) == [("address-missing", Verdict.FAIL)]
    assert told(spoil(evidence("a3"), *BAD, **lacking)) == [("address-missing", Verdict.ADVISORY)]


def test_stale_conf_counts_npus():
    item = one(spoil(evidence(), *BAD, ip=hccn.Ip("11.12.2.99", "255.255.0.0")))
    assert item.summary.startswith("/etc/hccn.conf is stale on 1 of 12 NPUs: NPU 2 of node-1 (address_2=11.12.2.82")
    assert item.seen == "node-1: address_2=11.12.2.82 but the device has 11.12.2.99"


def test_conf_missing_whole_or_in_part():
    item = one(spoil_host(evidence(), "node-1", conf={}))
    assert (item.cause, item.hosts, item.npus) == ("hccn-conf-missing", ("node-1",), ())
    part = {index: values for index, values in conf(1).items() if index != 3}
    assert one(spoil_host(evidence(), "node-1", conf=part)).npus == (Npu("node-1", 3),)


def test_tls_names_the_minority_and_its_setter():
    found = evidence()
    for index in range(4):
        found = spoil(found, "node-2", index, tls=hccn.Tls(True))
    item = one(found)
    assert (item.hosts, len(item.npus)) == (("node-2",), 4)
    assert item.summary.startswith("The TLS switch differs: on at NPUs 0-3 of node-2, off at")
    assert "for i in 0 1 2 3; do hccn_tool -i $i -tls -s enable 0; done" in item.remedy


def test_duplicate_address():
    item = one(spoil(evidence(), *BAD, vnic=hccn.Vnic(True, "192.168.1.199", "255.255.0.0")))
    assert (item.cause, item.npus) == ("duplicate-address", (Npu("node-0", 0), BAD))


def pods(found, host, **changes):
    own = found.npus[host]
    changed = {index: replace(pod, **changes) for index, pod in own.pods.items()}
    return replace(found, npus={**found.npus, host: replace(own, pods=changed)})


def test_superpods():
    assert one(pods(evidence(), "node-1", pod=7)).hosts == ("node-1",)
    assert "Server Index" in one(pods(evidence(), "node-1", server=0)).summary
    doubled = evidence()
    own = doubled.npus["node-1"]
    same = {**own.pods, 3: replace(own.pods[3], sdid=own.pods[2].sdid)}
    item = one(replace(doubled, npus={**doubled.npus, "node-1": replace(own, pods=same)}))
    assert "SDID" in item.summary


def test_netmask_and_gateway():
    narrow = hccn.Ip("11.12.2.82", "255.255.255.0")
    found = [item for item in survey_findings(spoil(evidence(), *BAD, ip=narrow)) if item.id == "netmask-differs"]
    assert len(found) == 2
    assert all(item.verdict is Verdict.ADVISORY for item in found)


def test_drivers_and_firmware():
    assert one(spoil_host(evidence(), "node-2", driver="24.1")).summary == (
        "The NPU driver differs between hosts: 24.1 on node-2, 25.5.1 on node-0 and node-1."
    )
    found = evidence()
    other = replace(found.npus["node-2"], boards={0: npu.Board("25.5.1", "7.1")})
    assert one(replace(found, npus={**found.npus, "node-2": other})).id == "firmware-mismatch"


def test_a2_and_a3_together():
    mixed = evidence()
    a2 = npu.NpuTable("25.2", tuple(chip("a2", index) for index in range(4)))
    ids = [id_ for id_, _ in told(spoil_host(mixed, "node-2", table=a2))]
    assert ids[0] == "hardware-mix"


def test_a_host_that_is_not_what_the_plan_says():
    found = evidence()
    ends = {**found.topology.hosts, "node-1": replace(found.topology.hosts["node-1"], hardware="a2", npus=(0, 9))}
    items = survey_findings(replace(found, topology=replace(found.topology, hosts=ends)))
    assert {item.summary.split(":")[1].strip() for item in items if item.id == "hardware-differs"} == {
        "it has no NPU 9.",
        "the plan says A2, its NPUs say A3.",
    }


def test_tools_missing():
    found = spoil_host(evidence(), "node-1", tools={"hccn_tool": "", "npu-smi": "/bin/npu-smi"})
    no_tool = Trouble("tool-missing", "hccn_tool: not found")
    for index in range(4):
        found = spoil(found, "node-1", index, **dict.fromkeys(hccn.QUERIES, no_tool))
    item = one(found)
    assert (item.cause, item.hosts) == ("tool-missing", ("node-1",))
    assert found.mute == {"node-1": no_tool}


ETH = Nic("eth0", "10.0.0.1", 1500)


@pytest.mark.parametrize(
    "nics, words, said",
    [
        ((ETH,), {}, ""),
        ((), {}, ""),
        ((Nic("eth0", "10.0.0.77"),), {}, "no interface holds its address 10.0.0.1"),
        ((Nic("docker0", "10.0.0.1"),), {}, "is on docker0, which no other host reaches (HCCL_IF_IP)"),
        ((Nic("lo", "127.0.0.1"),), {"address": "127.0.0.1"}, "is on lo, which no other host reaches"),
        ((ETH,), {"nic": "eth1"}, "is on eth0, but `nic` says eth1"),
    ],
)
def test_nic(nics, words, said):
    found = spoil_host(evidence(), "node-0", nics=nics)
    endpoint = replace(found.topology.hosts["node-0"], **words)
    ends = {**found.topology.hosts, "node-0": endpoint}
    items = survey_findings(replace(found, topology=replace(found.topology, hosts=ends)))
    assert [item.cause for item in items] == (["nic"] if said else [])
    assert said in "".join(item.summary for item in items)


def test_mtu_and_clock_are_advisories():
    odd = (Nic("eth0", "10.0.0.2", 9000),)
    assert told(spoil_host(evidence(), "node-1", nics=odd)) == [("mtu", Verdict.ADVISORY)]
    item = one(spoil_host(evidence(), "node-1", clock=-61.5))
    assert item.summary.startswith("The clocks differ: node-1 is 61.5 s behind.")
    assert told(spoil_host(evidence(), "node-1", clock=1.0)) == []


def test_a_slow_connection_is_no_clock_skew():
    assert told(spoil_host(evidence(), "node-1", clock=8.0, clock_slack=6.0)) == []


def test_reserved_ports():
    found = evidence()
    kv = replace(found.topology.hosts["node-0"], reserve=((36000, 16), (36016, 16), (60000, 32)))
    ends = {**found.topology.hosts, "node-0": kv}
    found = replace(found, topology=replace(found.topology, hosts=ends))
    assert told(found) == []
    item = one(spoil_host(found, "node-0", reserved=((60000, 60031),)))
    assert item.remedy.endswith(reserving("36000-36031"))
    assert told(spoil_host(found, "node-0", reserved=(), ephemeral=(10000, 20000))) == []


def test_explanation():
    cut = spoil(evidence("a2"), *BAD, link=hccn.Link(False))
    explained = explanation(cut, survey_findings(cut))
    assert explained(Ends(BAD, Npu("node-0", 0)))
    assert explained(Ends(Npu("node-0", 0), BAD))
    assert not explained(Ends(Npu("node-0", 0), Npu("node-1", 1)))
    apart = spoil(evidence(), *BAD, tls=hccn.Tls(True))
    assert explanation(apart, [])(Ends(BAD, Npu("node-0", 0)))


def test_an_unreached_host_is_unknown():
    assert told(replace(evidence(), unreached={"node-9": "no route"})) == [("host-unreachable", Verdict.UNKNOWN)]


def test_the_catalogue_is_whole():
    for id_, entry in catalogue().items():
        assert entry.cause in CAUSES, id_
        assert entry.source and entry.remedy and entry.summary, id_
    assert {entry.cause for entry in catalogue().values()} == set(CAUSES)


def test_words():
    assert places([Npu("a", 3), Npu("a", 1), Npu("a", 2), Npu("b", 0)]) == "NPUs 1-3 of a and NPU 0 of b"
    assert spans_of([7, 1, 2, 3]) == "1-3,7"
    assert ports.ranges("36000-36255,60000") == ((36000, 36255), (60000, 60000))
    assert ports.ranges("") == ()
    items = [finding("mtu", detail="x"), finding("tls-mismatch", detail="x", wanted=0, ids=""),
             finding("permission", hosts=["a"], what="x")]  # fmt: skip
    assert [item.verdict for item in ordered(items)] == [Verdict.FAIL, Verdict.UNKNOWN, Verdict.ADVISORY]
    assert [worst([]), worst([Verdict.ADVISORY]), worst([Verdict.UNKNOWN, Verdict.ADVISORY])] == [
        Verdict.PASS,
        Verdict.PASS,
        Verdict.UNKNOWN,
    ]


def test_a_proxy_host_has_no_npus():
    found = evidence()
    ends = {**found.topology.hosts, "gate": Endpoint("gate", "10.0.0.9", "none")}
    assert "gate" not in replace(found, topology=replace(found.topology, hosts=ends)).npu_hosts
