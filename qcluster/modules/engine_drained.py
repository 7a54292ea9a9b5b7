"""Instances that get no new requests finish those that they have. Source: issue 6, Day two."""

from __future__ import annotations

from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.proxy_members import drain
from qcluster.modules.streams import note
from qcluster.secret import Secret


class EngineDrained:
    spec = Spec(
        {
            "instances": Option("list", required=True, help="Of the plan, or of the record of one: name, role, port …"),
            "timeout": Option("int", default=120, help="Seconds that running requests may take to finish."),
            "api_key": Option("str", default="", no_log=True, help="Sent as a bearer token."),
        },
        help="No request runs at these instances any more, or the time is up.",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        key = call.args["api_key"]
        secret = key if isinstance(key, Secret) else Secret(str(key)) if key else None
        instances = call.args["instances"]
        empty = drain(reach, instances, secret, int(call.args["timeout"]))
        if not empty:
            names = ", ".join(one["name"] for one in instances)
            note(reach, call.host, f"requests still run at {names}; they are cut off now")
        return Report(values={"drained": empty})


engine_drained = EngineDrained()
