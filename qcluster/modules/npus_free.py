"""The NPUs of a host are free: no process, and HBM back to idle. Ask with `until` to wait. Source: issue 6."""

from __future__ import annotations

from qcluster.command import Command
from qcluster.errors import TaskFailed
from qcluster.facts import npu
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome


class NpusFree:
    spec = Spec(
        {"npus": Option("list", elements="int", required=True, help="Physical ids that must be free.")},
        help="No NPU of the list is in use; both signs of npu-smi count.",
    )

    def probe(self, call: Call) -> Command:
        return npu.npu_info().command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        wanted = {int(number) for number in call.args["npus"]}
        try:
            table = npu.parse_info(found)
        except TaskFailed as error:
            return Decision(failed=f"whether the NPUs are free is unknown: {error}")
        mine = [one for one in table.npus if one.physical_id in wanted]
        held = [why for one in mine if (why := npu.busy(one))]
        unknown = sorted(wanted - {one.physical_id for one in mine})
        if unknown:
            held.append(f"npu-smi does not show NPU {', '.join(map(str, unknown))}: whether it is free is unknown")
        hbm = {str(one.physical_id): one.hbm_used for one in mine}
        return Decision(values={"hbm_used_mb": hbm, "busy": held}, failed="\n".join(held))


npus_free = NpusFree()
