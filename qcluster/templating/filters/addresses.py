"""A subset of the `ansible.utils` filters on IP addresses, over Python's own `ipaddress`."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _read(value: Any, version: int | None) -> Interface | None:
    try:
        found = ipaddress.ip_interface(str(value) if not isinstance(value, int) else value)
    except ValueError:
        return None
    return found if version in (None, found.version) else None


def _usable(found: Interface, index: int) -> str:
    hosts = found.network.num_addresses
    small = hosts <= 2
    return str(found.network[index if small else (index + 1 if index >= 0 else index - 1)])


QUERIES: dict[str, Callable[[Interface], Any]] = {
    "address": lambda found: str(found.ip),
    "ip": lambda found: str(found.ip),
    "network": lambda found: str(found.network.network_address),
    "broadcast": lambda found: str(found.network.broadcast_address),
    "netmask": lambda found: str(found.network.netmask),
    "hostmask": lambda found: str(found.network.hostmask),
    "prefix": lambda found: found.network.prefixlen,
    "subnet": lambda found: str(found.network),
    "size": lambda found: found.network.num_addresses,
    "version": lambda found: found.version,
    "int": lambda found: int(found.ip),
    "first_usable": lambda found: _usable(found, 0),
    "last_usable": lambda found: _usable(found, -1),
    "host": lambda found: str(found),
    "host/prefix": lambda found: str(found),
    "network/prefix": lambda found: str(found.network),
    "private": lambda found: found.ip.is_private,
    "public": lambda found: found.ip.is_global,
    "loopback": lambda found: found.ip.is_loopback,
    "multicast": lambda found: found.ip.is_multicast,
    "link-local": lambda found: found.ip.is_link_local,
}
_KEEPING = ("private", "public", "loopback", "multicast", "link-local")


def ipaddr(value: Any, query: Any = "", version: int | None = None) -> Any:
    """The address where it is one, else False; with a query, that part of it; of a list, those that are."""
    if isinstance(value, list | tuple):
        results = [ipaddr(item, query, version) for item in value]
        return [result for result in results if result not in (False, None)]
    found = _read(value, version)
    if found is None:
        return False
    if query == "":
        return value
    if isinstance(query, int) or str(query).lstrip("-").isdigit():
        return f"{found.network[int(query)]}/{found.network.prefixlen}"
    return _answer(found, str(query), value)


def _answer(found: Interface, query: str, value: Any) -> Any:
    if query in QUERIES:
        result = QUERIES[query](found)
        return (value if result else False) if query in _KEEPING else result
    network = _read(query, None)
    if network is None or "/" not in query:
        raise ValueError(
            f"ipaddr: unknown query {query!r}; there are {', '.join(sorted(QUERIES))}, an index, a network"
        )
    return value if found.ip in network.network else False


def ipv4(value: Any, query: Any = "") -> Any:
    return ipaddr(value, query, 4)


def ipv6(value: Any, query: Any = "") -> Any:
    return ipaddr(value, query, 6)


def ipwrap(value: Any) -> Any:
    """An IPv6 address in brackets, anything else as it is."""
    if isinstance(value, list | tuple):
        return [ipwrap(item) for item in value]
    found = _read(value, 6)
    return value if found is None or str(value).startswith("[") else f"[{value}]"


def nthhost(value: Any, index: int) -> Any:
    found = _read(value, None)
    return str(found.network[int(index)]) if found is not None else False


def ipmath(value: Any, amount: int) -> Any:
    found = _read(value, None)
    if found is None:
        raise ValueError(f"ipmath: {value!r} is not an address")
    return str(found.ip + int(amount))


_FILTERS: dict[str, Callable[..., Any]] = {
    "ipaddr": ipaddr,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "ipwrap": ipwrap,
    "nthhost": nthhost,
    "ipmath": ipmath,
}
FILTERS = {**_FILTERS, **{f"ansible.utils.{name}": function for name, function in _FILTERS.items()}}
