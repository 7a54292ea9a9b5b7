"""The record of a deployment, kept on its hosts: what was started where, and how to get there.

`scale` finds in it the hosts that an edited inventory no longer has. Secrets are not in it. Source: issue 6, Day two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from qcluster.inventory.ways import way

FILE = "record.json"
"""In the deployment's folder on each of its hosts."""


@dataclass(frozen=True)
class Member:
    """One host as it was started: its part of the plan, the names of its containers, and how to connect.

    `proven` is false from before its first start until it is known to serve: a run may have been killed in between.
    """

    name: str
    state_dir: str
    npus: tuple[int, ...]
    roles: tuple[str, ...]
    digest: str
    runtime: str
    containers: tuple[str, ...]
    instances: tuple[Mapping[str, Any], ...]
    connection: Mapping[str, Any]
    proven: bool = True


@dataclass(frozen=True)
class Record:
    """`at`: when, in seconds of the epoch, by the controller's clock. `proxy` is the proxy's host, or empty."""

    deployment: str
    at: float
    proxy: str
    members: tuple[Member, ...]

    def member(self, name: str) -> Member | None:
        return next((one for one in self.members if one.name == name), None)


_INSTANCE = ("name", "role", "host", "address", "port", "group", "container", "log")


def made(plan: Mapping[str, Any], connections: Mapping[str, Mapping[str, Any]], at: float) -> Record:
    """From a bound plan in its JSON form, and the variables of each host."""
    members = tuple(_member(plan, host, connections.get(host["name"], {})) for host in plan["hosts"])
    return Record(plan["deployment"], at, (plan["proxy"] or {}).get("host", ""), members)


def _member(plan: Mapping[str, Any], host: Mapping[str, Any], variables: Mapping[str, Any]) -> Member:
    own = [one for one in plan["instances"] if one["host"] == host["name"]]
    return Member(
        name=host["name"],
        state_dir=host["state_dir"],
        npus=tuple(host["npus"]),
        roles=tuple(host["roles"]),
        digest=host["digest"],
        runtime=plan["runtime"],
        containers=tuple(box["name"] for box in host["containers"]),
        instances=tuple({name: one[name] for name in _INSTANCE} for one in own),
        connection=way(variables),
    )


def merged(new: Record, old: Record | None, gone: Iterable[str] = ()) -> Record:
    """The new record, with the hosts of the old one that it does not have and that were not stopped."""
    known = {one.name for one in new.members} | set(gone)
    left = tuple(one for one in old.members if one.name not in known) if old else ()
    return Record(new.deployment, new.at, new.proxy, (*new.members, *left))


def announced(new: Record, old: Record | None) -> Record:
    """The old record with the hosts that are about to start: whatever happens now, somebody knows of them."""
    if old is None:
        return replace(new, members=tuple(replace(one, proven=False) for one in new.members))
    known = {one.name for one in old.members}
    more = tuple(replace(one, proven=False) for one in new.members if one.name not in known)
    return replace(old, at=new.at, members=(*old.members, *more))


def same(one: Record, other: Record | None) -> bool:
    """Whether two records say the same but for when."""
    return other is not None and {**asdict(one), "at": 0} == {**asdict(other), "at": 0}


def write(record: Record) -> bytes:
    return (json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n").encode()


def read(text: str) -> Record | None:
    """None for what is empty or no record: nothing is known then. By hand: Pydantic's import takes as long as `up`."""
    try:
        value = json.loads(text)
        members = tuple(_read_member(one) for one in value["members"])
        return Record(str(value["deployment"]), float(value["at"]), str(value["proxy"]), members)
    except (ValueError, TypeError, KeyError):
        return None


def _read_member(value: Mapping[str, Any]) -> Member:
    """Raises TypeError where something is missing; words of a later version are left out."""
    known = {one.name: value[one.name] for one in fields(Member) if one.name in value}
    lists = {name: tuple(word) for name, word in known.items() if isinstance(word, list)}
    return Member(**{**known, **lists})
