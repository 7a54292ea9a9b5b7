"""Decide for all hosts at once which one downloads the weights and who gets them from whom, and open the way.

Hosts that share the folder are found out by files that they write for one another to see; where a host gets the files
from another one, the server there is started and its address, port and token are put where the receiver reads them.
Needs the fact `qcluster_weights` (weights_found) of every host; sets `qcluster_weights_route`. Issue 6, Weights.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qcluster.facts.streaming import Shelf, mark
from qcluster.modules import spread
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.carriage import size
from qcluster.modules.sending import open_way
from qcluster.modules.spread import Route, Seen
from qcluster.modules.streams import note
from qcluster.modules.weights import expected
from qcluster.modules.weights_elsewhere import elsewhere

FACT, ROUTE = "qcluster_weights", "qcluster_weights_route"
TOOLS = {"modelscope": ("modelscope",), "huggingface": ("hf", "huggingface-cli"), "rsync": ("rsync",), "path": ()}


class WeightsRoute:
    spec = Spec(
        {
            "source": Option("str", default="modelscope", help="As that of `weights`."),
            "spread": Option("str", default="stream", choices=("stream", "each"), help="Once, or each by itself."),
            "timeout": Option("int", default=14400, help="Seconds that a server may live."),
        },
        help="Which host downloads, and who gets the weights from whom (run_once).",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        known = {host: fact for host in reach.play_hosts if (fact := reach.variables_of(host).get(FACT))}
        if all(fact["whole"] for fact in known.values()):
            return _decided({host: Route(spread.HAVE) for host in known})
        how, _, said = str(call.args["source"]).partition(" ")
        if call.check or how == "path":
            return _decided({host: Route(spread.FETCH) for host in known})
        known |= elsewhere(call, reach, known)
        if how == "from" and said.strip() not in known:
            return Report(failed=f"weights_source: from {said}: no such host among {', '.join(known)}")
        disks = _disks(reach, known) if len(known) > 1 else dict.fromkeys(known, "")
        wrong = _not_shared(reach, known, disks)
        if wrong:
            return Report(failed=wrong)
        seen = {host: _seen(reach, host, fact, how, disks[host]) for host, fact in known.items()}
        origin = said.strip() if how == "from" else ""
        found = spread.routes(seen, str(call.args["spread"]), origin)
        if any(vars(route) != reach.variables_of(host).get(ROUTE) for host, route in found.items()):
            _tell(reach, found, known, expected(call))
        return _opened(call, reach, found, known)


def _decided(found: Mapping[str, Route]) -> Report:
    facts = {host: {ROUTE: vars(route)} for host, route in found.items()}
    return Report(facts_for=facts, values={"routes": {host: vars(route) for host, route in found.items()}})


def _opened(call: Call, reach: Reach, found: Mapping[str, Route], known: Mapping[str, Any]) -> Report:
    """Start a server for every hop; whom no server comes up for downloads itself."""
    routes = dict(found)
    for host, route in found.items():
        if route.how != spread.STREAM:
            continue
        fact = known[route.source]
        first = fact["whole"] or found[route.source].how != spread.STREAM
        listing = fact["list"] if first else f"{fact['job']}.list"
        address = str(reach.variables_of(route.source)["qcluster_host"]["address"])
        shelf = Shelf(fact["path"], listing, address, fact["job"], fact["image"])
        trouble = open_way(reach, (route.source, host), shelf, known[host]["job"], int(call.args["timeout"]))
        if trouble:
            note(reach, "weights", f"{host} downloads itself: {route.source} cannot send ({trouble})")
            routes[host] = Route(spread.FETCH)
    return _decided(routes)


def _seen(reach: Reach, host: str, fact: Mapping[str, Any], how: str, disk: str) -> Seen:
    able = any(tool in fact["tools"] for tool in TOOLS.get(how, ()))
    image = reach.variables_of(host).get("qcluster_image") or {}
    return Seen(fact["whole"], disk, able, "python3" in fact["tools"] or image.get("present", False))


def _disks(reach: Reach, known: Mapping[str, Any]) -> dict[str, str]:
    """For every host the first one whose file it sees beside its own weights: equal where the folder is shared."""
    names = {host: f".qcluster-seen-{secrets.token_hex(8)}" for host in known}
    folders = {host: fact["path"].rpartition("/")[0] for host, fact in known.items()}

    def step(what: str) -> dict[str, str]:
        def ask(host: str) -> str:
            return reach.fleet[host].run(mark(what, folders[host], names[host], tuple(names.values()))).out

        with ThreadPoolExecutor(max_workers=len(known)) as pool:
            return dict(zip(known, pool.map(ask, known), strict=True))

    step("write")
    looked = step("look")
    step("remove")
    owner = {name: host for host, name in names.items()}
    return {host: next((owner[line] for line in text.split() if line in owner), host) for host, text in looked.items()}


def _not_shared(reach: Reach, known: Mapping[str, Any], disks: Mapping[str, str]) -> str:
    """What to say where the inventory claims a shared folder and a host does not see the others' files."""
    claimed = [host for host in known if reach.variables_of(host)["qcluster_host"]["weights_shared"]]
    apart = [host for host in claimed[1:] if disks[host] != disks[claimed[0]]]
    if not apart:
        return ""
    folder = known[apart[0]]["path"].rpartition("/")[0]
    what = f"weights_shared is true, but {', '.join(apart)} cannot see in {folder} what {claimed[0]} writes there"
    return f"{what}: mount the same folder, or set weights_shared: false"


def _tell(reach: Reach, found: Mapping[str, Route], known: Mapping[str, Any], about: int) -> None:
    """One sentence on who does what, and a warning where the disk will not do."""
    words = {
        spread.FETCH: "downloads",
        spread.WAIT: "shares the folder of {}",
        spread.STREAM: "gets them from {}",
        spread.LATER: "gets them from {} later",
        spread.HAVE: "has them",
    }
    parts = [f"{host} {words[route.how].format(route.source)}" for host, route in found.items()]
    note(reach, "weights", "; ".join(parts))
    for host, fact in known.items():
        if fact["room"] and about > fact["room"] + fact["there"] and not fact["whole"]:
            what = f"{host}: {size(fact['room'])} are free in {fact['path']} for about {size(about)} of weights"
            note(reach, "weights", what)


weights_route = WeightsRoute()
