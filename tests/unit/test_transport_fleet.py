"""Hosts by name: those of the inventory, and the controller itself."""

from __future__ import annotations

import pytest

from qcluster.command import Command
from qcluster.transport.fleet import Fleet
from qcluster.transport.local import LocalTransport
from qcluster.transport.settings import Settings


def test_localhost_is_the_controller_and_no_host_of_the_inventory() -> None:
    fleet = Fleet({"p1": Settings("p1", connection="local")})
    outcome = fleet["localhost"].run(Command(("echo", "here")))
    assert (fleet["localhost"].host, outcome.out) == ("localhost", "here\n")
    assert list(fleet) == ["p1"] and len(fleet) == 1
    fleet.close()


def test_an_inventory_may_have_a_localhost_of_its_own() -> None:
    fleet = Fleet({"localhost": Settings("localhost", address="10.0.0.1", connection="ssh")})
    assert not isinstance(fleet["localhost"], LocalTransport)
    fleet.close()


def test_nobody_else_becomes_a_host() -> None:
    with pytest.raises(KeyError):
        Fleet({})["elsewhere"]
