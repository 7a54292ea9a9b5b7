"""Nothing has changed since a proof that passed: one short request to each instance and to the proxy, all at once.

What the whole proof does besides is about what a start can break: which instance the proxy sends to, and whether the
KV cache that decode gets is the one that prefill made. Where anything is in doubt here, the whole proof is done.
"""

from __future__ import annotations

from functools import partial

from qcluster.diagnose.proof import FIRST_TOKENS, QUESTIONS, Ask, Pair, completion, suspicion, text_of, wrong
from qcluster.facts.fact import ask
from qcluster.facts.proven import Proof, last_proof
from qcluster.modules.asking import Endpoint, Scene, at_once, post
from qcluster.modules.base import Reach


def passed_before(scene: Scene, reach: Reach) -> Proof | None:
    """The last proof of the whole deployment, where it passed."""
    first = scene.plan["hosts"][0]
    proof = ask(reach.fleet[first["name"]].run, last_proof(first["state_dir"]))
    return proof if proof and not proof.why else None


def in_doubt(scene: Scene, reach: Reach) -> bool:
    """Whether anybody does not answer, or answers what makes no sense."""
    places = (*scene.instances, *filter(None, [scene.proxy]))
    asked = [(one.name, partial(post, scene, reach, one, _question(scene, one), scene.first)) for one in places]
    answers = at_once(reach, asked)
    if any(wrong(answer) for answer in answers):
        return True
    texts = {one.name: text_of(answer) for one, answer in zip(places, answers, strict=True)}
    judges = [texts[one.name] for one in scene.of("decode", "standalone")]
    through = [texts[scene.proxy.name]] if scene.proxy else judges
    pairs = [Pair(*QUESTIONS[0], text, judges[0] if scene.proxy and judges else text) for text in through]
    return any(suspicion([pair], scene.sense) for pair in pairs)


def _question(scene: Scene, one: Endpoint) -> Ask:
    return completion(scene.served_name, QUESTIONS[0][0], 1 if one.role == "prefill" else FIRST_TOKENS)


def sentence(scene: Scene, proof: Proof) -> str:
    """What was found, for people."""
    count = len(scene.instances)
    who = f"{count} instance{'s' if count > 1 else ''}{' and the proxy' if scene.proxy else ''}"
    alone = count == 1 and not scene.proxy
    return f"{who} answer{'s' if alone else ''} as before; nothing has changed since the last proof, {proof}"
