"""Loopback addresses and the SSH port of a lab. Labs on one machine keep apart by subnet: the port is the claim."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from qcluster.errors import QclusterError
from qcluster.lab.layout import Lab, LabHost

PORT = 2222
_LIMIT = 250


def place(lab: Lab) -> Lab:
    """Give every host an address, and the lab a port, that nobody else uses now. What was chosen before is kept."""
    fixed = [host.address for host in lab.hosts.values() if host.address]
    ports = [lab.port] if lab.port else [PORT, *range(PORT + 10, PORT + 100)]
    for port in ports:
        for subnet in _subnets():
            placed = _on(lab.hosts, subnet)
            if _free([*fixed, *(host.address for host in placed.values())], port):
                return replace(lab, port=port, hosts=placed)
            if len(fixed) == len(lab.hosts):
                break
    raise QclusterError(f"no loopback addresses are free for {len(lab.hosts)} lab hosts: stop another lab first")


def _subnets() -> Iterator[str]:
    yield "127.0.1"
    yield from (f"127.1.{third}" for third in range(1, _LIMIT))


def _on(hosts: Mapping[str, LabHost], subnet: str) -> dict[str, LabHost]:
    """The hosts with addresses of `subnet` where they had none."""
    taken = {host.address for host in hosts.values()}
    free = (address for last in range(1, 255) if (address := f"{subnet}.{last}") not in taken)
    return {name: host if host.address else replace(host, address=next(free)) for name, host in hosts.items()}


def _free(addresses: Sequence[str], port: int) -> bool:
    return all(_can_bind(address, port) for address in dict.fromkeys(addresses))


def _can_bind(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def same_subnet(hosts: Mapping[str, LabHost]) -> dict[str, LabHost]:
    """Addresses for the new hosts of a lab that already runs: next to those of the others."""
    first = next((host.address for host in hosts.values() if host.address), "127.0.1.0")
    return _on(hosts, first.rpartition(".")[0])
