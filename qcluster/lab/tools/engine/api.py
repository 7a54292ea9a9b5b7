"""The engine's HTTP API: the OpenAI paths, health, metrics, and the KV transfer parameters of both sides."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from qcluster.lab.tools import here
from qcluster.lab.tools.engine import console, text, transfer
from qcluster.lab.tools.engine.counters import Counters, Ticket
from qcluster.lab.tools.engine.prompts import Refused, chat_prompt, completion_prompt
from qcluster.lab.tools.engine.startup import Engine
from qcluster.lab.tools.httpd import Request, Response, document

ROUTES = [
    "/health",
    "/load",
    "/ping",
    "/version",
    "/metrics",
    "/tokenize",
    "/v1/models",
    "/v1/completions",
    "/v1/chat/completions",
]

FIRST_TOKEN, NEXT_TOKEN = 0.02, 0.002
"""Seconds that a simulated answer takes, so that concurrent requests overlap as they would."""


class Job(NamedTuple):
    """One request to generate, checked."""

    chat: bool
    model: str
    prompt: str
    limit: int
    least: int
    stream: bool
    usage: bool
    params: dict[str, Any]
    ident: str


class Answered(NamedTuple):
    """What a job is going to be answered with. `remote`: its KV came from a prefill node."""

    ticket: Ticket
    job: Job
    pieces: list[str]
    reason: str
    remote: bool


class Api:
    def __init__(self, engine: Engine, keys: list[str]):
        self.engine, self.keys = engine, keys
        options = engine.options
        self.counters = Counters(options.names[0], options.longest, options.kv_tokens)

    def __call__(self, request: Request) -> Response:
        try:
            response = self._route(request)
        except Refused as refused:
            response = refused.response
        who = f'INFO:     {here.address()}:0 - "{request.method} {request.path} HTTP/1.1" {response.status}'
        if request.path not in ("/health", "/metrics"):
            console.raw(who)
        return response

    def _route(self, request: Request) -> Response:
        if request.path.startswith("/v1") and not self._allowed(request):
            return document({"error": "Unauthorized"}, 401)
        simple = {
            "/health": self._health,
            "/ping": self._health,
            "/load": lambda: document({"server_load": self.counters.running}),
            "/version": lambda: document(
                {"version": ".".join(map(str, self.engine.options.version)), "lab": here.SIMULATION}
            ),
            "/metrics": lambda: Response(
                200, self.counters.text().encode(), "text/plain; version=0.0.4; charset=utf-8"
            ),
            "/v1/models": self._models,
        }
        if request.path in simple:
            return simple[request.path]()
        if request.path in ("/v1/completions", "/v1/chat/completions", "/tokenize"):
            return self._post(request)
        return document({"detail": "Not Found"}, 404)

    def _allowed(self, request: Request) -> bool:
        return not self.keys or request.headers.get("authorization", "").removeprefix("Bearer ") in self.keys

    def _health(self) -> Response:
        sick = self.engine.workers.dead.is_set() or here.fault("engine-sick", *self.engine.keys) is not None
        return Response(503 if sick else 200, b"")

    def _models(self) -> Response:
        options = self.engine.options
        limit = options.longest
        row = {
            "object": "model",
            "created": 1780971952,
            "owned_by": "vllm",
            "root": options.model.path,
            "max_model_len": limit,
        }
        return document({"object": "list", "data": [{"id": name, **row} for name in options.names]})

    def _post(self, request: Request) -> Response:
        if request.method != "POST":
            return document({"detail": "Method Not Allowed"}, 405)
        try:
            body = request.json()
        except ValueError as error:
            raise Refused(f"JSON decode error: {error}", "BadRequestError", 400) from error
        if request.path == "/tokenize":
            pieces = text.tokens(str(body.get("prompt", "")))
            return document(
                {
                    "count": len(pieces),
                    "max_model_len": self.engine.options.model.max_len,
                    "tokens": list(range(len(pieces))),
                }
            )
        return self._generate(self._job(request, body))

    def _job(self, request: Request, body: dict[str, Any]) -> Job:
        options = self.engine.options
        chat = request.path.endswith("chat/completions")
        model = str(body.get("model", options.names[0]))
        if model not in options.names:
            raise Refused(f"The model `{model}` does not exist.", "NotFoundError", 404)
        prompt = chat_prompt(body) if chat else completion_prompt(body)
        asked = body.get("max_completion_tokens", body.get("max_tokens")) if chat else body.get("max_tokens", 16)
        longest = options.longest
        used = len(text.tokens(prompt))
        if used + int(asked or 1) > longest:
            raise Refused(
                f"'max_tokens' or 'max_completion_tokens' is too large: {asked}. This model's maximum context length "
                f"is {longest} tokens and your request has {used} input tokens ({asked} > {longest} - {used}).",
                "BadRequestError",
                400,
            )
        return Job(
            chat=chat,
            model=model,
            prompt=prompt,
            limit=int(asked) if asked is not None else longest - used,
            least=int((body.get("max_tokens") or 0) if body.get("ignore_eos") else body.get("min_tokens", 0)),
            stream=bool(body.get("stream")),
            usage=bool((body.get("stream_options") or {}).get("include_usage")),
            params=body.get("kv_transfer_params") or {},
            ident=request.headers.get("x-request-id") or secrets.token_hex(16),
        )

    def _generate(self, job: Job) -> Response:
        ticket = self.counters.begin(len(text.tokens(job.prompt)))
        try:
            self._hang()
            time.sleep(FIRST_TOKEN)
            remote, sound = self._kv(job)
            pieces, reason = text.answer(job.prompt, job.limit, job.least) if sound else text.garbage(job.limit)
        except BaseException:
            self.counters.end(ticket)
            raise
        produced = self._produced(Answered(ticket, job, pieces, reason, remote))
        if job.stream:
            return Response(200, kind="text/event-stream; charset=utf-8", stream=self._events(job, produced, reason))
        return document(self._whole(job, [piece for piece, _ in produced], reason))

    def _produced(self, answered: Answered) -> Iterator[tuple[str, bool]]:
        """Each piece when it is there, and whether it is the last; then the request counts as served."""
        ticket, pieces = answered.ticket, answered.pieces
        try:
            for at, piece in enumerate(pieces):
                time.sleep(NEXT_TOKEN if at and answered.job.stream else 0)
                ticket.token()
                last = at == len(pieces) - 1
                if last:
                    self.counters.served(ticket, answered.reason, answered.remote, answered.job.limit)
                yield piece, last
        finally:
            self.counters.end(ticket)

    def _hang(self) -> None:
        """Health stays 200 while nothing comes: a stuck collective, or a lost rank of the group."""
        if self.engine.group.lost.is_set() or here.fault("engine-hangs", *self.engine.keys) is not None:
            console.info(
                "No available shared memory broadcast block found in 60 seconds.",
                "shm_broadcast.py:466",
                level="WARNING",
            )
            time.sleep(3600)

    def _kv(self, job: Job) -> tuple[bool, bool]:
        """Whether the prompt's KV came from a prefill node, and whether it is sound."""
        sound = here.fault("garbage", *self.engine.keys) is None
        try:
            return self._moved(job, sound)
        except transfer.TransferFailed as failed:
            console.error(str(failed), "Worker_TP0")
            raise Refused(
                "EngineCore encountered an issue. See stack trace (above) for the root cause.",
                "InternalServerError",
                500,
            ) from failed

    def _moved(self, job: Job, sound: bool) -> tuple[bool, bool]:
        """Fetched by a decode node, or, with the layerwise connector, asked for by it and sent by the prefill node."""
        consumer = self.engine.options.role in ("kv_consumer", "kv_both")
        if self.engine.layerwise and job.params.get("do_remote_decode"):
            transfer.push(job.params)
        if not (consumer and job.params.get("do_remote_prefill")):
            return False, sound
        if self.engine.receiver:
            ident = f"chatcmpl-{job.ident}" if job.chat else f"cmpl-{job.ident}-0"
            return True, self.engine.receiver.fetch(str(job.params["metaserver"]), ident) and sound
        return True, transfer.fetch(job.params) and sound

    def _whole(self, job: Job, pieces: list[str], reason: str) -> dict[str, Any]:
        words = "".join(pieces)
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": reason, "stop_reason": None}
        if job.chat:
            choice["message"] = {
                "role": "assistant",
                "content": words.strip(),
                "reasoning_content": None,
                "tool_calls": [],
            }
        else:
            choice["text"] = words
        return {
            **_head(job),
            "choices": [choice],
            "usage": _usage(job, pieces),
            "kv_transfer_params": self._params(job),
        }

    def _params(self, job: Job) -> dict[str, Any] | None:
        """A prefill node hands out where its KV cache lies, and only when it was asked for it."""
        if self.engine.producer is None or not job.params.get("do_remote_decode"):
            return None
        return self.engine.producer.keep(job.prompt, len(text.tokens(job.prompt)))

    def _events(self, job: Job, produced: Iterator[tuple[str, bool]], reason: str) -> Iterator[bytes]:
        head = _head(job, chunk=True)
        pieces: list[str] = []
        for at, (piece, over) in enumerate(produced):
            pieces.append(piece)
            last = reason if over else None
            words = piece.lstrip() if job.chat and at == 0 else piece
            delta: dict[str, Any] = {"delta": {"content": words}} if job.chat else {"text": words}
            if job.chat and at == 0:
                delta["delta"]["role"] = "assistant"
            yield _event({**head, "choices": [{"index": 0, **delta, "logprobs": None, "finish_reason": last}]})
        if job.usage:
            yield _event({**head, "choices": [], "usage": _usage(job, pieces)})
        yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _head(job: Job, chunk: bool = False) -> dict[str, Any]:
    kind = "chat.completion" + (".chunk" if chunk else "") if job.chat else "text_completion"
    return {"id": f"{'chatcmpl' if job.chat else 'cmpl'}-{job.ident}", "object": kind} | {
        "created": int(time.time()),
        "model": job.model,
    }


def _usage(job: Job, pieces: list[str]) -> dict[str, int]:
    prompt = len(text.tokens(job.prompt))
    return {"prompt_tokens": prompt, "total_tokens": prompt + len(pieces), "completion_tokens": len(pieces)}
