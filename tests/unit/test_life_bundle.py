"""What a bundle for an expert keeps of a host, and what it hides."""

from __future__ import annotations

import pytest

from qcluster.cli.bundle import redacted
from qcluster.command import Command
from qcluster.errors import UnreadableOutput
from qcluster.facts.bundle import bundle, parse
from qcluster.result import Outcome
from qcluster.transport.local import LocalTransport


def outcome(text: str, code: int = 0) -> Outcome:
    return Outcome(Command(("sh",)), code, text.encode())


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("HF_TOKEN=hf_abcd1234", "HF_TOKEN=***"),
        ('"ansible_password": "opensesame",', '"ansible_password": "***",'),
        ("vllm serve m --api-key sk-12345678 --port 1", "vllm serve m --api-key *** --port 1"),
        ("non-default args: {'api_key': ['sk-12345678']}", "non-default args: {'api_key': ['***']}"),
        ("Authorization: Bearer abc-def-123", "Authorization: Bearer ***"),
        ("db_password: topsecret99", "db_password: ***"),
    ],
)
def test_what_stands_behind_a_secret_name_is_hidden(text: str, hidden: str) -> None:
    assert redacted(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 1024, max_num_batched_tokens=2048",
        "'num_speculative_tokens': 3, tokenizer='Qwen'",
        "VLLM_API_KEY=$(cat /var/lib/qcluster/x/api_key)",
        "as a bearer token\nnext line",
        "/var/lib/qcluster/x/api_key\n-rw------- 1 root",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_log_that_looks_like_the_protocol_stays_a_log() -> None:
    found = parse(outcome("==qcluster logs/a.log\n ==qcluster end\n fine\n\n==qcluster b.txt\n x\n==qcluster end\n"))
    assert found == {"logs/a.log": "==qcluster end\nfine\n", "b.txt": "x\n"}


def test_an_answer_that_is_cut_off_is_kept_and_says_so() -> None:
    found = parse(outcome("==qcluster logs/a.log\n half a", 124))
    assert found["logs/a.log"] == "half a\n" and "cut off (exit 124)" in found["INCOMPLETE.txt"]
    with pytest.raises(UnreadableOutput):
        parse(outcome("", 255))


def test_a_host_without_any_tool_still_gives_what_it_has(tmp_path: object) -> None:
    """Run for real, on this machine: no NPU, no state folder."""
    question = bundle(f"{tmp_path}/none", "nothing", 1000)
    found = question.parse(LocalTransport("here").run(question.command))
    assert "INCOMPLETE.txt" not in found
    assert found["versions/kernel.txt"].startswith("Linux")
    assert all(len(text) < 1200 * 3 for text in found.values())
