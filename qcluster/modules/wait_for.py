"""wait_for: a port, a path or a text in either; or just some time. Ports are tried from the host."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Any

from qcluster.errors import TaskFailed
from qcluster.facts.files import File, look
from qcluster.facts.sockets import connections
from qcluster.modules import attributes
from qcluster.modules.base import Call, Option, Reach, Report, Spec

_STATES = ("ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "SYN_RECV", "SYN_SENT", "TIME_WAIT")


class WaitFor:
    """Ansible's `wait_for`."""

    supports_check = False
    spec = Spec(
        {
            "host": Option(default="127.0.0.1", help="As seen from the host."),
            "port": Option("int"),
            "path": Option("path"),
            "search_regex": Option(help="In the file, or in what the port sends."),
            "state": Option(default="started", choices=("absent", "drained", "present", "started", "stopped")),
            "timeout": Option("int", default=300),
            "connect_timeout": Option("int", default=5),
            "delay": Option("int", default=0),
            "sleep": Option("int", default=1, help="Seconds between two looks."),
            "active_connection_states": Option("list", elements="str", default=_STATES),
            "exclude_hosts": Option("list", elements="str"),
            "msg": Option(help="What to say instead when time is up."),
        },
        mutually_exclusive=(("port", "path"),),
        help="Wait for a port, a path or a text.",
    )

    def run(self, call: Call, reach: Reach) -> Report:
        args, start = call.args, reach.clock()
        _refuse(args)
        _wait(reach, args["delay"])
        watch = Watch(args, reach, start + args["timeout"])
        if not args["port"] and not args["path"]:
            _wait(reach, args["timeout"])
            return _report(args, reach.clock() - start, {})
        found = watch.until_held()
        elapsed = reach.clock() - start
        if found is None:
            return Report(failed=args["msg"] or _too_late(args), values={"elapsed": int(elapsed)})
        return _report(args, elapsed, found)


def _refuse(args: Any) -> None:
    if args["path"] and args["state"] in ("stopped", "drained"):
        raise TaskFailed(f"state={args['state']} should only be used for checking a port in the wait_for module")
    if args["exclude_hosts"] is not None and args["state"] != "drained":
        raise TaskFailed("exclude_hosts should only be with state=drained")
    if args["search_regex"] is not None:
        try:
            re.compile(args["search_regex"])
        except re.error as error:
            raise TaskFailed(f"Invalid regular expression: {error}") from None


@dataclass(frozen=True)
class Watch:
    """Looks again and again; `end` is on the run's clock. What holds comes with the groups of the expression."""

    args: Any
    reach: Reach
    end: float

    def until_held(self) -> dict[str, Any] | None:
        while self.reach.clock() < self.end and not self.reach.cancelled():
            held = self._held()
            if held is not None:
                return held
            self.reach.sleep(self.args["sleep"])
        return None

    def _held(self) -> dict[str, Any] | None:
        state = self.args["state"]
        if state == "drained":
            return None if self._open_connections() else {}
        found = self._path() if self.args["path"] else self._port()
        if state in ("absent", "stopped"):
            return {} if found is None else None
        return found

    def _path(self) -> dict[str, Any] | None:
        expression = self.args["search_regex"] if self.args["state"] in ("present", "started") else None
        fact = look(self.args["path"], checksum="", content=expression is not None)
        file = fact.parse(self.reach.transport.run(fact.command)).file
        if not file.exists or (file.is_link and file.followed is None):
            return None
        found = {} if expression is None else _searched(expression, file.content or b"")
        return found if found is None else {**found, **_described(file)}

    def _port(self) -> dict[str, Any] | None:
        timeout = min(self.args["connect_timeout"], max(1.0, self.end - self.reach.clock()))
        try:
            with self.reach.transport.open_tcp(self.args["host"], self.args["port"], timeout) as stream:
                expression = self.args["search_regex"] if self.args["state"] in ("present", "started") else None
                return {} if expression is None else self._heard(stream, expression)
        except OSError:
            return None

    def _heard(self, stream: socket.socket, expression: str) -> dict[str, Any] | None:
        said = b""
        while self.reach.clock() < self.end:
            stream.settimeout(max(0.1, self.end - self.reach.clock()))
            chunk = stream.recv(1024)
            said += chunk
            found = _searched(expression, said)
            if found is not None or not chunk:
                return found
        return None

    def _open_connections(self) -> bool:
        fact = connections()
        wanted = set(self.args["active_connection_states"])
        without = set(self.args["exclude_hosts"] or ())
        return any(
            one.port == self.args["port"] and one.state in wanted and one.peer not in without
            for one in fact.parse(self.reach.transport.run(fact.command))
        )


def _described(file: File) -> dict[str, Any]:
    """Ansible describes the file in every result that names a path, over the `state` that was waited for."""
    return attributes.values(attributes.present(file), file.state, file.size)


def _searched(expression: str, data: bytes) -> dict[str, Any] | None:
    match = re.search(expression.encode(), data, re.MULTILINE)
    if match is None:
        return None
    named = {name: value.decode("utf-8", "replace") for name, value in match.groupdict().items() if value is not None}
    groups = [(value or b"").decode("utf-8", "replace") for value in match.groups()]
    return {"match_groups": groups, "match_groupdict": named}


def _wait(reach: Reach, seconds: float) -> None:
    end = reach.clock() + seconds
    while (left := end - reach.clock()) > 0 and not reach.cancelled():
        reach.sleep(min(left, 0.5))


def _report(args: Any, elapsed: float, found: dict[str, Any]) -> Report:
    values = {
        "state": args["state"], "port": args["port"], "path": args["path"], "search_regex": args["search_regex"],
        "elapsed": int(elapsed), "match_groups": [], "match_groupdict": {}, **found,
    }  # fmt: skip
    return Report(values=values)


def _too_late(args: Any) -> str:
    where = f"{args['host']}:{args['port']}" if args["port"] else args["path"]
    if args["state"] == "drained":
        return f"Timeout when waiting for {where} to drain"
    if args["state"] in ("absent", "stopped"):
        return f"Timeout when waiting for {where} to {'stop' if args['port'] else 'be absent'}."
    if args["search_regex"]:
        return f"Timeout when waiting for search string {args['search_regex']} in {where}"
    return f"Timeout when waiting for {'' if args['port'] else 'file '}{where}"


wait_for = WaitFor()
