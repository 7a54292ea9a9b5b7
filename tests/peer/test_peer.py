"""The peer is the oracle (issue 3): each playbook means to qcluster what it means to ansible-playbook."""

from __future__ import annotations

from pathlib import Path

import pytest
from peer_agreement import differences
from peer_machines import Machines
from peer_programs import Case, ansible, qcluster

PLAYBOOKS = sorted((Path(__file__).parent / "playbooks").glob("*.yml"))


@pytest.mark.peer
@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_both_programs_agree(playbook: Path, machines: Machines) -> None:
    case = Case(playbook)
    machines.reset()
    peer = ansible(case, machines)
    machines.reset()
    own = qcluster(case, machines)
    assert any(peer.tasks.values()), peer.output
    assert not (found := differences(peer, own, case.uncompared)), "\n".join([*found, own.output[-3000:]])


def test_there_are_at_least_forty() -> None:
    assert len(PLAYBOOKS) >= 40
