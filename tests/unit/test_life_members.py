"""Whom the proxy lists, told while it runs (the simulated proxy itself), and what the record of a deployment says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from life_stand import INVENTORY, document
from test_lab_proxy import Backend

from qcluster.cli.restart import interrupted
from qcluster.cli.scale import moves, told, with_groups
from qcluster.errors import InputError
from qcluster.events import Event, Progress
from qcluster.inventory import load
from qcluster.lab.tools import httpd
from qcluster.lab.tools.proxy import Proxy
from qcluster.lab.tools.proxy_arguments import DEFAULTS
from qcluster.modules.base import Call, Reach, Report
from qcluster.modules.engine_restart import engine_restart
from qcluster.modules.proxy_members import proxy_members
from qcluster.secret import Secret
from qcluster.serving import record
from qcluster.serving.digest import lasting
from qcluster.serving.plan import Plan, from_json
from qcluster.transport.local import LocalTransport

PLACE = "127.0.3.1"


class Stand:
    """A simulated proxy that was started with some engines, and the module as a playbook would call it."""

    def __init__(self, tmp_path: Path, started: tuple[str, ...]):
        self.home = tmp_path
        self.engines = {name: Backend(name, PLACE) for name in ("p0", "d0", "d1", "d2")}
        given = {name: list(values) for name, values in DEFAULTS.items()}
        given["waiting-retry-interval"] = ["0.05"]
        for role, letter in (("prefiller", "p"), ("decoder", "d")):
            ports = [str(self.engines[name].port) for name in started if name[0] == letter]
            given |= {f"{role}-hosts": [PLACE] * len(ports), f"{role}-ports": ports}
        self.proxy, self.server = Proxy(given), httpd.listen(PLACE, 0)
        threading.Thread(target=httpd.serve, args=(self.server, self.proxy), daemon=True).start()
        (tmp_path / "box/run").mkdir(parents=True)
        self.members.write_text("".join(f"{self.line(name)}\n" for name in started))
        self.heard: list[Event] = []

    @property
    def members(self) -> Path:
        return self.home / "box/run/members"

    def line(self, name: str) -> str:
        return f"{'prefill' if name[0] == 'p' else 'decode'} {PLACE}:{self.engines[name].port}"

    def call(self, wanted: tuple[str, ...], check: bool = False, **args: Any) -> Report:
        plan = {
            "deployment": "s",
            "hosts": [{"name": "h", "state_dir": str(self.home)}],
            "proxy": {
                "host": "h",
                "kind": "vllm-ascend",
                "address": PLACE,
                "port": self.server.getsockname()[1],
                "container": "box",
            },
            "instances": [
                {
                    "name": name,
                    "role": self.line(name).split()[0],
                    "host": "h",
                    "address": PLACE,
                    "port": self.engines[name].port,
                }
                for name in wanted
            ],
        }
        given = {**{name: option.default for name, option in proxy_members.spec.options.items()}, **args}
        reach = Reach(
            LocalTransport("h"),
            {"h": LocalTransport("h")},
            lambda host: {},
            ("h",),
            self.heard.append,
            lambda seconds: time.sleep(min(seconds, 0.02)),
            time.monotonic,
        )
        return proxy_members.run(Call("h", given, {"qcluster_plan": plan}, check=check), reach)

    def listed(self) -> set[str]:
        """Whom it sends to, by port: an address may be spelled in several ways."""
        ports = {one.port: name for name, one in self.engines.items()}
        return {ports[server.port] for known in self.proxy.servers.values() for server in known if not server.tainted}

    def close(self) -> None:
        for one in (self.server, *(engine.server for engine in self.engines.values())):
            one.close()


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path, ("p0", "d0", "d1"))
    yield made
    made.close()


def test_a_proxy_that_lists_the_plan_is_left_alone(stand: Stand) -> None:
    report = stand.call(("p0", "d0", "d1"))
    assert not report.changed and not report.failed and stand.heard == []


def test_one_joins_and_another_leaves_though_the_count_stays(stand: Stand) -> None:
    assert stand.call(("p0", "d0", "d2"), check=True).changed
    assert stand.listed() == {"p0", "d0", "d1"}, "check mode only says it"
    report = stand.call(("p0", "d0", "d2"))
    assert report.changed and not report.failed
    assert stand.listed() == {"p0", "d0", "d2"}
    assert sorted(stand.members.read_text().splitlines()) == sorted(map(stand.line, ("p0", "d0", "d2")))
    texts = [event.text for event in stand.heard if isinstance(event, Progress)]
    port = {name: stand.engines[name].port for name in ("d1", "d2")}
    assert texts == [f"the proxy sends to {PLACE}:{port['d2']} too and no more to {PLACE}:{port['d1']}"]
    assert not stand.call(("p0", "d0", "d2")).changed


def test_one_that_does_not_answer_is_not_waited_for_for_ever_and_nobody_is_removed(stand: Stand) -> None:
    stand.engines["d2"].server.shutdown(socket.SHUT_RDWR)
    report = stand.call(("p0", "d2"), wait=0)
    assert f"does not take {PLACE}:{stand.engines['d2'].port}" in report.failed
    assert stand.listed() == {"p0", "d0", "d1"}
    assert len(stand.members.read_text().splitlines()) == 3, "the next run tries again"


def test_what_an_interrupted_restart_took_out_is_given_back(stand: Stand) -> None:
    assert stand.call(("p0", "d0", "d1"), without=["d1"], drain=0).changed
    assert stand.listed() == {"p0", "d0"}
    assert stand.call(("p0", "d0", "d1")).changed
    assert stand.listed() == {"p0", "d0", "d1"}


def test_a_replaced_host_gets_its_own_back_and_no_new_ones(stand: Stand) -> None:
    stand.call(("p0", "d0", "d1"), without=["d1"], drain=0)
    report = stand.call(("p0", "d0", "d1", "d2"), only=["d1"])
    assert report.changed and not report.failed
    assert stand.listed() == {"p0", "d0", "d1"}, "d2 is not up yet"


def test_under_load_a_replaced_host_is_sent_to_again_under_another_spelling(stand: Stand) -> None:
    """The proxy keeps whom it is told to remove on its list while any request runs, and ignores who is listed."""
    stand.proxy._count(1)
    for spelling in (f"{PLACE}", "0x7f000301", "0x07f000301"):
        assert spelling in [server.host for server in stand.proxy.servers["decode"] if not server.tainted]
        assert stand.call(("p0", "d0", "d1"), without=["d1"], drain=0).changed
        assert stand.listed() == {"p0", "d0"}
        report = stand.call(("p0", "d0", "d1"), only=["d1"])
        assert report.changed and not report.failed
        assert stand.listed() == {"p0", "d0", "d1"}
    assert not stand.call(("p0", "d0", "d1")).changed, "`up` sees that nobody is missing"
    assert sorted(stand.members.read_text().splitlines()) == sorted(map(stand.line, ("p0", "d0", "d1")))
    assert stand.call(("p0", "d0")).changed
    assert stand.listed() == {"p0", "d0"}, "it leaves in every spelling"


def test_what_an_interrupted_restart_took_out_under_load_is_given_back(stand: Stand) -> None:
    stand.proxy._count(1)
    stand.call(("p0", "d0", "d1"), without=["d1"], drain=0)
    assert stand.call(("p0", "d0", "d1")).changed
    assert stand.listed() == {"p0", "d0", "d1"}


def test_restart_in_check_mode_says_whom_and_asks_nobody(tmp_path: Path) -> None:
    heard: list[Event] = []
    reach = Reach(LocalTransport("p1"), {}, lambda host: {}, ("p1",), heard.append, time.sleep, time.monotonic)
    given = {"names": ["decode"], "home": {}, "drain": 1, "timeout": 1, "api_key": ""}
    report = engine_restart.run(Call("p1", given, {"qcluster_plan": document(tmp_path)}, check=True), reach)
    assert report.changed and report.values["restarted"] == ["d1-decode-0", "d1-decode-1"]
    told = [(event.subject, event.text) for event in heard if isinstance(event, Progress)]
    assert told == [("d1-decode-0", "would be restarted"), ("d1-decode-1", "would be restarted")]


def two_decodes(text: str = INVENTORY) -> str:
    return text.replace("{d1: {ip: 10.0.0.2}}", "{d1: {ip: 10.0.0.2}, d2: {ip: 10.0.0.3}}")


def plan_of(tmp_path: Path, text: str = INVENTORY) -> Plan:
    return from_json(document(tmp_path, text))


def record_of(tmp_path: Path, text: str = INVENTORY, **more: Any) -> record.Record:
    return record.made(document(tmp_path, text), {"d2": more}, 1.0)


def test_the_digest_of_a_proxy_that_is_told_does_not_hold_its_members(tmp_path: Path) -> None:
    small, large = (plan_of(tmp_path, text).proxy for text in (INVENTORY, two_decodes()))
    assert small and large and small.argv != large.argv
    assert small.digest == large.digest
    deaf = [replace(one, kind="vllm-router") for one in (small, large)]
    assert lasting(deaf[0]) != lasting(deaf[1]), "one that cannot be told is another proxy then"


def test_a_record_goes_through_its_file_and_holds_no_secret(tmp_path: Path) -> None:
    made = record_of(
        tmp_path, two_decodes(), ansible_user="root", ansible_password="hush", ansible_become=Secret("x"), other="y"
    )
    text = record.write(made).decode()
    assert record.read(text) == made
    assert dict(made.members[2].connection) == {"ansible_user": "root"}
    assert record.read("") is None and record.read('{"deployment": 1}') is None


def test_a_host_that_was_not_stopped_stays_in_the_record(tmp_path: Path) -> None:
    old, new = record_of(tmp_path, two_decodes()), record_of(tmp_path)
    assert [one.name for one in record.merged(new, old).members] == ["p1", "d1", "d2"]
    assert [one.name for one in record.merged(new, old, gone=["d2"]).members] == ["p1", "d1"]
    assert record.same(new, replace(new, at=9.0)) and not record.same(new, old)


def test_a_host_that_is_about_to_start_is_known_but_not_taken_for_serving(tmp_path: Path) -> None:
    old, new = record_of(tmp_path), record_of(tmp_path, two_decodes())
    between = record.announced(new, old)
    assert [(one.name, one.proven) for one in between.members] == [("p1", True), ("d1", True), ("d2", False)]
    assert record.same(record.announced(new, between), between), "once more changes nothing"
    assert [host.name for host in moves(plan_of(tmp_path, two_decodes()), between).joining] == ["d2"]
    assert [one.name for one in moves(plan_of(tmp_path), between).leaving] == ["d2"], "the edit was taken back"
    assert all(one.proven for one in record.merged(new, between).members)
    assert not any(one.proven for one in record.announced(new, None).members)


def test_scale_moves_only_the_difference(tmp_path: Path) -> None:
    plan, old = plan_of(tmp_path, two_decodes()), record_of(tmp_path)
    move = moves(plan, old)
    assert [host.name for host in move.joining] == ["d2"] and move.leaving == () and move.price == ()
    assert told(plan, move)[1:] == ["  joins   d2 (decode): d2-decode-0, d2-decode-1, NPUs 0-3", "  stays   p1, d1"]


def test_scale_says_what_stops_and_finds_the_way_to_who_left(tmp_path: Path) -> None:
    old = record_of(tmp_path, two_decodes(), ansible_host="10.9.9.9")
    move = moves(plan_of(tmp_path), old)
    assert move.price == ("d2 stops: d2-decode-0, d2-decode-1",)
    inventory = with_groups(load(tmp_path / "inventory.yaml"), move)
    assert inventory.groups["leaving"].hosts == ("d2",) and inventory.groups["joining"].hosts == ()
    leaver = inventory.hosts["d2"].variables
    assert leaver["ansible_host"] == "10.9.9.9" and leaver["ansible_user"] == "root", "what `all` says still holds"
    assert [one["name"] for one in leaver["qcluster_leaving"]["instances"]] == ["d2-decode-0", "d2-decode-1"]


def test_scale_refuses_whatever_else_changed(tmp_path: Path) -> None:
    old = record_of(tmp_path)
    with pytest.raises(InputError, match="p1, d1: another plan than the one that runs there"):
        moves(plan_of(tmp_path, two_decodes().replace("tp: 2", "tp: 1")), old)


def test_scale_tells_that_the_proxy_moves_or_starts_again(tmp_path: Path) -> None:
    old = replace(record_of(tmp_path), proxy="p0")
    assert any("the proxy moves from p0 to p1" in line for line in moves(plan_of(tmp_path, two_decodes()), old).price)
    text = two_decodes().replace("npus: 4", "npus: 4, proxy: vllm-router")
    router = record_of(tmp_path, INVENTORY.replace("npus: 4", "npus: 4, proxy: vllm-router"))
    price = moves(plan_of(tmp_path, text), router).price
    assert price and "this proxy (vllm-router) cannot be told" in price[0]


def test_who_else_serves_counts_only_where_it_is_well(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert interrupted(plan, ("d1-decode-0",)) == []
    assert interrupted(plan, ("d1-decode-0",), {"d1-decode-1"}) == ["decode"]
    assert interrupted(plan, ("d1-decode-0",), {"d1-decode-0"}) == [], "it serves nobody now"


def test_the_file_of_members_is_what_the_start_script_writes() -> None:
    template = (Path(__file__).parents[2] / "roles/proxy/templates/proxy.sh.j2").read_text()
    assert "'{{ one.role }} {{ one.address }}:{{ one.port }}'" in template and '>"$run/members"' in template
