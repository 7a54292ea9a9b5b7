"""What counts as served, and when text is suspect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qcluster.diagnose.proof import (
    QUESTIONS,
    Pair,
    asks,
    blame,
    degenerate,
    documented,
    moved,
    suspicion,
    text_of,
    wrong,
)
from qcluster.facts.http import Answer


def answer(**choice: Any) -> Answer:
    body = {"choices": [{"finish_reason": "stop", **choice}], "usage": {"completion_tokens": 3}}
    return Answer(200, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (answer(text=" Paris."), ""),
        (answer(message={"content": "Paris"}), ""),
        (answer(message={"content": None, "reasoning_content": "thinking"}), ""),
        (Answer(200, b""), "empty body"),
        (Answer(200, b"\n"), "empty body"),
        (answer(text="  "), "without text"),
        (answer(text="x", finish_reason=None), "finish_reason"),
        (Answer(200, b'{"choices": [{"text": "x", "finish_reason": "stop"}]}'), "completion_tokens"),
        (Answer(200, b'{"choices": []}'), "without text"),
        (Answer(200, b"[1]"), "without text"),
        (Answer(500, b"Internal Server Error"), "HTTP 500: Internal Server Error"),
        (Answer(503), "HTTP 503: empty body"),
        (Answer(0, error="refused"), "no answer: refused"),
    ],
)
def test_http_200_alone_is_no_answer(given: Answer, says: str) -> None:
    assert (wrong(given) == "") == (says == "")
    assert says in wrong(given)


def pair(through: str, direct: str, known: str = "Paris") -> Pair:
    return Pair("The capital of France is", known, through, direct)


@pytest.mark.parametrize(
    ("pairs", "credible"),
    [
        ([pair("a b", "a b"), pair("c d", "c d"), pair("e f", "other")], True),
        ([pair("a b", "a b"), pair("c d", "x"), pair("e f", "other")], False),
        ([pair("it is paris", "no"), pair("x", "y"), pair("z", "w")], True),
        ([pair("!!!!!!!!", "!!!!!!!!")] * 3, False),
        ([pair("the the the the", "the the the the")] * 3, False),
        ([pair("", "")] * 3, False),
        ([pair("a b", "a b")], True),
    ],
)
def test_text_is_credible_when_it_agrees_or_knows(pairs: list[Pair], credible: bool) -> None:
    assert (suspicion(pairs) == "") == credible


def test_a_model_of_random_weights_may_repeat_itself() -> None:
    assert suspicion([pair("!!!!", "!!!!")] * 3, sense=False) == ""
    assert degenerate("\n\n\n\n") and degenerate("no\ufffd") and not degenerate("four, five, six")


def test_requests_alternate_and_ask_what_has_a_known_answer() -> None:
    made = asks("m", 4, 16)
    assert [one.path for one in made] == ["/v1/completions", "/v1/chat/completions"] * 2
    assert made[0].body["prompt"] == QUESTIONS[0][0]
    assert {one.body["max_tokens"] for one in made} == {16}


def test_an_instance_served_when_one_of_its_counters_moved() -> None:
    assert moved({}, {"vllm:prompt_tokens_total": 4.0})
    assert not moved({"vllm:prompt_tokens_total": 4.0}, {"vllm:prompt_tokens_total": 4.0, "process_cpu_seconds": 9.0})


def test_the_text_of_an_answer_that_is_no_object_is_empty() -> None:
    assert text_of(Answer(200, b"null")) == ""


def test_who_is_wrong_by_itself_is_named_with_its_host() -> None:
    sound, broken = [pair("Paris", "Paris")] * 3, [pair("!!!!", "!!!!")] * 3
    told = blame({"d1-decode-0 on d1": sound, "d2-decode-0 on d2": broken})
    assert told.startswith("wrong also when asked directly: d2-decode-0 on d2. Likely cause: /etc/hccn.conf")
    assert "missing or stale on d2," in told and "qcluster restart d2-decode-0`" in told


def test_where_each_answers_well_by_itself_the_transfer_is_wrong() -> None:
    told = blame({"d1-decode-0 on d1": [pair("Paris", "Paris")] * 3})
    assert told.startswith("each decode engine answers well by itself, so what it gets from prefill is wrong")


def test_the_guide_is_quoted_word_for_word() -> None:
    whole, turn = documented("qwen3.5")
    assert whole.body == {
        "model": "qwen3.5",
        "prompt": "The future of AI is",
        "max_completion_tokens": 50,
        "temperature": 0,
    }
    assert turn.body["messages"] == [{"role": "user", "content": "The future of AI is"}]
    assert (turn.body["max_completion_tokens"], turn.body["temperature"], turn.body["top_p"]) == (1024, 0.7, 0.95)
