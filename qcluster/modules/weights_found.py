"""Which of the model's weights are on a host, as the fact `qcluster_weights`. Changes nothing. Issue 6, Weights."""

from __future__ import annotations

from qcluster.errors import InputError, UnreadableOutput
from qcluster.modules.base import Call, Reach, Report, Spec
from qcluster.modules.weights import OPTIONS, known, look, of
from qcluster.modules.weights_pinned import wanted


class WeightsFound:
    spec = Spec(OPTIONS, help="Look at the weights of a host; the answer is the fact qcluster_weights.")
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        source = of(call)
        try:
            wanted(call)
            found = look(source, reach)
        except UnreadableOutput as error:
            return Report(failed=str(error))
        except InputError as error:
            return Report(failed=str(error), fatal=error.exit_code)
        return Report(facts=known(call, found), values={"whole": found.complete, "path": source.path})


weights_found = WeightsFound()
