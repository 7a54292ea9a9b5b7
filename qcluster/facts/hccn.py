"""What `hccn_tool` says of each NPU's network, in every wording known since 2024.

`hccn_tool` refuses to run twice at a time on one host, so one script asks for all NPUs in a row (facts/frames.py).
Its exit codes are not reliable (a link that is DOWN exits 0), so an answer counts only when its whole text is known;
anything else raises `UnreadableOutput`. Formats: hicann/driver `tool_ops.c`, `tool_tls.c`, `cmd.c` (refusals).
Pings are read in facts/pings.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from qcluster.errors import UnreadableOutput
from qcluster.facts.frames import Frame

MAX_TEXT = 64 * 1024
MAX_LINE = 4096


@dataclass(frozen=True)
class Link:
    """`-link`: is the port up?"""

    up: bool


@dataclass(frozen=True)
class NetHealth:
    """`-net_health`: `Success`, or the tool's word for what is wrong."""

    status: str


@dataclass(frozen=True)
class NetDetect:
    """`-netdetect`: the address whose reachability net_health reports."""

    address: str


@dataclass(frozen=True)
class Gateway:
    address: str
    iface: str


@dataclass(frozen=True)
class Ip:
    """`-ip`: the RoCE address of the NPU's NIC."""

    address: str
    netmask: str


@dataclass(frozen=True)
class Vnic:
    """`-vnic` (A3): the address that hccs_ping answers on; `""` where the NPU has none."""

    up: bool
    address: str
    netmask: str


@dataclass(frozen=True)
class Lldp:
    """`-lldp`: the switch port at the other end of the cable; `""` without a neighbour."""

    ifname: str


@dataclass(frozen=True)
class Tls:
    """`-tls`: whether the NPU speaks TLS to its peers. Must be equal everywhere."""

    on: bool


@dataclass(frozen=True)
class Optical:
    present: bool
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trouble:
    """No reading. `cause` is one of tool-busy permission timeout tool-missing truncated unparsed, or `unsupported`
    (this product has no such thing), `unset` (no address was given) or `no-device`. `seen` is verbatim."""

    cause: str
    seen: str


def refuse(what: str, text: str) -> UnreadableOutput:
    return UnreadableOutput(f"hccn_tool {what}", text)


def _one(what: str, pattern: str, text: str) -> re.Match[str]:
    found = re.fullmatch(pattern, text.strip()) if len(text) <= MAX_TEXT else None
    if not found:
        raise refuse(what, text)
    return found


