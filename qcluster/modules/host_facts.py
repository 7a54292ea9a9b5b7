"""Ask a host what it is and has, once, and keep the answer as the host fact `qcluster_facts`. Source: issue 6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcluster.errors import UnreadableOutput
from qcluster.facts import npu
from qcluster.facts.host import HostState, host_state
from qcluster.modules.base import Call, Option, Reach, Report, Spec


class HostFacts:
    spec = Spec(
        {
            "address": Option("str", default="", help="The host's address in the plan; its NIC is looked up."),
            "state_dir": Option("path", default="/", help="The deployment's folder on the host."),
            "weights_dir": Option("path", default="/", help="Where weights go; its free room is measured."),
        },
        help="Chip, NPUs, NIC, OS, docker, room and ports of a host, as the fact qcluster_facts.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        question = host_state(str(call.args["state_dir"]), str(call.args["weights_dir"]))
        try:
            state = question.parse(reach.transport.run(question.command))
        except UnreadableOutput as error:
            return Report(failed=str(error))
        facts = {**as_facts(state, str(call.args["address"])), "clock_skew": round(state.clock - reach.clock(), 1)}
        return Report(facts={"qcluster_facts": facts}, values={"qcluster_facts": facts})


def as_facts(state: HostState, address: str) -> dict[str, Any]:
    """Plain values for playbooks; `busy` says why for every NPU in use, by physical id."""
    npus = state.table.npus if state.table else ()
    return {
        "hardware": state.hardware,
        "arch": state.arch,
        "home": state.home,
        "is_root": state.uid == 0,
        "nic": state.nics.get(address, ""),
        "os": state.os_release.get("ID", ""),
        "os_version": state.os_release.get("VERSION_ID", ""),
        "driver": state.driver,
        "cann": state.cann,
        "davinci": list(state.davinci),
        "hccn": state.hccn,
        "npus": [one.physical_id for one in npus],
        "npu_problem": state.npu_problem,
        "unhealthy": {str(one.physical_id): one.health for one in npus if one.health != "OK"},
        "cards": {str(one.physical_id): f"-i {one.npu_id} -c {one.chip_id}" for one in npus},
        "busy": {str(one.physical_id): npu.busy(one) for one in npus if npu.busy(one)},
        "hbm": {str(one.physical_id): [one.hbm_used, one.hbm_total] for one in npus},
        "docker": state.docker,
        "docker_problem": state.docker_problem,
        "containers": [_container(one) for one in state.containers],
        "memory_available_kib": state.memory_available,
        "room_kib": dict(state.room),
        "tools": sorted(state.tools),
        "jemalloc": state.jemalloc[0] if state.jemalloc else "",
        "clock": state.clock,
        "listening": sorted([one.address, one.port] for one in state.ports.listeners),
        "holders": sorted([one.address, one.port, who] for one, who in state.ports.holders.items()),
        "ephemeral": list(state.ports.ephemeral),
        "reserved": [list(pair) for pair in state.ports.reserved],
    }


def _container(one: Any) -> Mapping[str, str]:
    return {name: getattr(one, name) for name in ("name", "state", "deployment", "digest", "ports", "npus")}


host_facts = HostFacts()
