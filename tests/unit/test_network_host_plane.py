"""TCP between hosts: the scripts against real sockets on loopback, and what their answers mean."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from qcluster.facts.frames import CLOSE, PRELUDE
from qcluster.network import host_plane, host_plane_scripts, probing, survey
from qcluster.network.host_plane import HostPlane, Knock, Knocks, Listening, judge
from qcluster.network.topology import Endpoint, Topology
from qcluster.result import Outcome


def free_ports(count):
    with_sockets = [socket.socket() for _ in range(count)]
    for one in with_sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in with_sockets]
    for one in with_sockets:
        one.close()
    return ports


def run(command, path):
    done = subprocess.run(command.argv, input=command.stdin, capture_output=True, env={"PATH": path}, check=False)
    return Outcome(command, done.returncode, done.stdout, done.stderr)


@contextmanager
def held(host, path):
    """The host listens, as the command that holds the ports; it is read from until the block ends."""
    command = host_plane.listen(host)
    with subprocess.Popen(command.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": path}) as process:
        process.stdin.write(command.stdin)
        process.stdin.close()
        said = b""
        while b"@listen/handle" not in said or not host_plane.read_listening(host.name, said).complete:
            said += os.read(process.stdout.fileno(), 4096)
        yield host_plane.read_listening(host.name, said)
        process.stdout.close()  # as a connection does that is lost


@pytest.fixture
def path(tmp_path):
    """A host with coreutils, grep and this python, and nothing else that could listen or connect."""
    tools = ("sh", "timeout", "mktemp", "cat", "grep", "sleep", "rm", "kill", "tr", "python3")
    for tool in tools:
        where = sys.executable if tool == "python3" else shutil.which(tool)
        if where:
            (tmp_path / tool).symlink_to(where)
    return str(tmp_path)


def endpoints(one, two):
    a, b = (Endpoint(name, "127.0.0.1", ports=dict.fromkeys(ports, "api")) for name, ports in (("a", one), ("b", two)))
    talks = (("a", "b"), ("b", "a"))
    return Topology({"a": a, "b": b}, talks, talks)


def test_listen_connect_unlisten(path):
    one, two, taken, dead = free_ports(4)
    topology = endpoints([one], [two, taken])
    with socket.socket() as busy, held(topology.hosts["a"], path) as one_held:
        busy.bind(("127.0.0.1", taken))
        busy.listen()
        with held(topology.hosts["b"], path) as two_held:
            listening = {"a": one_held, "b": two_held}
            assert listening["a"].ports == {one: "ok"}
            assert listening["b"].ports == {two: "ok", taken: "in-use"}
            more = {**topology.hosts, "b": replace(topology.hosts["b"], ports=dict.fromkeys([two, taken, dead], "api"))}
            knocking = host_plane.connect(topology.hosts["a"], replace(topology, hosts=more), listening)
            knocks = host_plane.read_knocks("a", run(knocking, path))
            words = {(knock.port, knock.word) for knock in knocks.knocks}
            assert words == {(two, "ok"), (taken, "ok"), (dead, "refused")}
            assert (knocks.how, knocks.complete) == ("python3", True)
            run(host_plane.unlisten(two_held), path)
    after = host_plane.read_knocks("a", run(host_plane.connect(topology.hosts["a"], topology, listening), path))
    assert {knock.word for knock in after.knocks} == {"refused"}


def test_listeners_end_with_the_connection_that_asked_for_them(path):
    (port,) = free_ports(1)
    topology = endpoints([], [port])
    with held(topology.hosts["b"], path) as listening:
        assert listening.ports == {port: "ok"}
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


def test_listeners_end_where_nobody_ever_reads_what_they_say(path, tmp_path):
    """A run that is ended while they come up: the next one must find its ports free."""
    (port,) = free_ports(1)
    command = host_plane.listen(endpoints([], [port]).hosts["b"])
    environment = {"PATH": path, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        process.stdout.close()
        process.communicate(command.stdin, timeout=30)
    assert not list(tmp_path.glob("qcluster-listen.*"))
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


def test_a_host_without_any_tool(path):
    Path(path, "python3").unlink()
    topology = endpoints(free_ports(1), free_ports(1))
    listening = host_plane.read_listening("a", run(host_plane.listen(topology.hosts["a"]), path).stdout)
    assert (listening.handle, listening.complete) == ("none", True)
    knocks = host_plane.read_knocks("a", run(host_plane.connect(topology.hosts["a"], topology, {}), path))
    assert (knocks.how, knocks.complete) == ("none", True)


NC = """#!/bin/sh
for last in "$@"; do :; done
[ "$last" != "$BLOCKED" ] || { echo "nc: connect to host port $last (tcp) failed: Connection refused" >&2; exit 1; }
exit 0
"""


def test_nc_is_used_where_it_sees_an_open_port(path):
    (tool := Path(path, "nc")).write_text(NC.replace("$BLOCKED", "7101"))
    tool.chmod(0o755)
    topology = endpoints([7000], [7100, 7101])
    listening = {"a": Listening("a", {7000: "ok"}, "kill 1", True), "b": Listening("b", {}, "kill 1", True)}
    knocks = host_plane.read_knocks("a", run(host_plane.connect(topology.hosts["a"], topology, listening), path))
    assert knocks.how == "nc"
    assert {(knock.port, knock.word) for knock in knocks.knocks} == {(7100, "ok"), (7101, "refused")}
    tool.write_text("#!/bin/sh\necho 'usage: nc' >&2; exit 1\n")
    knocks = host_plane.read_knocks("a", run(host_plane.connect(topology.hosts["a"], topology, listening), path))
    assert knocks.how == "python3"


PORTS = [7100, 7101]


def plane(word="ok", listener="ok", firewall="", **changes):
    topology = endpoints(PORTS, PORTS)
    listening = {name: Listening(name, dict.fromkeys(PORTS, listener), "kill 1", True) for name in "ab"}
    tried = {
        "a": tuple(Knock("a", "b", port, word) for port in PORTS),
        "b": tuple(Knock("b", "a", port, "ok") for port in PORTS),
    }
    knocks = {name: Knocks(name, tried[name], "python3", True) for name in "ab"}
    return replace(HostPlane(topology, listening, knocks, {"b": firewall}), **changes)


def told(found):
    return [(item.id, item.hosts) for item in judge(found)]


def test_all_reached():
    assert told(plane()) == []


@pytest.mark.parametrize("word, why", [("refused", "refused though somebody listens"), ("timeout", "dropped"),
                                       ("unreachable", "unreachable")])  # fmt: skip
def test_blocked(word, why):
    (item,) = judge(plane(word))
    assert (item.cause, item.hosts) == ("tcp-blocked", ("a", "b"))
    assert why in item.summary and "2 ports (api: 7100-7101)" in item.summary


def test_firewalld_and_iptables_are_named():
    (item,) = judge(plane("unreachable", firewall="firewalld"))
    assert "firewalld is active on b" in item.summary
    assert item.remedy.startswith("On b: firewall-cmd --permanent --zone=trusted --add-source=127.0.0.1")
    (item,) = judge(plane("timeout", firewall="iptables"))
    assert item.remedy == "On b: iptables -I INPUT -s 127.0.0.1 -j ACCEPT"


def test_a_port_that_nobody_could_hold_is_not_called_blocked():
    assert told(plane("refused", listener="[Errno 13] Permission denied")) == []


def test_answers_that_are_not_whole_are_unknown():
    whole = plane()
    cut = {**whole.knocks, "a": replace(whole.knocks["a"], complete=False)}
    assert told(replace(whole, knocks=cut)) == [("tcp-cut", ("a",))]
    short = {**whole.knocks, "a": replace(whole.knocks["a"], knocks=whole.knocks["a"].knocks[:1])}
    assert told(replace(whole, knocks=short)) == [("tcp-cut", ("a",))]
    assert told(replace(whole, knocks={"b": whole.knocks["b"]})) == [("tcp-cut", ("a",))]
    dead = {**whole.listening, "b": Listening("b", {}, "none", False)}
    assert ("tcp-cut", ("b",)) in told(replace(whole, listening=dead))


def test_no_tool_is_unknown():
    whole = plane()
    bare = {**whole.listening, "b": Listening("b", {}, "none", True)}
    none = {**whole.knocks, "b": Knocks("b", (), "none", True)}
    assert told(replace(whole, listening=bare, knocks=none)) == [("tcp-untested", ("b",))]


SCRIPTS = {
    "listen": host_plane_scripts.LISTEN,
    "connect": host_plane_scripts.CONNECT,
    "unlisten": host_plane_scripts.UNLISTEN,
    "host": survey.HOST_SCRIPT,
    "npu": survey.NPU_SCRIPT,
    "probes": probing.SCRIPT,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck(name, tmp_path):
    script = tmp_path / f"{name}.sh"
    script.write_text("#!/bin/sh\n" + PRELUDE + SCRIPTS[name] + CLOSE)
    checker = Path(sys.executable).with_name("shellcheck")
    quiet = "SC2086,SC2317,SC2329"  # words are split on purpose; some helpers are not used by every script
    done = subprocess.run([str(checker), "-e", quiet, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