def lines_of(what: str, text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(text) > MAX_TEXT or any(len(line) > MAX_LINE for line in lines):
        raise refuse(what, text)
    return lines


def _address(what: str, word: str, text: str) -> str:
    try:
        return str(IPv4Address(word))
    except ValueError:
        raise refuse(what, text) from None


def _netmask(what: str, word: str, text: str) -> str:
    try:
        IPv4Network(f"0.0.0.0/{word}")
    except ValueError:
        raise refuse(what, text) from None
    return _address(what, word, text)


_HEALTH = "Success|Socket fail|Receive timeout|Unreachable|Time exceeded|Fault|Init|Thread error|Detect ip set|Unknown"


def link(text: str) -> Link:
    return Link(_one("-link", r"link status: (UP|DOWN)", text)[1] == "UP")


def net_health(text: str) -> NetHealth:
    return NetHealth(_one("-net_health", rf"net health status: ({_HEALTH})", text)[1])


def netdetect(text: str) -> NetDetect:
    found = _one("-netdetect", r"netdetect addr(?:ess)?: ?([\d.]+)", text)
    return NetDetect(_address("-netdetect", found[1], text))


def gateway(text: str) -> Gateway:
    found = _one("-gateway", r"default gateway: ?([\d.]+), Iface: ?(\w+\d)", text)
    return Gateway(_address("-gateway", found[1], text), found[2])


def ip(text: str) -> Ip:
    found = _one("-ip", r"ipaddr: ?([\d.]+)\s*\n\s*netmask: ?([\d.]+)", text)
    return Ip(_address("-ip", found[1], text), _netmask("-ip", found[2], text))


def vnic(text: str) -> Vnic:
    if text.strip() == "vnic link status: DOWN":
        return Vnic(False, "", "")
    shape = r"vnic link status: (UP|DOWN)\s*\n\s*vnic ipaddr: ?([\d.]+)\s*\n\s*vnic netmask: ?([\d.]+)"
    found = _one("-vnic", shape, text)
    return Vnic(found[1] == "UP", _address("-vnic", found[2], text), _netmask("-vnic", found[3], text))


def lldp(text: str) -> Lldp:
    lines = lines_of("-lldp", text)
    names = [name[1] for line in lines if (name := re.fullmatch(r"Ifname: ?(\S+)", line))]
    if lines and not names and not any(line.endswith("TLV") for line in lines):
        raise refuse("-lldp", text)
    return Lldp(names[0] if names else "")


def tls(text: str) -> Tls:
    lines = lines_of("-tls", text)
    switches = [found[1] for line in lines if (found := re.match(r"dev_id:\d+, tls switch\[([01])\]", line))]
    if len(switches) != 1 or not lines[0].endswith("days"):
        raise refuse("-tls", text)
    return Tls(switches[0] == "1")


def optical(text: str) -> Optical:
    if "Optical module is not present" in text:
        return Optical(False)
    pairs = (line.split(":", 1) for line in lines_of("-optical", text) if ":" in line)
    fields = {name.strip(): value.strip() for name, value in pairs}
    if fields.get("present", fields.get("optical present")) not in ("present", "not present"):
        raise refuse("-optical", text)
    return Optical("not present" not in fields.values(), fields)


# Refusals: what the tool says instead of an answer. Exit codes decide where they are unambiguous, else its words.

_REFUSALS = (
    ("tool-busy", (11, 31), r"hccn_tool is busy, please try again|The device is occupied"),
    ("permission", (12, 126), r"[Pp]ermission denied|Operation not permitted"),
    ("tool-missing", (127,), r"^sh: .*not found$"),
    ("timeout", (124, 137), r"(?!)"),
    ("unset", (), r"because no (ip|gateway|netdetect) was preset there|no ip was preset"),
    ("unsupported", (), r"not supported on this product|does not support querying|not support"),
    ("no-device", (4,), r"The device is not exist|invalid id"),
)


def refusal(frame: Frame) -> Trouble | None:
    """What kept the tool from answering, where it says so."""
    if frame.exit is None:
        busy = frame.text == "busy"
        return Trouble(
            "tool-busy" if busy else "timeout", f"not asked: the tool {'was busy' if busy else 'hung'} before"
        )
    for cause, exits, words in _REFUSALS:
        if frame.exit in exits or (frame.exit and re.search(words, frame.text[:MAX_LINE], re.MULTILINE)):
            return Trouble(cause, frame.text or f"exit {frame.exit}")
    return None


def answer(parse: Callable[[str], Any], frame: Frame | None) -> Any:
    """A parsed value, or the `Trouble` that stands for none. A missing frame is a truncated stream."""
    if frame is None:
        return Trouble("truncated", "the answer did not arrive")
    if trouble := refusal(frame):
        return trouble
    try:
        return parse(frame.text)
    except UnreadableOutput:
        return Trouble("truncated" if _is_cut(frame.text) else "unparsed", frame.text[:400])


_STARTS = ("link status: ", "net health status: ", "netdetect addr", "default gateway:", "ipaddr:",
           "vnic link status: ", "dev_id:", "device ", "Chassis ID TLV", "present", "hccn_tool is busy")  # fmt: skip


def _is_cut(text: str) -> bool:
    """True where a known answer begins and stops short."""
    start = text.strip()[:MAX_LINE]
    return bool(start) and any(start.startswith(known) or known.startswith(start) for known in _STARTS)


def read_conf(text: str) -> Mapping[int, Mapping[str, str]]:
    """/etc/hccn.conf as `{physical id: {address: …, netmask: …}}`."""
    found: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        entry = re.fullmatch(r"([A-Za-z][A-Za-z_]*?)_(\d{1,3})\s*=\s*(\S*)", bare[:MAX_LINE])
        if not entry:
            raise UnreadableOutput(f"/etc/hccn.conf: not KEY_N=VALUE: {bare[:80]}", text)
        found.setdefault(int(entry[2]), {})[entry[1]] = entry[3]
    return found


QUERIES: Mapping[str, Callable[[str], Any]] = {
    "lldp": lldp,
    "link": link,
    "net_health": net_health,
    "netdetect": netdetect,
    "gateway": gateway,
    "ip": ip,
    "vnic": vnic,
    "tls": tls,
    "optical": optical,
}
"""Every `hccn_tool -i N -QUERY -g` that the survey asks, with its parser."""
