"""The schedule covers what it promises, for any shape of cluster."""

from __future__ import annotations

import time
from collections import Counter
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from qcluster.network.findings import Npu
from qcluster.network.schedule import Effort, schedule


def cluster(count, npus=16):
    return {f"node-{index}": range(npus) for index in range(count)}


def all_pairs(hosts):
    return list(permutations(hosts, 2))


def sent(plan):
    return [probe for lane in plan.probes.values() for probe in lane]


@st.composite
def shapes(draw):
    hosts = {f"h{i}": range(draw(st.integers(1, 9))) for i in range(draw(st.integers(2, 7)))}
    chosen = draw(st.sets(st.sampled_from(all_pairs(hosts)), min_size=1))
    return hosts, sorted(chosen)


@given(shapes(), st.integers(1, 3))
def test_every_pair_once_every_npu_twice(shape, per_pair):
    hosts, pairs = shape
    probes = sent(schedule(hosts, pairs, Effort(pairs=per_pair)))
    met = Counter((probe.source.host, probe.target.host) for probe in probes)
    assert set(met) == set(pairs)
    assert all(count >= per_pair for count in met.values())
    sources, targets = Counter(p.source for p in probes), Counter(p.target for p in probes)
    for source, target in pairs:
        assert all(sources[Npu(source, npu)] >= 2 for npu in hosts[source])
        assert all(targets[Npu(target, npu)] >= 2 for npu in hosts[target])


def test_two_probes_of_an_npu_have_different_partners():
    for count in (2, 3, 4, 5, 17):
        probes = sent(schedule(cluster(count), all_pairs(cluster(count)), Effort()))
        for end, other in ((0, 1), (1, 0)):
            partners = {}
            for probe in probes:
                partners.setdefault(probe[end], set()).add(probe[other])
            assert all(len(found) >= 2 for found in partners.values())


def test_no_npu_is_hammered_at_any_step():
    plan = schedule(cluster(8), all_pairs(cluster(8)), Effort())
    for step in zip(*plan.probes.values(), strict=True):
        assert len({probe.target for probe in step}) == 8


@given(shapes())
def test_full_has_every_pair_exactly_once_beyond_the_default(shape):
    hosts, pairs = shape
    probes = sent(schedule(hosts, pairs, Effort(full=True)))
    wanted = {(Npu(a, i), Npu(b, j)) for a, b in pairs for i in hosts[a] for j in hosts[b]}
    assert {(probe.source, probe.target) for probe in probes} == wanted


def test_a_budget_keeps_host_pairs():
    hosts = cluster(5)
    plan = schedule(hosts, all_pairs(hosts), Effort(budget=4.5, seconds=1.1))
    assert {(p.source.host, p.target.host) for p in sent(plan)} == set(all_pairs(hosts))
    assert plan.duration <= 4.5
    assert plan.wanted == 5 * 32 > plan.planned == 5 * 4


def test_nobody_to_talk_to():
    plan = schedule(cluster(1), [], Effort())
    assert (plan.planned, plan.duration) == (0, 0)


def test_sixty_four_hosts_cost_little_each():
    hosts = cluster(64)
    begin = time.perf_counter()
    plan = schedule(hosts, all_pairs(hosts), Effort())
    print(f"64 hosts x 16 NPUs planned in {time.perf_counter() - begin:.3f} s, {plan.duration:.0f} s to probe")
    assert plan.planned == 64 * 63
    assert max(map(len, plan.probes.values())) == 63
