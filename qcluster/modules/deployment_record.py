"""What was started where, written to every host of the deployment: `scale` reads it. Source: issue 6, Day two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qcluster.command import Put, sh
from qcluster.errors import UnreachableError
from qcluster.inventory.ways import WAY
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.streams import note
from qcluster.serving import record
from qcluster.serving.record import Record
from qcluster.transport.base import Transport

HERE = 'case $1 in "<fact:home>"*) set -- "$HOME${1#"<fact:home>"}" ;; esac\n'
READ = HERE + 'cat "$1" 2>/dev/null || :\n'
SUM = HERE + 'sha256sum "$1" 2>/dev/null || :\n'


class DeploymentRecord:
    spec = Spec(
        {
            "gone": Option("list", elements="str", default=(), help="Hosts that were stopped and are forgotten."),
            "proven": Option(
                "bool", default=True, help="false: before a start; hosts that serve are left as they are."
            ),
        },
        help="Every host of the deployment knows what was started where (run_once).",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        plan = call.variables["qcluster_plan"]
        hosts = {host["name"]: host["state_dir"] for host in plan["hosts"] if host["name"] in reach.play_hosts}
        if len(hosts) < len(plan["hosts"]):
            return Report(skipped="only a part of the deployment takes part in this run")
        found = records(hosts, reach.fleet)
        new = record.made(plan, {name: _variables(reach, name) for name in hosts}, reach.clock())
        old = newest(found)
        new = record.merged(new, old, call.args["gone"]) if call.args["proven"] else record.announced(new, old)
        stale = [name for name in hosts if not record.same(new, found[name])]
        _tell_left(reach, new, plan)
        if call.check or not stale:
            return Report(changed=bool(stale))
        wrote = on_all(stale, lambda name: reach.fleet[name].put(_put(hosts[name], new)))
        failed = "; ".join(f"{name}: {outcome.err.strip()}" for name, outcome in wrote.items() if not outcome.ok)
        return Report(changed=True, failed=f"the record could not be written: {failed}" if failed else "")


def _variables(reach: Reach, name: str) -> Mapping[str, Any]:
    seen = reach.variables_of(name)
    return {key: seen[key] for key in WAY if key in seen}


def _put(folder: str, what: Record) -> Put:
    return Put(f"{folder}/{record.FILE}", record.write(what), 0o644)


def _tell_left(reach: Reach, new: Record, plan: Mapping[str, Any]) -> None:
    """Hosts that neither the plan nor this run has: `scale` itself has them at hand."""
    names = {host["name"] for host in plan["hosts"]}
    for one in new.members:
        if one.name not in names and one.name not in reach.fleet:
            note(reach, one.name, f"{one.name} is not in the plan any more; `qcluster scale` stops what runs there")


def records(
    homes: Mapping[str, str], fleet: Mapping[str, Transport], lost: Callable[[UnreachableError], None] | None = None
) -> dict[str, Record | None]:
    """The record of every host; `homes` are the deployment's folders, which may begin with `<fact:home>`.

    It is the same on nearly all of them, so a checksum is asked of each, and each text is read once. `lost` is told of
    hosts that cannot be reached; without it they raise `UnreachableError`.
    """

    def checksum(name: str) -> str:
        try:
            return fleet[name].run(sh(SUM, f"{homes[name]}/{record.FILE}", timeout=30)).out.partition(" ")[0]
        except UnreachableError as error:
            if lost is None:
                raise
            lost(error)
            return ""

    sums: dict[str, str] = on_all(homes, checksum)
    keepers = {checksum: name for name, checksum in sums.items() if checksum}
    read = {checksum: _read(fleet[name], homes[name]) for checksum, name in keepers.items()}
    return {name: read.get(checksum) for name, checksum in sums.items()}


def _read(transport: Transport, folder: str) -> Record | None:
    return record.read(transport.run(sh(READ, f"{folder}/{record.FILE}", timeout=30)).out)


def newest(found: Mapping[str, Record | None]) -> Record | None:
    """Hosts that were away keep an old one."""
    return max((one for one in found.values() if one), key=lambda one: one.at, default=None)


def on_all(names: Any, ask: Any) -> dict[str, Any]:
    """The answer of every host, asked at once."""
    with ThreadPoolExecutor(max_workers=max(1, min(64, len(names)))) as pool:
        return dict(zip(names, pool.map(ask, names), strict=True))


deployment_record = DeploymentRecord()
