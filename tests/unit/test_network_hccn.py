"""hccn_tool's answers: every known wording is read, everything else is trouble, never a reading."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qcluster.errors import UnreadableOutput
from qcluster.facts import hccn
from qcluster.facts.frames import CLOSE, PRELUDE, Frame, Patience, framed, read_frames
from qcluster.facts.pings import Ping, ping

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/network/hccn_tool.yml").read_text())
PARSERS = {**hccn.QUERIES, "ping": ping}
GOOD = [case for case in CASES if "parsed" in case and case["text"]]


def read(case):
    return hccn.answer(PARSERS[case["query"]], Frame("x", case.get("exit", 0), case["text"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['query']}: {case['text'][:30]!r}")
def test_wording(case):
    found = read(case)
    if "trouble" in case:
        assert isinstance(found, hccn.Trouble)
        assert found.cause == case["trouble"]
        return
    for name, value in case["parsed"].items():
        told = getattr(found, name)
        assert (list(told) if isinstance(told, tuple) else told) == value


@pytest.mark.parametrize("query", PARSERS)
@given(text=st.text(min_size=1, max_size=300).filter(str.strip))
def test_garbage_raises(query, text):
    with pytest.raises(UnreadableOutput):
        PARSERS[query](text)


@pytest.mark.parametrize("query", PARSERS)
@pytest.mark.parametrize("fill", ["a", "link status: UP ", "0.1", "recv seq=0,time="])
def test_a_line_of_a_megabyte_raises(query, fill):
    with pytest.raises(UnreadableOutput):
        PARSERS[query](fill * ((1 << 20) // len(fill)))


@given(st.sampled_from([case for case in GOOD if case["query"] in ("ping", "ip", "vnic", "tls", "link")]), st.data())
def test_a_cut_answer_is_never_a_pass(case, data):
    """A cut may at most look like the shorter answer that it then is; it never turns into a better one."""
    text = case["text"].strip()
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    found = hccn.answer(PARSERS[case["query"]], Frame("x", 0, cut))
    whole = hccn.answer(PARSERS[case["query"]], Frame("x", 0, text))
    if isinstance(found, Ping):
        assert (found.sent, found.received) == (whole.sent, whole.received) or not found.passed
    else:
        assert isinstance(found, hccn.Trouble) or found == whole or getattr(found, "address", None) == ""


@given(st.sampled_from([case for case in GOOD if case["query"] == "ping"]), st.data())
def test_a_foreign_line_in_a_ping_is_refused(case, data):
    lines = case["text"].strip().splitlines()
    lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from(["dcmi: error", "\x00", "é" * 5000])))
    with pytest.raises(UnreadableOutput):
        ping("\n".join(lines))


def test_conf():
    text = (
        "# made by ops\naddress_0=11.12.165.80\nnetmask_0=255.255.255.0\nsend_arp_status_0=1\n\naddress_12 = 1.2.3.4\n"
    )
    assert hccn.read_conf(text) == {
        0: {"address": "11.12.165.80", "netmask": "255.255.255.0", "send_arp_status": "1"},
        12: {"address": "1.2.3.4"},
    }
    with pytest.raises(UnreadableOutput, match="KEY_N"):
        hccn.read_conf("address_0 11.12.165.80")


# Frames


def run(body, *args, patience=None, **env):
    command = framed(body, *args, patience=patience)
    done = subprocess.run(
        command.argv, input=command.stdin, capture_output=True, check=False, env={"PATH": "/usr/bin:/bin", **env}
    )
    return done.stdout


BUSY_TWICE = """#!/bin/sh
n=$(cat "$0.n" 2>/dev/null || echo 0)
echo $((n+1)) >"$0.n"
[ "$n" -ge 2 ] || { echo "hccn_tool is busy, please try again." >&2; exit 11; }
echo fine
"""

BODY = "ask 0/echo 0 printf 'one\\n@end 0 0\\n'\nask 0/rc 0 sh -c 'echo no >&2; exit 13'\nshow host/none /nonexistent\n"


def test_frames_survive_the_marker_in_the_output():
    frames = read_frames(run(BODY))
    assert frames.complete
    assert frames.get("0/echo") == Frame("0/echo", 0, "one\n@end 0 0")
    assert frames.get("0/rc") == Frame("0/rc", 13, "no")
    assert frames.get("host/none").exit == 2


@given(st.integers(0, 10_000))
def test_a_stream_cut_anywhere_is_not_complete(end):
    data = b"@0/echo 0 12\none\n@end 0 0\n@0/rc 13 2\nno\n@end 0 0\n\n"
    frames = read_frames(data[: min(end, len(data) - 1)])
    assert not frames.complete
    assert set(frames.frames) <= {"0/echo", "0/rc"}


@given(st.binary(max_size=200))
def test_noise_is_never_a_complete_stream(data):
    assert not read_frames(data).complete


def test_a_busy_tool_is_asked_again(tmp_path):
    tool = tmp_path / "tool"
    tool.write_text(BUSY_TWICE)
    tool.chmod(0o755)
    frames = read_frames(run('ask a 0 "$1"\n', str(tool), patience=Patience(5, (0.01, 0.01, 0.01))))
    assert frames.get("a") == Frame("a", 0, "fine")


def test_a_hanging_npu_is_asked_once_and_three_are_enough():
    body = "for n in 0 0 1 2 3; do i=$((i + 1)); ask $i/x $n sleep 60; done\n"
    frames = read_frames(run(body, patience=Patience(0.1, ())))
    assert [frame.exit for frame in frames.frames.values()] == [124, None, 124, 124, None]


def test_shellcheck(tmp_path):
    script = tmp_path / "frames.sh"
    script.write_text("#!/bin/sh\n# shellcheck disable=SC2317\n" + PRELUDE + BODY + CLOSE)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("shellcheck")), "-e", "SC2086", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""


def test_values_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        hccn.Link(True).up = False


def test_a_tool_that_stays_busy_is_waited_for_once():
    body = "for i in 1 2 3 4 5; do ask $i/x $i sh -c 'exit 11'; done\n"
    frames = read_frames(run(body, patience=Patience(1, (0.01,))))
    assert [frame.exit for frame in frames.frames.values()] == [11, 11, 11, None, None]
    assert hccn.answer(hccn.link, frames.get("5/x")) == hccn.Trouble("tool-busy", "not asked: the tool was busy before")
