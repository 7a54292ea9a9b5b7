"""Any one fault, put into a made-up cluster, is named by its true kind, with no other culprit beside it."""

from __future__ import annotations

from itertools import count as counter
from itertools import permutations

import pytest

from qcluster.facts.hccn import Trouble
from qcluster.facts.pings import Ping
from qcluster.network.culprits import culprits
from qcluster.network.findings import Npu
from qcluster.network.matrix import Ends, Result, matrix
from qcluster.network.schedule import Effort, schedule
from qcluster.network.widen import hunt


def cluster(hosts, npus=16):
    return {f"node-{index}": tuple(range(npus)) for index in range(hosts)}


def world(broken, lossy=lambda ends: False):
    """A fabric: `broken(ends)` pairs never answer, `lossy` ones drop every third packet."""
    dropped = counter()

    def send(lanes):
        return [answer(probe) for lane in lanes.values() for probe in lane]

    def answer(probe):
        ends = Ends(probe.source, probe.target)
        received = 0 if broken(ends) else probe.packets
        if received and lossy(ends):
            received = sum(next(dropped) % 3 != 0 for _ in range(probe.packets))
        return Result(probe, Ping(probe.packets, received), "seen")

    return send


def found(npus, broken, lossy=lambda ends: False, pairs=None, explained=lambda ends: False):
    plan = schedule(npus, pairs or list(permutations(npus, 2)), Effort())
    results = hunt(plan.probes, world(broken, lossy), npus, explained)
    return [(c.kind, c.suspect.what, c.lossy) for c in culprits(matrix(results), explained)]


BAD = Npu("node-1", 5)
SIZES = [2, 3, 5]


@pytest.mark.parametrize("hosts", SIZES)
@pytest.mark.parametrize("npus", [8, 16])
class TestOneFault:
    def test_none(self, hosts, npus):
        assert found(cluster(hosts, npus), lambda e: False) == []

    def test_source(self, hosts, npus):
        assert found(cluster(hosts, npus), lambda e: e.source == BAD) == [("npu-source", (BAD,), False)]

    def test_target(self, hosts, npus):
        assert found(cluster(hosts, npus), lambda e: e.target == BAD) == [("npu-target", (BAD,), False)]

    def test_source_and_target(self, hosts, npus):
        assert found(cluster(hosts, npus), lambda e: BAD in e) == [("npu-dead", (BAD,), False)]

    def test_host_with_its_own_wires(self, hosts, npus):
        broken = found(cluster(hosts, npus), lambda e: "node-1" in (e.source.host, e.target.host))
        assert broken == [("host", ("node-1",), False)]

    def test_pair_one_way(self, hosts, npus):
        broken = found(cluster(hosts, npus), lambda e: (e.source.host, e.target.host) == ("node-0", "node-1"))
        assert broken == [("host-pair", ("node-0", "node-1"), False)]

    def test_pair_both_ways(self, hosts, npus):
        broken = found(cluster(hosts, npus), lambda e: {e.source.host, e.target.host} == {"node-0", "node-1"})
        assert broken == [("host-pair-both", ("node-0", "node-1"), False)]

    def test_plane_of_one_index(self, hosts, npus):
        broken = found(cluster(hosts, npus), lambda e: 3 in (e.source.npu, e.target.npu))
        assert broken == [("plane-index", (3,), False)]

    def test_the_whole_plane(self, hosts, npus):
        assert found(cluster(hosts, npus), lambda e: True) == [("plane", (), False)]

    def test_loss_at_a_target(self, hosts, npus):
        assert found(cluster(hosts, npus), lambda e: False, lambda e: e.target == BAD) == [("npu-target", (BAD,), True)]

    def test_loss_at_a_source(self, hosts, npus):
        assert found(cluster(hosts, npus), lambda e: False, lambda e: e.source == BAD) == [("npu-source", (BAD,), True)]


@pytest.mark.parametrize("hosts", [3, 5])
def test_host_whose_uplink_is_dead_though_it_works_inside(hosts):
    broken = found(cluster(hosts), lambda e: "node-1" in (e.source.host, e.target.host) and not e.inside)
    assert broken == [("host", ("node-1",), False)]


@pytest.mark.parametrize("hosts", [3, 5])
def test_host_that_only_receives(hosts):
    assert found(cluster(hosts), lambda e: e.source.host == "node-1" and not e.inside) == [
        ("host-out", ("node-1",), False)
    ]


def test_two_faults_at_once():
    other = Npu("node-2", 11)
    broken = found(cluster(4), lambda e: e.source == BAD or e.target == other)
    assert set(broken) == {("npu-source", (BAD,), False), ("npu-target", (other,), False)}


def test_one_pair_of_npus():
    ends = Ends(Npu("node-0", 1), Npu("node-1", 1))
    assert found(cluster(2), lambda e: e == ends) == [("npu-pair", ends, False)]


def test_only_pairs_that_talk():
    pairs = [("node-0", "node-2"), ("node-2", "node-0"), ("node-1", "node-2"), ("node-2", "node-1")]
    broken = found(cluster(3), lambda e: (e.source.host, e.target.host) == ("node-1", "node-2"), pairs=pairs)
    assert broken == [("host-pair", ("node-1", "node-2"), False)]


def test_what_is_explained_is_not_told_again():
    assert found(cluster(3), lambda e: BAD in e, explained=lambda e: BAD in e) == []


def test_unknown_is_neither_pass_nor_failure():
    probe = schedule(cluster(2), [("node-0", "node-1")], Effort()).probes["node-0"][0]
    cells = matrix([Result(probe, Trouble("tool-busy", "busy"), "busy")])
    (cell,) = cells.values()
    assert (cell.state, cell.unread, culprits(cells)) == ("unknown", 1, ())


def test_a_healthy_cluster_is_probed_once():
    npus = cluster(3)
    plan = schedule(npus, list(permutations(npus, 2)), Effort())
    assert len(hunt(plan.probes, world(lambda e: False), npus)) == plan.planned
