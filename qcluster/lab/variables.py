"""From an inventory to lab hosts, and back: the connection variables that a lab host needs."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from dataclasses import replace
from shlex import quote
from typing import Any

from qcluster.inventory.model import Host, Inventory, Origin
from qcluster.lab.layout import NPUS, SOFTWARE, Lab, LabHost

CONNECTION = "lab"


def lab_hosts(inventory: Inventory) -> dict[str, LabHost]:
    """The hosts that say `ansible_connection: lab`."""
    found = (host for host in inventory.hosts.values() if host.variables.get("ansible_connection") == CONNECTION)
    return {host.name: _lab_host(host) for host in found}


def _lab_host(host: Host) -> LabHost:
    """`lab_hardware`, `lab_npus`, `lab_npu_smi` describe the machine where the inventory's own words do not."""
    said = str(host.variables.get("lab_hardware", host.variables.get("hardware", "")))
    hardware = said if said in NPUS else "a3"
    npus = host.variables.get("lab_npus", range(NPUS[hardware]))
    address = str(host.variables.get("ip", ""))
    return LabHost(
        name=host.name,
        address=address if re.fullmatch(r"127(\.\d+){3}", address) else "",
        hardware=hardware,
        npus=tuple(range(npus) if isinstance(npus, int) else (int(npu) for npu in npus)),
        software=str(host.variables.get("lab_npu_smi", SOFTWARE[hardware])),
    )


def connected(inventory: Inventory, lab: Lab) -> Inventory:
    """The same inventory, its lab hosts reachable by plain SSH."""
    hosts = {name: _connect(host, lab) if name in lab.hosts else host for name, host in inventory.hosts.items()}
    return replace(inventory, hosts=hosts)


def _connect(host: Host, lab: Lab) -> Host:
    if host.variables.get("ansible_connection") != CONNECTION:
        return host
    given = connection(lab, lab.hosts[host.name])
    if host.variables.get("ip"):
        del given["ip"]
    origins = {name: (*host.origins.get(name, ()), Origin("(lab)", 0, "lab", value)) for name, value in given.items()}
    return replace(host, variables={**host.variables, **given}, origins={**host.origins, **origins})


def connection(lab: Lab, host: LabHost) -> dict[str, Any]:
    """The variables that reach `host`."""
    return {
        "ansible_connection": "ssh",
        "ansible_host": host.address,
        "ansible_port": lab.port,
        "ansible_user": getpass.getuser(),
        "ansible_ssh_private_key_file": str(lab.client_key),
        "ansible_ssh_common_args": f"-o {quote(f'UserKnownHostsFile={lab.known_hosts}')} -o StrictHostKeyChecking=yes",
        "ip": host.address,
        "state_root": "~/.local/state/qcluster",
    }


def deployment(inventory: Inventory) -> str:
    """What the lab's directory is called: the deployment's name where it is plain, else the inventory's."""
    names: Mapping[str, Any] = next((host.variables for host in inventory.hosts.values()), {})
    name = str(names.get("deployment", ""))
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        return name
    return inventory.path.rsplit("/", 1)[-1].rsplit(".", 1)[0] or "lab"
