"""What a request asks the simulated model to go on with, as one text."""

from __future__ import annotations

from typing import Any

from qcluster.lab.tools.httpd import document


class Refused(Exception):
    """A request that is answered with an error in OpenAI's form."""

    def __init__(self, message: str, kind: str, code: int):
        super().__init__(message)
        self.response = document({"error": {"message": message, "type": kind, "param": None, "code": code}}, code)


def completion_prompt(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        prompt = " ".join(str(part) for part in prompt)
    if not isinstance(prompt, str) or not prompt:
        raise Refused("Either prompt or prompt_embeds must be provided and non-empty.", "BadRequestError", 400)
    return prompt


def chat_prompt(body: dict[str, Any]) -> str:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("messages must not be empty", "BadRequestError", 400)
    return "\n".join(f"{message.get('role', 'user')}: {_content(message.get('content'))}" for message in messages)


def _content(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(part.get("text", "")) for part in value)
    return str(value or "")
