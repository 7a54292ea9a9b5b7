"""The hosts of a deployment have the same weights, file for file (run_once). Needs the fact `qcluster_weights`.

Issue 6, Weights: a manifest of sizes and checksums, checked equal on all hosts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qcluster.modules.base import Call, Reach, Report, Spec

Fact = Mapping[str, Any]


class WeightsAgree:
    spec = Spec({}, help="Fail unless all hosts of the play have the same weights (run_once).")
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        known = {host: fact for host in reach.play_hosts if (fact := reach.variables_of(host).get("qcluster_weights"))}
        whole = {host: fact for host, fact in known.items() if fact["whole"]}
        digests = {fact["digest"] for fact in whole.values()}
        if len(digests) <= 1:
            return Report(values={"digest": next(iter(digests), ""), "hosts": list(whole)})
        first, *others = whole
        found = [line for host in others for line in differences((first, whole[first]), (host, whole[host]))]
        more = f"\nand {len(found) - 10} more" if len(found) > 10 else ""
        remedy = "\nremove the files that are wrong and run again; they are fetched anew"
        return Report(failed="the hosts have different weights:\n" + "\n".join(found[:10]) + more + remedy)


def differences(one: tuple[str, Fact], other: tuple[str, Fact]) -> Iterator[str]:
    """A line for every file that is not the same on two hosts."""
    (first, mine), (second, theirs) = one, other
    a = {name: (size, checksum) for name, size, checksum in mine["files"]}
    b = {name: (size, checksum) for name, size, checksum in theirs["files"]}
    for name in sorted({*a, *b}):
        if name not in a or name not in b:
            yield f"{name} is only on {first if name in a else second} ({mine['path']})"
        elif a[name] != b[name]:
            yield f"{name} on {second} ({theirs['path']}) is not that of {first}"


weights_agree = WeightsAgree()
