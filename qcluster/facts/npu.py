"""What `npu-smi` says of a host's NPUs: the table, boards, super-pod membership, the driver's version.

Three numbers name one NPU and are never mixed here: `npu_id` and `chip_id` are npu-smi's own (A3: 0..7 × 0..1),
`physical_id` is what /dev/davinciN and `hccn_tool -i` use (A3: 0..15; on A2 it equals `npu_id`).
Formats: driver source `npu_info_print.c` and captures in vllm-ascend issues #12980, #2534, #5588.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed, UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

IDLE_HBM_MB = 4000
"""An idle die holds 2.8–3.5 GB of HBM for the driver; more means that something runs on it."""

MAX_LINE = 4096
"""Longer lines than this come from no tool that this module knows."""

_PAIR = re.compile(r"(\d+)\s*/\s*(\d+)")
_FREE = re.compile(r"No running processes found in NPU (\d+)")


@dataclass(frozen=True)
class NpuProcess:
    """A process on a chip. `name` may be cut or blank; `memory` is in MB."""

    npu_id: int
    chip_id: int
    pid: int
    name: str
    memory: int


@dataclass(frozen=True)
class Npu:
    """One die. `hbm_used` and `hbm_total` are in MB; `aicore` is a percentage."""

    npu_id: int
    chip_id: int
    physical_id: int
    name: str
    health: str
    bus_id: str
    hbm_used: int
    hbm_total: int
    aicore: int = 0
    processes: tuple[NpuProcess, ...] = ()

    @property
    def healthy(self) -> bool:
        return self.health == "OK"


@dataclass(frozen=True)
class NpuTable:
    """The whole of `npu-smi info`. `has_phy_id` is true where the header has that column (A3)."""

    version: str
    npus: tuple[Npu, ...]
    has_phy_id: bool = False

    @property
    def by_physical(self) -> Mapping[int, Npu]:
        return {npu.physical_id: npu for npu in self.npus}

    @property
    def hardware(self) -> str:
        """`a2`, `a3`, `950`, `310p`, or `""` when the names say nothing known."""
        return hardware_of((npu.name for npu in self.npus), self.has_phy_id)


@dataclass(frozen=True)
class Board:
    """`npu-smi info -t board`: versions and whatever else the card tells, by the tool's own labels."""

    software: str
    firmware: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SuperPod:
    """A chip's place in its super-pod (A3). `sdid` is unique inside one; `pod` is equal for all that can talk HCCS."""

    sdid: int
    size: int
    pod: int
    server: int


def hardware_of(names: Iterable[str], has_phy_id: bool = False) -> str:
    """The hardware family that chip names tell: A2 prints `910B*`, A3 `Ascend910` with a Phy-ID column."""
    kinds = {_family(name, has_phy_id) for name in names}
    return kinds.pop() if len(kinds) == 1 else ""


def _family(name: str, has_phy_id: bool) -> str:
    short = name.removeprefix("Ascend").strip()
    if short.startswith("910B"):
        return "a2"
    if (short == "910" and has_phy_id) or short.startswith(("910C", "910_93")):
        return "a3"
    return next((family for family in ("950", "310P") if short.startswith(family)), "").lower()


def busy(npu: Npu) -> str:
    """Why `npu` is in use, or `""`. Either sign is enough: each alone is known to be wrong at times."""
    if npu.processes:
        held = ", ".join(f"pid {process.pid} {process.name}".rstrip() for process in npu.processes)
        return f"NPU {npu.physical_id} runs {held}"
    if npu.hbm_used > IDLE_HBM_MB:
        return f"NPU {npu.physical_id} has {npu.hbm_used} of {npu.hbm_total} MB HBM in use"
    return ""


def npu_info() -> Fact[NpuTable]:
    """Every NPU of a host, with health, HBM and processes. Ask the host, not a container."""
    return Fact(Command(("npu-smi", "info"), timeout=30), parse_info)


def board(npu_id: int = 0) -> Fact[Board]:
    return Fact(Command(("npu-smi", "info", "-t", "board", "-i", str(npu_id)), timeout=30), parse_board)


def superpod(npu_id: int, chip_id: int) -> Fact[SuperPod]:
    ask = ("npu-smi", "info", "-t", "spod-info", "-i", str(npu_id), "-c", str(chip_id))
    return Fact(Command(ask, timeout=30), parse_superpod)


def driver_version() -> Fact[str]:
    """The driver's version, from the file that it installs."""
    script = 'cat "${QCLUSTER_LAB_ROOT-}/usr/local/Ascend/driver/version.info"\n'
    return Fact(sh(script, timeout=10), lambda outcome: parse_version_info(_text(outcome, "driver version.info")))


def _text(outcome: Outcome, what: str) -> str:
    if outcome.exit == 127:
        raise TaskFailed(f"{what}: the tool is not installed, or not on PATH: {outcome.err.strip()}")
    if not outcome.ok:
        raise UnreadableOutput(f"{what} failed with exit {outcome.exit}", outcome.out + outcome.err)
    return outcome.out


def parse_info(outcome: Outcome) -> NpuTable:
    return parse_table(_text(outcome, "npu-smi info"))


def parse_board(outcome: Outcome) -> Board:
    return read_board(_text(outcome, "npu-smi info -t board"))


def parse_superpod(outcome: Outcome) -> SuperPod:
    return read_superpod(_text(outcome, "npu-smi info -t spod-info"))


def parse_version_info(text: str) -> str:
    """`Version=25.2.0` of a version.info file."""
    found = re.search(r"^Version=(\S{1,64})\s*$", text, re.MULTILINE)
    if not found:
        raise UnreadableOutput("version.info has no Version= line", text)
    return found[1]


