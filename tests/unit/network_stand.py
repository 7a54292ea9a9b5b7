"""What the network tests share: healthy readings that a test spoils, and hosts that answer every question."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import permutations

from qcluster.command import Command
from qcluster.facts import hccn, npu
from qcluster.network.evidence import Evidence
from qcluster.network.survey import HostReading, Nic, NpuReadings
from qcluster.network.topology import Endpoint, Topology
from qcluster.result import Outcome
from qcluster.transport.scripted import ScriptedTransport

NPUS = (0, 1, 2, 3)


def chip(hardware, index):
    card, die = divmod(index, 2) if hardware == "a3" else (index, 0)
    return npu.Npu(card, die, index, "Ascend910" if hardware == "a3" else "910B3", "OK", "0000:9D:00.0", 3400, 65536)


def readings(host_number, index, hardware):
    """One healthy NPU."""
    told = {
        "lldp": hccn.Lldp(f"400GE1/1/{index}:1"),
        "link": hccn.Link(True),
        "net_health": hccn.NetHealth("Success"),
        "netdetect": hccn.NetDetect("11.12.0.1"),
        "gateway": hccn.Gateway("11.12.0.1", "eth0"),
        "ip": hccn.Ip(f"11.12.{host_number + 1}.{index + 80}", "255.255.0.0"),
        "vnic": hccn.Vnic(True, f"192.168.{host_number + 1}.{index + 199}", "255.255.0.0"),
        "tls": hccn.Tls(False),
        "optical": hccn.Optical(True),
    }
    return told if hardware == "a3" else {query: value for query, value in told.items() if query != "vnic"}


def conf(host_number):
    ip, gate = "11.12.{}.{}".format, "11.12.0.1"
    values = {"netmask": "255.255.0.0", "gateway": gate, "netdetect": gate}
    return {index: {"address": ip(host_number + 1, index + 80), **values} for index in NPUS}


def evidence(hardware="a3", hosts=3):
    """A healthy cluster of node-0, node-1, … with four NPUs each."""
    names = [f"node-{number}" for number in range(hosts)]
    pairs = tuple(permutations(names, 2))
    ports = {7100: "api", 60000: "hccl-host"}
    ends = {n: Endpoint(n, f"10.0.0.{i + 1}", npus=NPUS, ports=ports) for i, n in enumerate(names)}
    has_phy = hardware == "a3"
    table = npu.NpuTable("25.5.1", tuple(chip(hardware, index) for index in NPUS), has_phy)
    read = {n: host_reading(n, i, table) for i, n in enumerate(names)}
    npus = {n: npu_readings(n, i, hardware) for i, n in enumerate(names)}
    return Evidence(Topology(ends, pairs, pairs), read, npus)


def host_reading(name, number, table):
    return HostReading(
        host=name,
        tools={"hccn_tool": "/usr/bin/hccn_tool", "npu-smi": "/usr/local/bin/npu-smi"},
        table=table,
        driver="25.5.1",
        conf=conf(number),
        nics=(Nic("lo", "127.0.0.1", 65536), Nic("eth0", f"10.0.0.{number + 1}", 1500)),
        ephemeral=(32768, 60999),
        reserved=((36000, 36511), (60000, 60031)),
        clock=0.0,
        clock_slack=0.01,
        complete=True,
    )


def npu_readings(name, number, hardware):
    pods = {i: npu.SuperPod(16777216 * (number + 1) + i * 65536, 384, 0, number) for i in NPUS}
    return NpuReadings(
        host=name,
        readings={index: readings(number, index, hardware) for index in NPUS},
        pods=pods if hardware == "a3" else {},
        boards={0: npu.Board("25.5.1", "7.7.0.1.231")},
    )


def spoil(found, host, index, **values):
    """The same evidence with some readings of one NPU replaced."""
    own = found.npus[host]
    told = {**own.readings, index: {**own.readings[index], **values}}
    return replace(found, npus={**found.npus, host: replace(own, readings=told)})


def spoil_host(found, host, **values):
    return replace(found, hosts={**found.hosts, host: replace(found.hosts[host], **values)})


# Hosts that answer verify-network's scripts as real ones would, without a shell.

TABLE = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 25.5.1                   Version: 25.5.1                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
{rows}
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
{free}
+===========================+===============+====================================================+"""


VNIC = "vnic link status: UP\nvnic ipaddr: {}\nvnic netmask: 255.255.0.0"


