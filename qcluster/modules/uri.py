"""uri: one HTTP request, as the host would make it. It goes from the controller through the host's connection."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urljoin

from qcluster.command import Put
from qcluster.errors import TaskFailed
from qcluster.facts.files import Look, look
from qcluster.modules import attributes, content
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.content import Page
from qcluster.modules.convert import plain
from qcluster.modules.web import Request, Response, fetch
from qcluster.secret import Secret
from qcluster.transport.base import Transport

WEB_OPTIONS = {
    "url": Option(required=True),
    "url_username": Option(aliases=("user", "username")),
    "url_password": Option("raw", no_log=True, aliases=("password",)),
    "force_basic_auth": Option("bool", default=False),
    "headers": Option("dict", default={}, no_log=True),
    "validate_certs": Option("bool", default=True),
    "use_proxy": Option("bool", default=True),
    "force": Option("bool", default=False),
}
_FORMATS = {"json": "application/json", "form-urlencoded": "application/x-www-form-urlencoded"}


class Uri:
    """Ansible's `uri`."""

    supports_check = False
    spec = Spec(
        {
            **WEB_OPTIONS,
            "method": Option(default="GET"),
            "body": Option("raw"),
            "body_format": Option(default="raw", choices=("raw", *_FORMATS)),
            "src": Option("path", help="A file of the controller to send."),
            "dest": Option("path", help="A file of the host to write the answer to."),
            "return_content": Option("bool", default=False),
            "follow_redirects": Option(default="safe", choices=("all", "no", "none", "safe", "urllib2", "yes")),
            "status_code": Option("list", elements="int", default=(200,)),
            "timeout": Option("int", default=30),
            "creates": Option("path"),
            "removes": Option("path"),
            **attributes.OPTIONS,
        },
        mutually_exclusive=(("body", "src"),),
        help="Make one HTTP request from the host.",
    )

    def run(self, call: Call, reach: Reach) -> Report:
        reason = _needless(call, reach.transport)
        if reason:
            return Report(values={"stdout": reason, "stdout_lines": [reason]})
        start = reach.clock()
        response = fetch(reach.transport.open_tcp, request_of(call))
        values = _values(call, response, int(reach.clock() - start))
        if response.status not in call.args["status_code"]:
            msg = f"Status code was {response.status} and not {list(call.args['status_code'])}: {values['msg']}"
            return Report(failed=msg, values={**values, "msg": msg})
        return _saved(call, reach.transport, response, values)


def _needless(call: Call, transport: Transport) -> str:
    created, removed = (call.args[name] or "" for name in ("creates", "removes"))
    if not created and not removed:
        return ""
    fact = look(created, removed, checksum="")
    there = fact.parse(transport.run(fact.command)).files
    if created and there[0].exists:
        return f"skipped, since '{there[0].path}' exists"
    return f"skipped, since '{there[1].path}' does not exist" if removed and not there[1].exists else ""


def request_of(call: Call) -> Request:
    args = call.args
    headers = {str(name): plain(value) for name, value in (args["headers"] or {}).items()}
    if args["url_username"] and "authorization" not in map(str.lower, headers):
        pair = f"{args['url_username']}:{plain(args['url_password'] or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    body, kind = _body(call)
    if kind and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = kind
    return Request(
        args["url"], args["method"].upper(), headers, body, args["timeout"], args["validate_certs"],
        args["follow_redirects"],
    )  # fmt: skip


def _body(call: Call) -> tuple[bytes | None, str]:
    body, kind = call.args["body"], call.args["body_format"]
    if call.args["src"]:
        return call.find("files", call.args["src"]).read_bytes(), ""
    if kind == "json" and body is not None:
        return _text(body if isinstance(body, str) else json.dumps(body)), _FORMATS[kind]
    if kind == "form-urlencoded" and body is not None:
        return _text(body if isinstance(body, str) else _form(body)), _FORMATS[kind]
    return (None if body is None else _text(body if isinstance(body, (str, Secret)) else json.dumps(body))), ""


def _form(body: Any) -> str:
    pairs = body.items() if isinstance(body, Mapping) else body
    return urlencode([(name, value) for name, value in pairs if value is not None], doseq=True)


def _text(value: Any) -> bytes:
    return plain(value).encode()


def _values(call: Call, response: Response, elapsed: int) -> dict[str, Any]:
    """In Ansible's names: the headers in lower case with underscores, beside the rest."""
    headers = {name.lower().replace("-", "_"): value for name, value in response.headers.items()}
    values: dict[str, Any] = {
        **headers, "url": response.url, "redirected": response.url != call.args["url"], "status": response.status,
        "elapsed": elapsed, "msg": _message(response), "cookies": dict(response.cookies),
        "cookies_string": "; ".join(f"{name}={value}" for name, value in response.cookies.items()),
    }  # fmt: skip
    if "location" in values:
        values["location"] = urljoin(response.url, values["location"])
    text = response.body.decode("utf-8", "replace")
    if call.args["return_content"]:
        values["content"] = text
    if "json" in headers.get("content_type", "") or "javascript" in headers.get("content_type", ""):
        values |= _json(text)
    return values


def _message(response: Response) -> str:
    if response.status < 0:
        return response.reason
    if response.status >= 300:
        return f"HTTP Error {response.status}: {response.reason}"
    return f"OK ({response.headers.get('Content-Length', 'unknown')} bytes)"


def _json(text: str) -> dict[str, Any]:
    try:
        return {"json": json.loads(text)}
    except ValueError:
        return {}


def _saved(call: Call, transport: Transport, response: Response, values: dict[str, Any]) -> Report:
    if not call.args["dest"] or response.status == 304:
        return Report(values=values)
    fact = look(call.args["dest"], owner=call.args["owner"] or "", group=call.args["group"] or "")
    return _written(call, transport, response.body, fact.parse(transport.run(fact.command)), values)


def _written(call: Call, transport: Transport, body: bytes, seen: Look, values: dict[str, Any]) -> Report:
    """Ansible calls every saved answer a change."""
    page = Page(seen.file.path, body, call.args, seen.file, seen)
    writing = content.write(page)
    for step in writing.steps:
        outcome = transport.put(step) if isinstance(step, Put) else transport.run(step)
        if not outcome.ok:
            raise TaskFailed(f"{page.path} cannot be written: {outcome.err.strip()}")
    named = {name: value for name, value in writing.values.items() if name not in ("dest", "checksum", "md5sum")}
    return Report(changed=True, values={**values, **named, "path": page.path})


uri = Uri()
