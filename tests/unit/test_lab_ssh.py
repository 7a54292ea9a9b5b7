"""The lab's SSH side: real protocol, real commands, one daemon that is reused and that ends everything it started."""

from __future__ import annotations

import asyncio
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest
from click.testing import CliRunner
from lab_site import make
from waiting import until

from qcluster.cli.lab import ensure_lab, lab
from qcluster.errors import InputError
from qcluster.inventory.model import Host, Inventory
from qcluster.lab import boot, faults
from qcluster.lab.daemon import Daemon
from qcluster.lab.layout import LabHost, load
from qcluster.lab.variables import connected, lab_hosts


def inventory(*names: str, **variables: Any) -> Inventory:
    common = {"ansible_connection": "lab", "deployment": "test", **variables}
    return Inventory("lab.yaml", {name: Host(name, common) for name in names}, {})


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "lab"
    monkeypatch.setenv("QCLUSTER_LAB_DIR", str(place))
    yield place
    boot.stop(place)


class Client:
    """A paramiko client made from the variables that the lab put in."""

    def __init__(self, variables: Mapping[str, Any]):
        self.client = paramiko.SSHClient()
        words = shlex.split(variables["ansible_ssh_common_args"])
        self.client.load_host_keys(next(w for w in words if w.startswith("UserKnownHostsFile=")).partition("=")[2])
        self.client.connect(
            variables["ansible_host"],
            variables["ansible_port"],
            variables["ansible_user"],
            key_filename=variables["ansible_ssh_private_key_file"],
            look_for_keys=False,
            allow_agent=False,
        )

    def channel(self) -> paramiko.Channel:
        transport = self.client.get_transport()
        assert transport is not None
        return transport.open_session()

    def run(self, line: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        channel = self.channel()
        channel.exec_command(line)
        if stdin:
            channel.sendall(stdin)
        channel.shutdown_write()
        with channel.makefile("rb") as out, channel.makefile_stderr("rb") as err:
            return_value = (out.read(), err.read())
        return channel.recv_exit_status(), *return_value

    def stream(self, address: str, port: int) -> paramiko.Channel:
        transport = self.client.get_transport()
        assert transport is not None
        return transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0))


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Inventory]]:
    """A lab that stays up for the tests that only use it."""
    place = tmp_path_factory.mktemp("common") / "lab"
    plain = inventory("p1", "d1")
    yield place, connected(plain, boot.ensure(place, lab_hosts(plain)))
    boot.stop(place)


@pytest.fixture
def pair(common: tuple[Path, Inventory]) -> Iterator[tuple[Client, Client, Inventory]]:
    place, made = common
    clients = [Client(host.variables) for host in made.hosts.values()]
    yield clients[0], clients[1], made
    for client in clients:
        client.client.close()
    faults.clear(place)


def test_commands_streams_and_codes(pair: tuple[Client, Client, Inventory], common: tuple[Path, Inventory]) -> None:
    client, directory = pair[0], common[0]
    assert client.run("echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")
    assert client.run("cat", b"x" * 3_000_000)[1] == b"x" * 3_000_000
    assert client.run("kill -9 $$")[0] == -1
    assert client.run("nosuchcommand")[0] == 127
    assert client.run('echo "$QCLUSTER_LAB_ROOT"; pwd')[1].decode().split() == [
        f"{directory}/hosts/p1",
        f"{directory}/hosts/p1/home",
    ]


def test_many_channels_at_once(pair: tuple[Client, Client, Inventory]) -> None:
    channels = [pair[0].channel() for _ in range(20)]
    for channel in channels:
        channel.exec_command("cat")
    for number, channel in enumerate(channels):
        channel.sendall(b"%d" % number)
        channel.shutdown_write()
    assert [channel.recv(10) for channel in channels] == [b"%d" % number for number in range(20)]


def test_a_command_outlives_its_client_and_dies_with_the_lab(directory: Path) -> None:
    made = ensure_lab(inventory("p1"))
    client = Client(made.hosts["p1"].variables)
    code, pid, _ = client.run("setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $!")
    client.client.close()
    assert code == 0
    process = Path(f"/proc/{int(pid)}")
    assert process.exists()
    assert boot.stop(directory)
    until(lambda: not process.exists() or "Z" in (process / "stat").read_text())


def test_streams_to_the_hosts_own_address_and_to_others(
    pair: tuple[Client, Client, Inventory], common: tuple[Path, Inventory]
) -> None:
    (near, far, made), directory = pair, common[0]
    own = made.hosts["p1"].variables["ip"]
    with socket.create_server((own, 17171)) as server:
        stream = near.stream("127.0.0.1", 17171)
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"hello")
            assert stream.recv(5) == b"hello"
        faults.put(directory, "firewall", ("d1", "p1", "17171"))
        with pytest.raises(paramiko.ChannelException):
            far.stream(own, 17171)
    with pytest.raises(paramiko.ChannelException):
        near.stream("127.0.0.1", 17172)


