"""get_url: a file from the web to the host, with the host's curl or wget; else through the controller."""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from qcluster.command import Command, Put
from qcluster.errors import TaskFailed
from qcluster.facts.files import File, Look, look
from qcluster.modules import attributes, content
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.uri import WEB_OPTIONS, request_of
from qcluster.modules.web import Request, fetch
from qcluster.result import Outcome

NO_TOOL = 99
DOWNLOAD = r"""
url=$1 new=$2 old=$3 timeout=$4 insecure=$5
if command -v curl >/dev/null 2>&1; then
  # Headers come as curl's own configuration over stdin: they may hold keys.
  curl -K - -sSL --connect-timeout "$timeout" ${insecure:+-k} ${old:+-z "$old"} -o "$new" -w '%{http_code}' -- "$url"
elif command -v wget >/dev/null 2>&1 && ! grep -q .; then
  wget -q --connect-timeout="$timeout" ${insecure:+--no-check-certificate} -O "$new" -- "$url" && printf 200
else
  exit 99
fi
"""


@dataclass(frozen=True)
class Got:
    """How the download went. `status` 304: the host's file is as new; -1: nothing came back."""

    status: int
    reason: str = ""


class GetUrl:
    """Ansible's `get_url`."""

    supports_check = True
    spec = Spec(
        {
            **WEB_OPTIONS,
            "dest": Option("path", required=True),
            "checksum": Option(default="", help="ALGORITHM:HEX; what differs is not put in place."),
            "timeout": Option("int", default=10),
            "backup": Option("bool", default=False),
            **attributes.OPTIONS,
        },
        help="Download a file to the host.",
    )

    def run(self, call: Call, reach: Reach) -> Report:
        algorithm, wanted = _checksum(call.args["checksum"])
        seen = _look(call, reach, algorithm)
        dest = seen.files[1] if seen.file.is_directory else seen.file
        values = {"dest": dest.path, "url": call.args["url"], "checksum_src": None, "checksum_dest": None, "elapsed": 0}
        if not dest.has_parent:
            return Report(failed=f"Destination {posixpath.dirname(dest.path)} does not exist", values=values)
        if dest.exists and wanted and dest.checksum == wanted and not call.args["force"]:
            return _settled(call, reach, dest, seen, {**values, "msg": "file already exists"})
        if call.check:
            return Report(changed=True, values=values)
        return _downloaded(call, reach, _Place(dest, seen, algorithm, wanted), values)


@dataclass(frozen=True)
class _Place:
    dest: File
    seen: Look
    algorithm: str
    wanted: str

    @property
    def new(self) -> str:
        return f"{self.dest.path}.qcluster-new"


def _checksum(text: str) -> tuple[str, str]:
    if not text:
        return "sha1", ""
    algorithm, colon, value = text.partition(":")
    value = re.sub(r"\W+", "", value).lower()
    if not colon or algorithm not in hashlib.algorithms_available:
        raise TaskFailed("The checksum parameter has to be in format <algorithm>:<checksum>")
    if not re.fullmatch(r"[0-9a-f]+", value):
        raise TaskFailed("The checksum format is invalid")
    return algorithm, value


def _look(call: Call, reach: Reach, algorithm: str) -> Look:
    args = call.args
    name = posixpath.basename(urlsplit(args["url"]).path) or "index.html"
    fact = look(
        args["dest"], posixpath.join(args["dest"], name),
        checksum=algorithm, owner=args["owner"] or "", group=args["group"] or "",
    )  # fmt: skip
    return fact.parse(reach.transport.run(fact.command))


def _downloaded(call: Call, reach: Reach, place: _Place, values: dict[str, Any]) -> Report:
    start = reach.clock()
    got = _get(call, reach, place)
    values |= {"elapsed": int(reach.clock() - start), "status_code": got.status}
    if got.status == 304:
        return _settled(call, reach, place.dest, place.seen, {**values, "msg": "HTTP Error 304: Not Modified"})
    if not 200 <= got.status < 300:
        _do(reach, Command(("rm", "-f", "--", place.new)))
        return Report(failed="Request failed", values={**values, "response": got.reason, "msg": "Request failed"})
    return _placed(call, reach, place, values)


