"""setup: a small set of facts, under Ansible's names."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

from qcluster.command import Command
from qcluster.facts.system import System, system
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome

_DISTRIBUTIONS = {
    "debian": "Debian", "ubuntu": "Ubuntu", "centos": "CentOS", "rhel": "RedHat", "fedora": "Fedora", "rocky": "Rocky",
    "almalinux": "AlmaLinux", "openEuler": "openEuler", "euleros": "EulerOS", "amzn": "Amazon", "alpine": "Alpine",
    "kylin": "Kylin Linux Advanced Server", "sles": "SLES", "opensuse-leap": "openSUSE Leap", "arch": "Archlinux",
}  # fmt: skip
_FAMILIES = {
    "Debian": ("Debian", "Ubuntu"),
    "Suse": ("SLES", "openSUSE Leap"),
    "Alpine": ("Alpine",),
    "Archlinux": ("Archlinux",),
    "RedHat": (
        "CentOS", "RedHat", "Fedora", "Rocky", "AlmaLinux", "openEuler", "EulerOS", "Amazon",
        "Kylin Linux Advanced Server",
    ),
}  # fmt: skip
_MANAGERS = {"apt-get": "apt", "dnf": "dnf", "yum": "yum", "zypper": "zypper", "apk": "apk", "pacman": "pacman"}


class Setup:
    """Ansible's `setup`, with the facts that playbooks use most and that a shell can tell."""

    spec = Spec(
        {
            "filter": Option("list", elements="str", default=(), help="Patterns of the names to keep."),
            "gather_subset": Option("list", elements="str", default=("all",), help="Accepted; one question asks all."),
            "gather_timeout": Option("int", default=10),
        },
        help="Gather facts about the host.",
    )

    def probe(self, call: Call) -> Command:
        return system().command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        facts = facts_of(system().parse(found))
        return Decision(values={"ansible_facts": _kept(facts, call.args["filter"])})


def facts_of(host: System) -> dict[str, Any]:
    """Every fact, with the `ansible_` prefix."""
    facts = {
        **_kernel(host), **_distribution(host), **_hardware(host), **_network(host), **_user(host), **_time(host),
        "env": dict(host.environment),
    }  # fmt: skip
    return {f"ansible_{name}": value for name, value in facts.items()}


def _kept(facts: Mapping[str, Any], patterns: list[str]) -> dict[str, Any]:
    wanted = [one for one in patterns if one not in ("", "*")]
    if not wanted:
        return dict(facts)
    return {
        name: value
        for name, value in facts.items()
        if any(fnmatch(name, one) or fnmatch(name.removeprefix("ansible_"), one) for one in wanted)
    }


def _kernel(host: System) -> dict[str, Any]:
    kind, node, release, version, machine = host.lines("uname")
    fqdn = "".join(host.lines("fqdn")[:1]) or node
    init = "".join(host.lines("init")[:1])
    return {
        "system": kind, "kernel": release, "kernel_version": version, "machine": machine, "architecture": machine,
        "nodename": node, "hostname": node.split(".")[0], "fqdn": fqdn, "domain": fqdn.partition(".")[2],
        "service_mgr": init or "service",
        "uptime_seconds": int(float(host.parts["uptime"].split()[0])) if host.parts.get("uptime") else None,
    }  # fmt: skip


def _distribution(host: System) -> dict[str, Any]:
    release = host.release
    name = _DISTRIBUTIONS.get(release.get("ID", ""), release.get("NAME", "Linux"))
    version = release.get("VERSION_ID", "")
    if name == "Debian":
        version = "".join(host.lines("debian")[:1]) or version
    family = next((family for family, names in _FAMILIES.items() if name in names), name)
    tools = [line.rpartition("/")[2] for line in host.lines("tools")]
    return {
        "distribution": name, "distribution_version": version, "distribution_major_version": version.split(".")[0],
        "distribution_release": release.get("VERSION_CODENAME", "NA"), "os_family": family,
        "pkg_mgr": _MANAGERS[tools[0]] if tools else "unknown",
    }  # fmt: skip


