"""What each host says of itself and of its NPUs: two SSH commands a host, whatever the number of NPUs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcluster.command import Command
from qcluster.facts import hccn, npu, ports
from qcluster.facts.frames import Frame, Frames, Patience, framed, read_frames
from qcluster.facts.hccn import Trouble
from qcluster.result import Outcome

HOST_SCRIPT = r"""
root=${QCLUSTER_LAB_ROOT-}
hccn=$(on_path hccn_tool "$root/usr/local/Ascend/driver/tools/hccn_tool") || hccn=
smi=$(on_path npu-smi /usr/local/bin/npu-smi /usr/local/sbin/npu-smi) || smi=
frame host/clock 0 "$(date +%s.%N)"
frame host/hccn_tool 0 "$hccn"
frame host/npu-smi 0 "$smi"
[ -z "$smi" ] || ask npu/info host "$smi" info
show host/driver "$root/usr/local/Ascend/driver/version.info"
show host/conf "$root/etc/hccn.conf"
show host/ephemeral "$root/proc/sys/net/ipv4/ip_local_port_range"
show host/reserved "$root/proc/sys/net/ipv4/ip_local_reserved_ports"
frame host/addresses 0 "$(ip -o -4 addr show 2>/dev/null)"
frame host/links 0 "$(ip -o link show 2>/dev/null)"
frame host/firewalld 0 "$(firewall-cmd --state 2>/dev/null || systemctl is-active firewalld 2>/dev/null)"
frame host/iptables 0 "$(iptables -S INPUT 2>/dev/null)"
"""

NPU_SCRIPT = r"""
root=${QCLUSTER_LAB_ROOT-}
queries=$1; npus=$2; chips=$3; boards=$4
hccn=$(on_path hccn_tool "$root/usr/local/Ascend/driver/tools/hccn_tool")
smi=$(on_path npu-smi /usr/local/bin/npu-smi /usr/local/sbin/npu-smi)
if [ -n "$hccn" ]; then
  for npu in $npus; do
    for query in $queries; do ask "npu/$npu/$query" "$npu" "$hccn" -i "$npu" "-$query" -g; done
  done
fi
if [ -n "$smi" ]; then
  for chip in $chips; do ask "spod/$chip" "chip$chip" "$smi" info -t spod-info -i "${chip%.*}" -c "${chip#*.}"; done
  for card in $boards; do ask "board/$card" "card$card" "$smi" info -t board -i "$card"; done
fi
"""


@dataclass(frozen=True)
class Nic:
    """An interface of the host and one of its IPv4 addresses."""

    name: str
    address: str
    mtu: int = 0


@dataclass(frozen=True)
class HostReading:
    """What the first question brought. A part that could not be read is a `Trouble`.

    `clock` is the host's time minus the run's, in seconds, and `clock_slack` how wrong that may be at most."""

    host: str
    tools: Mapping[str, str] = field(default_factory=dict)
    table: npu.NpuTable | Trouble = field(default_factory=lambda: Trouble("truncated", ""))
    driver: str | Trouble = ""
    conf: Mapping[int, Mapping[str, str]] | Trouble = field(default_factory=dict)
    nics: tuple[Nic, ...] = ()
    ephemeral: tuple[int, int] | None = None
    reserved: tuple[tuple[int, int], ...] = ()
    firewall: str = ""
    clock: float | None = None
    clock_slack: float = 0.0
    complete: bool = False

    @property
    def hardware(self) -> str:
        return self.table.hardware if isinstance(self.table, npu.NpuTable) else ""


@dataclass(frozen=True)
class NpuReadings:
    """What the second question brought: `readings[npu][query]`, super-pod places by physical id, boards by card."""

    host: str
    readings: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    pods: Mapping[int, npu.SuperPod | Trouble] = field(default_factory=dict)
    boards: Mapping[int, npu.Board | Trouble] = field(default_factory=dict)
    complete: bool = True

    def get(self, npu_id: int, query: str) -> Any:
        return self.readings.get(npu_id, {}).get(query)


def host_question(patience: Patience) -> Command:
    return framed(HOST_SCRIPT, patience=patience)


def read_host(host: str, outcome: Outcome, began: float, ended: float) -> HostReading:
    """Read the answer to `host_question`; `began` and `ended` are the run's clock around it."""
    frames = read_frames(outcome.stdout)
    clock, slack = _clock(frames.get("host/clock"), began, ended)
    return HostReading(
        host=host,
        tools={name: _line(frames, f"host/{name}") for name in ("hccn_tool", "npu-smi")},
        table=_parsed(frames.get("npu/info"), npu.parse_table),
        driver=_parsed(frames.get("host/driver"), npu.parse_version_info),
        conf=_conf(frames.get("host/conf")),
        nics=_nics(_text(frames, "host/addresses"), _text(frames, "host/links")),
        ephemeral=_range(_text(frames, "host/ephemeral")),
        reserved=ports.ranges(_text(frames, "host/reserved")),
        firewall=_firewall(frames),
        clock=clock,
        clock_slack=slack,
        complete=frames.complete,
    )