def _get(call: Call, reach: Reach, place: _Place) -> Got:
    request = request_of(replace(call, args={**_GET, **call.args}))
    old = place.dest.path if place.dest.exists and not call.args["force"] and not place.wanted else ""
    args = (request.url, place.new, old, str(call.args["timeout"]), "" if request.verify else "yes")
    outcome = reach.transport.run(Command(("sh", "-c", DOWNLOAD, "sh", *args), stdin=_configuration(request)))
    if outcome.exit == NO_TOOL:
        return _through(reach, request, place)
    status = int(outcome.out) if outcome.out.isdigit() and outcome.ok else -1
    reason = f"HTTP Error {status}" if status > 0 else f"Request failed: {outcome.err.strip()}"
    return Got(status, reason)


_GET = {"body": None, "body_format": "raw", "src": None, "method": "GET", "follow_redirects": "all"}


def _configuration(request: Request) -> bytes:
    quoted = (f"{name}: {value}".replace("\\", "\\\\").replace('"', '\\"') for name, value in request.headers.items())
    return "".join(f'header = "{line}"\n' for line in quoted).encode()


def _through(reach: Reach, request: Request, place: _Place) -> Got:
    """Neither tool is there: the controller fetches over the host's connection and writes the file."""
    response = fetch(reach.transport.open_tcp, request)
    if 200 <= response.status < 300:
        _do(reach, Put(place.new, response.body, 0o600))
    return Got(response.status, response.reason)


def _placed(call: Call, reach: Reach, place: _Place, values: dict[str, Any]) -> Report:
    dest, seen, new = place.dest, place.seen, _new(reach, place)
    if place.wanted and new.checksum != place.wanted:
        _do(reach, Command(("rm", "-f", "--", place.new)))
        wrong = f"The checksum for {place.new} did not match {place.wanted}; it was {new.checksum}."
        return Report(failed=wrong, values=values)
    sum_of_new = _sha1(reach, new, place.algorithm)
    if dest.exists and new.checksum == dest.checksum:
        _do(reach, Command(("rm", "-f", "--", place.new)))
        sums = {"checksum_src": sum_of_new, "checksum_dest": sum_of_new}
        return _settled(call, reach, dest, seen, {**values, **sums})
    kept = _kept(call, reach, dest)
    base = attributes.present(dest) if dest.exists else attributes.fresh(seen)
    after = attributes.wanted(call.args, base, seen)
    change = attributes.Change(place.new, attributes.present(new), after)
    move = Command(("mv", "-fT", "--", place.new, dest.path))
    for step in attributes.together((*attributes.steps(change), move)):
        _do(reach, step)
    described = attributes.values(after, "file", new.size)
    return Report(changed=True, values={**values, "checksum_src": sum_of_new, **described, **kept, "msg": "OK"})


def _new(reach: Reach, place: _Place) -> File:
    fact = look(place.new, checksum=place.algorithm)
    return fact.parse(reach.transport.run(fact.command)).file


def _sha1(reach: Reach, file: File, algorithm: str) -> str | None:
    """What Ansible shows of a file, whatever algorithm the task names."""
    if algorithm == "sha1" or not file.exists:
        return file.checksum
    fact = look(file.path)
    return fact.parse(reach.transport.run(fact.command)).file.checksum


def _kept(call: Call, reach: Reach, dest: File) -> dict[str, Any]:
    if not call.args["backup"] or not dest.exists:
        return {}
    return {"backup_file": _do(reach, content.backup(dest.path)).out}


def _settled(call: Call, reach: Reach, dest: File, seen: Look, values: dict[str, Any]) -> Report:
    base = attributes.present(dest)
    after = attributes.wanted(call.args, base, seen)
    steps = attributes.steps(attributes.Change(dest.path, base, after))
    for step in () if call.check else steps:
        _do(reach, step)
    return Report(changed=bool(steps), values={**values, **attributes.values(after, dest.state, dest.size)})


def _do(reach: Reach, step: Command | Put) -> Outcome:
    outcome = reach.transport.put(step) if isinstance(step, Put) else reach.transport.run(step)
    if not outcome.ok:
        raise TaskFailed(outcome.err.strip() or f"exit code {outcome.exit}")
    return outcome


get_url = GetUrl()
