"""An action that works on all hosts raises its privileges where each host says so."""

from __future__ import annotations

from qcluster.command import Become, Command
from qcluster.engine.dressed import Dress, DressedFleet
from qcluster.transport.scripted import ScriptedTransport


def test_each_host_is_dressed_as_it_says():
    hosts = {name: ScriptedTransport(name, default="fine") for name in ("root", "user")}
    raised = {"root": Dress(), "user": Dress(become=Become("root"))}
    fleet = DressedFleet(hosts, raised.__getitem__)
    for transport in fleet.values():
        transport.run(Command(("hccn_tool",)))
    assert hosts["root"].ran == [Command(("hccn_tool",))]
    assert hosts["user"].ran == [Command(("hccn_tool",), become=Become("root"))]
