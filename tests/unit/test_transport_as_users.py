"""What a command line asks of hosts outside of tasks runs as the inventory says."""

from __future__ import annotations

from qcluster.command import Become, Command, Put
from qcluster.transport.as_users import AsUsers
from qcluster.transport.scripted import ScriptedTransport

ROOT, OTHER = Become("root"), Become("other")


def test_commands_become_who_the_inventory_says_unless_they_name_somebody() -> None:
    fleet = {name: ScriptedTransport(name, default="") for name in ("a", "b")}
    hosts = AsUsers(fleet, {"a": ROOT, "b": None})
    for host in hosts.values():
        host.run(Command(("true",)))
        host.run(Command(("true",), become=OTHER))
        host.put(Put("/x", b""))
    assert [command.become for command in fleet["a"].ran] == [ROOT, OTHER]
    assert [command.become for command in fleet["b"].ran] == [None, OTHER]
    assert [put.become for name in fleet for put in fleet[name].puts] == [ROOT, None]