def _text(frames: Frames, key: str) -> str:
    frame = frames.get(key)
    return frame.text if frame and frame.exit == 0 else ""


def _line(frames: Frames, key: str) -> str:
    return _text(frames, key).strip()


def _parsed(frame: Frame | None, parse: Callable[[str], Any]) -> Any:
    return hccn.answer(parse, frame)


def _conf(frame: Frame | None) -> Mapping[int, Mapping[str, str]] | Trouble:
    """An /etc/hccn.conf that does not exist is empty: that is a finding of its own, not trouble."""
    if frame is not None and frame.exit == 2:
        return {}
    found = hccn.answer(hccn.read_conf, frame)
    assert isinstance(found, Mapping | Trouble)
    return found


def _clock(frame: Frame | None, began: float, ended: float) -> tuple[float | None, float]:
    try:
        told = float(frame.text) if frame else None
    except ValueError:
        told = None
    return (None, 0.0) if told is None else (told - (began + ended) / 2, (ended - began) / 2)


def _nics(addresses: str, links: str) -> tuple[Nic, ...]:
    mtus = {name: int(mtu) for name, mtu in re.findall(r"^\d+: ([^:@\s]+)[^:]*:.*? mtu (\d+)", links, re.MULTILINE)}
    held = re.findall(r"^\d+: (\S+)\s+inet ([\d.]+)", addresses, re.MULTILINE)
    return tuple(Nic(name, address, mtus.get(name, 0)) for name, address in held)


def _range(text: str) -> tuple[int, int] | None:
    words = text.split()
    return (int(words[0]), int(words[1])) if len(words) == 2 and all(map(str.isdigit, words)) else None


def _firewall(frames: Frames) -> str:
    """`firewalld`, `iptables`, or nothing that was seen."""
    if _line(frames, "host/firewalld").splitlines()[-1:] in (["running"], ["active"]):
        return "firewalld"
    rules = _text(frames, "host/iptables")
    return "iptables" if re.search(r"-j (DROP|REJECT)|-P INPUT (DROP|REJECT)", rules) else ""


def npu_question(npus: Sequence[int], table: npu.NpuTable, patience: Patience) -> Command:
    """Ask for `npus` (physical ids). A3 has vnic and a super-pod; A2 is not asked what it cannot answer."""
    seen = _seen(npus, table)
    cards = dict.fromkeys(chip.npu_id for chip in seen.values())
    words = (_queries(table), npus, _pods(seen, table).values(), cards)
    return framed(NPU_SCRIPT, *(" ".join(map(str, part)) for part in words), patience=patience)


def read_npus(host: str, outcome: Outcome, npus: Sequence[int], table: npu.NpuTable) -> NpuReadings:
    """Read the answer to `npu_question`; no frame of hccn_tool at all means that there is no such tool."""
    frames = read_frames(outcome.stdout)
    seen = _seen(npus, table)
    lacking = frames.complete and not any(key.startswith("npu/") for key in frames.frames)
    no_tool = Frame("", 127, "hccn_tool: not found") if lacking else None

    def answers(number: int) -> dict[str, Any]:
        own = {query: no_tool or frames.get(f"npu/{number}/{query}") for query in _queries(table)}
        return {query: hccn.answer(hccn.QUERIES[query], frame) for query, frame in own.items()}

    return NpuReadings(
        host=host,
        readings={number: answers(number) for number in npus},
        pods={n: hccn.answer(npu.read_superpod, frames.get(f"spod/{chip}")) for n, chip in _pods(seen, table).items()},
        boards={
            card: hccn.answer(npu.read_board, frames.get(f"board/{card}"))
            for card in dict.fromkeys(chip.npu_id for chip in seen.values())
        },
        complete=frames.complete,
    )


def _queries(table: npu.NpuTable) -> list[str]:
    """What hccn_tool is asked of each NPU; an A2 has no vnic."""
    return [query for query in hccn.QUERIES if query != "vnic" or table.hardware != "a2"]


def _seen(npus: Sequence[int], table: npu.NpuTable) -> Mapping[int, npu.Npu]:
    return {number: table.by_physical[number] for number in npus if number in table.by_physical}


def _pods(seen: Mapping[int, npu.Npu], table: npu.NpuTable) -> Mapping[int, str]:
    """Card and chip of each NPU whose super-pod is asked for; an A2 is in none."""
    return {} if table.hardware == "a2" else {n: f"{chip.npu_id}.{chip.chip_id}" for n, chip in seen.items()}


def unreadable(reading: Any) -> bool:
    """True where there is no reading: neither a value nor a plain `unset` or `unsupported`."""
    return isinstance(reading, Trouble) and reading.cause not in ("unset", "unsupported")