def labelled(text: str) -> dict[str, str]:
    """The `Label : value` lines that most `npu-smi info -t …` answers are made of."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {label.strip(): value.strip() for label, value in pairs}


def read_board(text: str) -> Board:
    fields = labelled(text)
    if "Firmware Version" not in fields or any(len(line) > MAX_LINE for line in text.splitlines()):
        raise UnreadableOutput("npu-smi board has no firmware version", text)
    return Board(fields.get("Software Version", ""), fields["Firmware Version"], fields)


def read_superpod(text: str) -> SuperPod:
    fields = labelled(text)
    labels = ("SDID", "Super Pod Size", "Super Pod ID", "Server Index")
    try:
        return SuperPod(*(int(fields[label], 0) for label in labels))
    except (KeyError, ValueError):
        raise UnreadableOutput("npu-smi spod-info is not complete", text) from None


# The table: rows are told apart by their header's words, never by column offsets (npu-smi 26 is wider than 24).


@dataclass
class _Reading:
    """The table, as far as it was read."""

    text: str
    version: str = ""
    section: str = ""
    has_phy_id: bool = False
    has_hbm: bool = False
    name_row: list[str] = field(default_factory=list)
    npus: list[Npu] = field(default_factory=list)
    processes: list[NpuProcess] = field(default_factory=list)
    accounted: set[int] = field(default_factory=set)

    def wrong(self, why: str) -> UnreadableOutput:
        return UnreadableOutput(f"npu-smi info: {why}", self.text)


def parse_table(text: str) -> NpuTable:
    """Read `npu-smi info` of any layout since 24.1. Raises `UnreadableOutput` for anything else, or a cut table."""
    reading = _Reading(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    start = next((index for index, line in enumerate(lines) if line.startswith("+-")), len(lines))
    for line in lines[start:]:
        _read_line(reading, line)
    if not lines[start:] or not lines[-1].startswith("+=") or len(lines[-1]) != len(lines[start]):
        raise reading.wrong("the table has no end")
    return _finish(reading)


def _read_line(reading: _Reading, line: str) -> None:
    if line.startswith("+") and not line.strip("+-="):
        return
    if not (line.startswith("|") and line.endswith("|") and 1 < len(line) <= MAX_LINE):
        raise reading.wrong(f"not a row of the table: {line[:80]!r}")
    cells = [cell.strip() for cell in line[1:-1].split("|")]
    try:
        if not _read_header(reading, cells):
            _ROWS[reading.section](reading, cells)
    except (KeyError, ValueError, IndexError):
        raise reading.wrong(f"a row of unknown form: {line[:120]!r}") from None


def _read_header(reading: _Reading, cells: list[str]) -> bool:
    """True where the row was a title or a header."""
    first = cells[0]
    if version := re.fullmatch(r"npu-smi \S+\s+Version: (\S+)", first):
        reading.version, reading.section = version[1], ""
    elif first.startswith("NPU") and len(cells) > 1 and cells[1] == "Health":
        reading.section = "npus"
    elif first.startswith("Chip") and len(cells) > 1 and cells[1] == "Bus-Id":
        reading.has_phy_id, reading.has_hbm = "Phy-ID" in first, "HBM-Usage" in cells[2]
    elif first.startswith("NPU") and len(cells) > 1 and cells[1] == "Process id":
        reading.section = "processes"
    else:
        return False
    return True


def _npu_row(reading: _Reading, cells: list[str]) -> None:
    """NPUs come as two rows: name and health, then chip, bus and memory."""
    if len(cells) != 3:
        raise ValueError("three columns make a row")
    if not reading.name_row:
        reading.name_row = cells
        return
    (npu_id, name), health = reading.name_row[0].split(None, 1), reading.name_row[1]
    chip, *physical = (int(word) for word in cells[0].split())
    used, total = _PAIR.findall(cells[2])[1 if reading.has_hbm else 0]
    physical_id = physical[0] if reading.has_phy_id else int(npu_id)
    aicore = int(cells[2].split()[0]) if cells[2].split()[0].isdigit() else 0
    sizes = (int(used), int(total), aicore)
    reading.npus.append(Npu(int(npu_id), chip, physical_id, name, health, cells[1], *sizes))
    reading.name_row = []


def _process_row(reading: _Reading, cells: list[str]) -> None:
    if free := _FREE.fullmatch(cells[0]):
        reading.accounted.add(int(free[1]))
        return
    npu_id, *chip = (int(word) for word in cells[0].split())
    memory = int(cells[3]) if cells[3].isdigit() else 0
    reading.processes.append(NpuProcess(npu_id, chip[0] if chip else 0, int(cells[1]), cells[2], memory))
    reading.accounted.add(npu_id)


_ROWS = {"npus": _npu_row, "processes": _process_row}


def _finish(reading: _Reading) -> NpuTable:
    ids = {npu.npu_id for npu in reading.npus}
    if not reading.npus or reading.name_row:
        raise reading.wrong("no complete NPU row")
    if not reading.version or ids - reading.accounted:
        raise reading.wrong(f"the process table says nothing of NPU {sorted(ids - reading.accounted)}")
    if len({npu.physical_id for npu in reading.npus}) < len(reading.npus):
        raise reading.wrong("a physical id appears twice")
    return NpuTable(reading.version, tuple(_with_processes(npu, reading) for npu in reading.npus), reading.has_phy_id)


def _with_processes(npu: Npu, reading: _Reading) -> Npu:
    own = [item for item in reading.processes if (item.npu_id, item.chip_id) == (npu.npu_id, npu.chip_id)]
    return replace(npu, processes=tuple(own))
