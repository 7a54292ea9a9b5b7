"""Garbage with HTTP 200: whether the text that a deployment gives is credible, and whose it is where not.

Source: issue 6, Proof; vllm-ascend#7711.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from qcluster.diagnose.proof import ALONE, FIRST_TOKENS, QUESTIONS, Pair, blame, completion, suspicion, text_of, wrong
from qcluster.errors import NotServing
from qcluster.modules.asking import Endpoint, Scene, at_once, insist, post
from qcluster.modules.base import Reach
from qcluster.modules.streams import note

REPEATS = 3


def sensible(scene: Scene, reach: Reach) -> None:
    """Without a proxy there is nobody to compare with: what repeats one word, and knows nothing, is wrong."""
    alone = _alone(scene, reach, scene.of("standalone", "decode"))
    insist([f"{who}: {doubt}. {ALONE}" for who, pairs in alone.items() if (doubt := suspicion(pairs, scene.sense))])


def agreement(scene: Scene, reach: Reach) -> None:
    """Garbage with HTTP 200 (#7711): what the proxy says must be what a decode engine says itself."""
    judges = scene.of("decode") or scene.of("standalone")
    if not judges:
        return
    doubt = ""
    for attempt in range(REPEATS):
        pairs = [_pair(scene, reach, judges[attempt % len(judges)], *one) for one in QUESTIONS]
        doubt = suspicion(pairs, scene.sense)
        if not doubt:
            note(reach, "proof", "answers through the proxy agree with those of a decode engine")
            return
    raise NotServing(f"{doubt}\n{blame(_alone(scene, reach, judges), scene.sense)}")


def _alone(scene: Scene, reach: Reach, judges: Sequence[Endpoint]) -> Mapping[str, Sequence[Pair]]:
    """What every decode engine says by itself, to know whose text is wrong."""

    def asked(one: Endpoint) -> list[Pair]:
        texts = [
            post(scene, reach, one, completion(scene.served_name, prompt, FIRST_TOKENS)) for prompt, _ in QUESTIONS
        ]
        return [Pair(*question, text_of(a), text_of(a)) for question, a in zip(QUESTIONS, texts, strict=True)]

    found = at_once(reach, [(one.name, partial(asked, one)) for one in judges])
    return {str(one): pairs for one, pairs in zip(judges, found, strict=True)}


def _pair(scene: Scene, reach: Reach, judge: Endpoint, prompt: str, known: str) -> Pair:
    assert scene.proxy is not None
    what = completion(scene.served_name, prompt, FIRST_TOKENS)
    answers = {one.name: post(scene, reach, one, what) for one in (scene.proxy, judge)}
    insist([f"{name}: {why}" for name, answer in answers.items() if (why := wrong(answer))])
    through, direct = answers.values()
    return Pair(prompt, known, text_of(through), text_of(direct))