def _hardware(host: System) -> dict[str, Any]:
    memory, processors = host.memory, host.processors
    sockets = {one.get("physical id", "0") for one in processors}
    cores = next((int(one["cpu cores"]) for one in processors if "cpu cores" in one), 1)
    vendor, product = (*host.lines("product"), "NA", "NA")[:2]
    return {
        "processor_vcpus": len(processors), "processor_count": max(1, len(sockets)), "processor_cores": cores,
        "processor_nproc": int("".join(host.lines("nproc")[:1]) or len(processors)),
        "memtotal_mb": memory.get("MemTotal", 0), "memfree_mb": memory.get("MemFree", 0),
        "swaptotal_mb": memory.get("SwapTotal", 0), "swapfree_mb": memory.get("SwapFree", 0),
        "system_vendor": vendor, "product_name": product,
    }  # fmt: skip


def _network(host: System) -> dict[str, Any]:
    v4 = [_address(line) for line in host.lines("ipv4")]
    v6 = [_address(line) for line in host.lines("ipv6")]
    return {
        "interfaces": host.lines("interfaces"),
        "all_ipv4_addresses": [one["address"] for one in v4 if not one["address"].startswith("127.")],
        "all_ipv6_addresses": [one["address"] for one in v6 if one["address"] != "::1"],
        "default_ipv4": _default(host, v4),
    }


def _address(line: str) -> dict[str, str]:
    words = line.split()
    address, _, prefix = words[3].partition("/")
    found = {"interface": words[1].split("@")[0], "address": address, "prefix": prefix or "32"}
    return {**found, "broadcast": words[words.index("brd") + 1]} if "brd" in words else found


def _default(host: System, addresses: list[dict[str, str]]) -> dict[str, Any]:
    """The address that packets to elsewhere leave from; empty where there is no such route."""
    words = host.parts.get("route", "").split()
    route = {name: words[words.index(name) + 1] for name in ("via", "dev", "src") if name in words}
    own = next((one for one in addresses if one["address"] == route.get("src")), None)
    if own is None:
        return {}
    network = ipaddress.ip_interface(f"{own['address']}/{own['prefix']}").network
    return {
        **own, "gateway": route.get("via", ""), "network": str(network.network_address),
        "netmask": str(network.netmask), "alias": own["interface"], "type": "ether",
        **_link(host, own["interface"]),
    }  # fmt: skip


def _link(host: System, interface: str) -> dict[str, Any]:
    rows = (line.split() for line in host.lines("links"))
    link = next((row for row in rows if row[1].rstrip(":").split("@")[0] == interface), [])
    after = {word: link[link.index(word) + 1] for word in ("mtu", "link/ether") if word in link}
    mtu = {"mtu": int(after["mtu"])} if "mtu" in after else {}
    return {**mtu, "macaddress": after["link/ether"]} if "link/ether" in after else mtu


def _user(host: System) -> dict[str, Any]:
    name, uid, gid, real_uid, real_gid = host.lines("id")
    fields = (*"".join(host.lines("passwd")[:1]).split(":"), *[""] * 7)[:7]
    return {
        "user_id": name, "user_uid": int(uid), "user_gid": int(gid), "real_user_id": int(real_uid),
        "real_group_id": int(real_gid), "effective_user_id": int(uid), "effective_group_id": int(gid),
        "user_gecos": fields[4], "user_dir": fields[5], "user_shell": fields[6],
    }  # fmt: skip


def _time(host: System) -> dict[str, Any]:
    names = (
        "year", "month", "day", "hour", "minute", "second", "weekday", "weekday_number", "weeknumber", "iso_week",
        "day_of_year", "epoch", "tz", "tz_offset",
    )  # fmt: skip
    known = dict(zip(names, host.parts["date"].split(), strict=True))
    utc, nanoseconds = host.parts["utc"].split()
    micro = nanoseconds[:6] if nanoseconds.isdigit() else "000000"
    date, time = "-".join(known[one] for one in names[:3]), ":".join(known[one] for one in names[3:6])
    del known["iso_week"], known["day_of_year"]
    basic = f"{known['year']}{known['month']}{known['day']}T{known['hour']}{known['minute']}{known['second']}"
    times = {
        **known, "date": date, "time": time, "epoch_int": known["epoch"], "tz_dst": known["tz"], "iso8601": f"{utc}Z",
        "iso8601_micro": f"{utc}.{micro}Z", "iso8601_basic": basic + micro, "iso8601_basic_short": basic,
    }  # fmt: skip
    return {"date_time": times}


setup = Setup()
