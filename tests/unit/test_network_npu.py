"""npu-smi: every layout is read alike, anything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qcluster.command import Command
from qcluster.errors import TaskFailed, UnreadableOutput
from qcluster.facts import npu
from qcluster.result import Outcome

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/network/npu_smi_info.yml").read_text())
TABLES = [case["stdout"] for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_table(case):
    table = npu.parse_table(case["stdout"])
    want = case["parsed"]
    assert (table.version, table.hardware, len(table.npus)) == (want["version"], want["hardware"], want["count"])
    for expected, found in ((want["first"], table.npus[0]), (want["last"], table.npus[-1])):
        assert expected == {name: getattr(found, name) for name in expected}
    assert [item.physical_id for item in table.npus if npu.busy(item)] == want["busy"]


def test_unhealthy_is_seen():
    assert [item.npu_id for item in npu.parse_table(TABLES[2]).npus if not item.healthy] == [6]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_cut_anywhere_is_refused(table):
    for end in range(0, len(table.rstrip()) - 1, 7):
        with pytest.raises(UnreadableOutput):
            npu.parse_table(table[:end])


@given(st.text(max_size=400))
def test_garbage_is_refused(text):
    with pytest.raises(UnreadableOutput):
        npu.parse_table(text)


@given(st.sampled_from(TABLES), st.data())
def test_a_foreign_line_is_refused(table, data):
    lines = table.splitlines()
    at = data.draw(st.integers(1, len(lines) - 1))
    foreign = data.draw(st.sampled_from(["dcmi module initialize failed.", "| x |", "|" * 9, "z" * (1 << 20)]))
    with pytest.raises(UnreadableOutput):
        npu.parse_table("\n".join([*lines[:at], foreign, *lines[at:]]))


def test_exit_codes_speak():
    missing = Outcome(Command(("npu-smi",)), 127, stderr=b"sh: npu-smi: not found")
    with pytest.raises(TaskFailed, match="not installed"):
        npu.parse_info(missing)
    with pytest.raises(UnreadableOutput, match="exit 255"):
        npu.parse_info(Outcome(Command(("npu-smi",)), 255, stdout=TABLES[0].encode()))


def test_superpod_board_version():
    spod = "\tSDID                           : 16777216\n\tSuper Pod Size                 : 384\n"
    spod += "\tSuper Pod ID                   : 0\n\tServer Index                   : 4\n"
    assert npu.read_superpod(spod) == npu.SuperPod(16777216, 384, 0, 4)
    with pytest.raises(UnreadableOutput):
        npu.read_superpod(spod[:-30])
    board = npu.read_board("\tSoftware Version      : 25.2.0\n\tFirmware Version      : 7.7.0.1.231\n")
    assert (board.software, board.firmware) == ("25.2.0", "7.7.0.1.231")
    assert npu.parse_version_info("Version=25.2.0\npackage_version=25.2.0\n") == "25.2.0"
    with pytest.raises(UnreadableOutput):
        npu.parse_version_info("")


@pytest.mark.parametrize(
    "names, phy, family",
    [
        (["910B3"] * 8, False, "a2"),
        (["910B2C"], False, "a2"),
        (["Ascend910"], True, "a3"),
        (["Ascend910"], False, ""),
        (["Ascend950PR"], False, "950"),
        (["310P3"], False, "310p"),
        (["910B3", "Ascend910"], True, ""),
        ([], False, ""),
    ],
)
def test_hardware(names, phy, family):
    assert npu.hardware_of(names, phy) == family