def table_text(count):
    rows = [
        f"| {i // 2} Ascend910 | OK | 181.4 36 0 / 0 |\n| {i % 2} {i} | 0000:9D:00.0 | 0 0 / 0 3447 / 65536 |"
        for i in range(count)
    ]
    free = [f"| No running processes found in NPU {card} |" for card in range(count // 2)]
    return TABLE.format(rows="\n".join(rows), free="\n".join(free))


def frame(key, text, code=0):
    return f"@{key} {code} {len(text)}\n{text}\n"


class Cluster:
    """Made-up A3 hosts; `transports` answer by the kind of script that they are sent."""

    def __init__(self, hosts, npus=16, broken=lambda source, target: False):
        self.names, self.npus, self.broken = [f"node-{i}" for i in range(hosts)], npus, broken
        self.owners = {self.vnic(h, n): (h, n) for h in range(hosts) for n in range(npus)}
        self.transports = {
            name: ScriptedTransport(name, default=lambda command, number=i: self.answer(number, command))
            for i, name in enumerate(self.names)
        }

    @staticmethod
    def vnic(host, index):
        return f"192.168.{host}.{index + 1}"

    def answer(self, number, command):
        script = command.stdin.decode()
        kinds = {"host/clock": self.host, "spod-info": self.npu, "PROBES": self.probes, "qcluster-listen.": self.listen,
                 "connect/how": self.connect}  # fmt: skip
        made = next((make(number, command) for mark, make in kinds.items() if mark in script), "")
        return Outcome(command, 0, (made + frame("end", "")).encode())

    def host(self, number, command):
        own = "\n".join(f"address_{i}=11.12.{number}.{i + 1}" for i in range(self.npus))
        texts = {"host/clock": "1000.0", "host/hccn_tool": "/bin/hccn_tool", "host/npu-smi": "/bin/npu-smi",
                 "npu/info": table_text(self.npus), "host/driver": "Version=25.5.1", "host/conf": own}  # fmt: skip
        return "".join(frame(key, text) for key, text in texts.items())

    def npu(self, number, command):
        parts = []
        for i in range(self.npus):
            sdid = f"SDID : {number * 1000 + i}\nSuper Pod Size : 384\nSuper Pod ID : 0\nServer Index : {number}"
            texts = {
                f"npu/{i}/lldp": "Ifname: 400GE1/1/1:1",
                f"npu/{i}/link": "link status: UP",
                f"npu/{i}/net_health": "net health status: Success",
                f"npu/{i}/netdetect": "netdetect addr: 11.12.0.1",
                f"npu/{i}/gateway": "default gateway:11.12.0.1, Iface:eth0",
                f"npu/{i}/ip": f"ipaddr:11.12.{number}.{i + 1}\nnetmask:255.255.0.0",
                f"npu/{i}/vnic": VNIC.format(self.vnic(number, i)),
                f"npu/{i}/tls": f"dev_id:{i}, tls switch[0](0:disable, 1:enable), tls alarm time threshold[60]days",
                f"npu/{i}/optical": "present : present",
                f"spod/{i // 2}.{i % 2}": sdid,
                f"board/{i // 2}": "Software Version : 25.5.1\nFirmware Version : 7.7.0.1.231",
            }
            parts += [frame(key, text) for key, text in texts.items()]
        return "".join(parts)

    def probes(self, number, command):
        lines = re.findall(r"^(p/\d+) (\d+) (\w+) ([\d.]+) (\d+)$", command.stdin.decode(), re.MULTILINE)
        return "".join(self.ping(number, *line) for line in lines)

    def ping(self, number, key, source, kind, address, packets):
        if kind == "roce" or not self.broken((number, int(source)), self.owners[address]):
            times = "".join(f"recv seq {i}, time = 9.5us, L1 plane check result = 0x0\n" for i in range(int(packets)))
            done = f"{packets} packets transmitted, {packets} received, 0.00% packets loss"
            return frame(key, f"device {source} PING {address}\n{times}{done}")
        lost = f"{packets} packets transmitted, 0 received, 100.00% packets loss"
        return frame(key, f"device {source} PING {address}\nThis pkt check recv msg fail!\n{lost}", 1)

    def listen(self, number, command):
        ports = [word for word in command.argv if word.isdigit() and int(word) >= 1024]
        return frame("listen/ports", "\n".join(f"{p} ok" for p in ports) + "\nready") + frame("listen/handle", "kill 1")

    def connect(self, number, command):
        peers = [peer.split() for peer in command.argv[-1].split(",") if peer]
        told = "\n".join(f"{name} {port} ok" for name, _, *ports in peers for port in ports)
        return frame("connect/how", "python3") + frame("connect/ports", told)


def is_framed(command: Command) -> bool:
    return command.argv[:2] == ("sh", "-s")