def test_another_key_is_refused(pair: tuple[Client, Client, Inventory], tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    variables = {**pair[2].hosts["p1"].variables, "ansible_ssh_private_key_file": str(tmp_path / "key")}
    with pytest.raises(paramiko.AuthenticationException):
        Client(variables)


def test_a_second_call_reuses_the_daemon_and_adds_hosts(directory: Path) -> None:
    first = ensure_lab(inventory("p1"))
    pid = boot.daemon_pid(load(directory))
    again = ensure_lab(inventory("p1"))
    more = ensure_lab(inventory("p1", "d1"))
    assert boot.daemon_pid(load(directory)) == pid
    assert again.hosts["p1"].variables == first.hosts["p1"].variables == more.hosts["p1"].variables
    client = Client(more.hosts["d1"].variables)
    assert client.run("echo here")[1] == b"here\n"
    client.client.close()


def test_a_restarted_lab_keeps_its_addresses_and_state(directory: Path) -> None:
    first = ensure_lab(inventory("p1"))
    (load(directory).root("p1") / "home/kept").write_text("kept")
    boot.stop(directory)
    assert not boot.alive(load(directory))
    second = ensure_lab(inventory("p1"))
    assert second.hosts["p1"].variables == first.hosts["p1"].variables
    client = Client(second.hosts["p1"].variables)
    assert client.run("cat ~/kept")[1] == b"kept"
    client.client.close()


def test_a_host_goes_down_and_comes_back(
    pair: tuple[Client, Client, Inventory], common: tuple[Path, Inventory]
) -> None:
    (client, _, made), directory = pair, common[0]
    faults.put(directory, "host-down", ("p1",))
    transport = client.client.get_transport()
    until(lambda: transport is None or not transport.is_active())
    with pytest.raises(paramiko.ssh_exception.NoValidConnectionsError):
        Client(made.hosts["p1"].variables)
    faults.clear(directory)
    deadline = time.monotonic() + 10
    while True:
        try:
            back = Client(made.hosts["p1"].variables)
            break
        except paramiko.ssh_exception.NoValidConnectionsError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert back.run("true")[0] == 0
    back.client.close()


def test_only_lab_hosts_are_touched(directory: Path) -> None:
    real = Host("real", {"ansible_host": "10.0.0.1"})
    mixed = inventory("p1")
    mixed = replace(mixed, hosts={**mixed.hosts, "real": real})
    made = ensure_lab(mixed)
    assert made.hosts["real"] is real
    assert made.hosts["p1"].variables["ansible_connection"] == "ssh"
    assert made.hosts["p1"].origins["ansible_port"][-1].level == "lab"
    nothing = Inventory("x.yaml", {"real": real}, {})
    assert ensure_lab(nothing) is nothing


def test_an_address_of_the_inventory_is_kept(directory: Path) -> None:
    made = ensure_lab(inventory("p1", ip="127.9.8.7"))
    assert made.hosts["p1"].variables["ip"] == "127.9.8.7"
    assert made.hosts["p1"].variables["ansible_host"] == "127.9.8.7"


def test_the_hardware_of_a_host(directory: Path) -> None:
    made = ensure_lab(inventory("a2", hardware="a2"))
    client = Client(made.hosts["a2"].variables)
    assert b"910B3" in client.run("npu-smi info")[1]
    client.client.close()
    assert load(directory).hosts["a2"].npus == tuple(range(8))


def test_fault_command(directory: Path) -> None:
    ensure_lab(inventory("p1", "d1"))
    run = CliRunner().invoke
    assert run(lab, ["fault", "link-down", "p1", "3"]).output == "link-down p1:3\n"
    assert run(lab, ["fault", "host-pair", "p1", "d1"]).output == "host-pair p1:d1\n"
    assert run(lab, ["fault"]).output == "host-pair p1:d1\nlink-down p1:3\n"
    assert run(lab, ["fault", "--clear", "link-down"]).output == "1 mended\n"
    assert run(lab, ["fault", "--clear"]).output == "1 mended\n"
    assert run(lab, ["fault"]).output == ""
    listed = run(lab, ["fault", "--list"]).output
    assert all(f"{name} " in listed for name in faults.FAULTS)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("lnk-down", "p1", "3"), "no fault is called 'lnk-down'"),
        (("link-down", "p9", "3"), "the lab has no host 'p9'; it has p1"),
        (("link-down", "p1", "16"), "p1 has no NPU '16'"),
        (("link-down", "p1"), "link-down needs HOST NPU"),
        (("host-pair", "p1"), "host-pair needs HOST HOST"),
    ],
)
def test_a_fault_that_cannot_be(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    site = make(tmp_path, (LabHost("p1", ""),))
    with pytest.raises(InputError, match=why):
        site.fault(*words)


def test_two_labs_at_once_keep_apart(tmp_path: Path) -> None:
    """Both choose their addresses before either has taken them: the slower one chooses again."""
    places = [tmp_path / "one", tmp_path / "two"]
    hosts = lab_hosts(inventory("p1", "d1"))
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda place: boot.ensure(place, hosts), places))
    taken = [host.address for one in made for host in one.hosts.values()]
    for place in places:
        boot.stop(place)
    assert len(set(taken)) == 4


def test_a_host_that_became_another_machine(directory: Path) -> None:
    ensure_lab(inventory("h", hardware="a3"))
    made = ensure_lab(inventory("h", hardware="a2"))
    client = Client(made.hosts["h"].variables)
    assert client.run('ls "$QCLUSTER_LAB_ROOT"/dev/davinci[0-9]* | wc -l')[1] == b"8\n"
    assert b"910B3" in client.run("npu-smi info")[1]
    client.client.close()


def test_a_new_wish_and_the_regular_look_at_faults_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    """Both used to open a host's listener; the second was refused, and the lab never looked at its faults again."""
    site = make(tmp_path / "lab", [LabHost("p1", "", "a3"), LabHost("d1", "", "a3")])

    async def together() -> int:
        daemon = Daemon(site.lab.directory)
        await asyncio.gather(daemon.refresh(), *(daemon.obey_faults() for _ in range(3)))
        listeners = [one.listener for one in daemon.sites.values() if one.listener]
        for listener in listeners:
            listener.close()
            await listener.wait_closed()
        return len(listeners)

    assert asyncio.run(together()) == 2
