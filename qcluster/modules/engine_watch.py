"""Watch every engine of the deployment start, live, and tell the first one that failed from those it took with it.

One streaming command a host; a slice ends after some seconds, so that Ctrl-C and lost connections are handled between
two. Source: issue 6, Start watcher; vllm-ascend#2248 (the first rank that fails is on another host).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from qcluster.diagnose.starts import Board, Target, explain
from qcluster.events import Progress
from qcluster.facts import http
from qcluster.modules.asking import at_once
from qcluster.modules.attend import Attendance
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.streams import note

QUIET_SECONDS = 30.0
"""After so long without a word a person wants to know who is waited for."""
NAMED = 4
"""So many are named then."""


class EngineWatch:
    spec = Spec(
        {
            "timeout": Option("int", default=3600, help="Seconds until every engine must be up."),
            "stall": Option(
                "int",
                default=0,
                help="Seconds without progress after which a start counts as stalled; 0: as each milestone may take.",
            ),
            "slice": Option("int", default=15, help="Seconds that one following command lasts."),
            "home": Option("dict", required=True, help="Host → the deployment's folder on it."),
        },
        help="Wait until every engine is up (run_once); a dead one ends the wait at once.",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        # of hosts outside of this run nothing is known: their part of the plan is not bound, their logs are elsewhere
        mine = tuple(one for one in targets(call) if one.host in reach.play_hosts)
        return wait(mine, reach, int(call.args["timeout"]), int(call.args["slice"]), float(call.args["stall"]))


def wait(wanted: tuple[Target, ...], reach: Reach, timeout: int, span: int = 15, stall: float = 0.0) -> Report:
    """Until all of `wanted` are up and healthy, or one has failed; times in seconds, as the module's options."""
    board = Board(wanted, reach.clock(), stall)
    with Attendance(board.targets, reach, span) as attendance:
        ended = _attend(board, attendance, reach, reach.clock() + timeout)
    if ended:
        return Report(failed=ended, values=board.values())
    if board.up_before and len(board.up_before) < len(wanted):
        note(reach, "engines", f"{len(board.up_before)} of {len(wanted)} were up already")
    failed = explain(board) if board.failures else "\n".join(unhealthy(board, reach))
    return Report(failed=failed, values=board.values())


def targets(call: Call) -> tuple[Target, ...]:
    """Every engine of the plan whose host takes part."""
    plan = call.variables["qcluster_plan"]
    native = {box["name"] for host in plan["hosts"] for box in host["containers"] if box["runtime"] == "host"}
    homes = call.args["home"]
    return tuple(
        Target(
            name=one["name"],
            host=one["host"],
            address=one["address"],
            port=one["port"],
            log=one["log"],
            run_dir=f"{homes[one['host']]}/{one['container']}/run",
            container="" if one["container"] in native else one["container"],
            pulls_down=bool(plan["model"]["moe"]) or "--nnodes" in one["argv"],
            workers_only=one["port"] is None and "--nnodes" in one["argv"],
        )
        for one in plan["instances"]
        if one["host"] in homes
    )


def _attend(board: Board, attendance: Attendance, reach: Reach, deadline: float) -> str:
    """Until everything is up or something failed. Returns why it gave up, or an empty text."""
    grace, quiet_since = float("inf"), reach.clock()
    while not board.complete:
        now = reach.clock()
        if reach.cancelled():
            return "interrupted; the engines go on starting"
        if now > min(deadline, grace):
            return "" if board.failures else f"not up in time: {board.late()}"
        quiet_since = reach.clock() if _hear(board, attendance, reach) else still_waiting(board, reach, quiet_since)
        if board.failures and grace == float("inf"):
            attendance.stop()
            grace = now + board.GRACE
        if attendance.over and not board.complete:
            return "" if board.failures else f"nothing left to follow, and not up: {', '.join(board.waiting)}"
    return ""


def _hear(board: Board, attendance: Attendance, reach: Reach) -> bool:
    """Take what happened, and tell it. Whether there was anything to tell."""
    told: list[str] = []
    for news in attendance.take(0.5):
        if news.kind == "retry":
            text = f"{news.text}; tried again, what starts there goes on"
            reach.emit(Progress(reach.clock(), news.host, news.host, "finding", text))
        for moved in board.apply(news, reach.clock()):
            _tell(board, moved, reach)
            told.append(moved)
    for name, text in board.stalls(reach.clock()):
        told.append(name)
        reach.emit(Progress(reach.clock(), board.target(name).host, name, "finding", text))
    return bool(told)


def still_waiting(board: Board, reach: Reach, since: float) -> float:
    """Who is waited for, when nothing was told since `since` for too long. From when on it is quiet."""
    now = reach.clock()
    if now - since < QUIET_SECONDS or not board.waiting:
        return since
    places = [f"{name} (`{board.positions[name].text}`)" for name in board.waiting[:NAMED]]
    more = f" and {len(board.waiting) - NAMED} more" if len(board.waiting) > NAMED else ""
    note(reach, "engines", f"still starting: {', '.join(places)}{more}")
    return now


def _tell(board: Board, name: str, reach: Reach) -> None:
    position = board.positions[name]
    data: dict[str, Any] = {"milestone": position.milestone.id}
    host, now = board.target(name).host, reach.clock()
    reach.emit(
        Progress(
            now, host, name, "milestone", position.text, float(position.done), float(position.total), "shards", data
        )
    )


def unhealthy(board: Board, reach: Reach, attempts: int = 5) -> list[str]:
    """Engines that say they are up and do not answer `/health` with 200, all asked at once."""
    asked = [target for target in board.targets if target.port is not None]
    answers = at_once(reach, [(target.name, partial(health, reach, target, attempts)) for target in asked])
    return [
        f"{target.name}: /health on {target.address}:{target.port} says {answer.status or answer.error}; "
        f"`qcluster logs {target.name}` may tell why, then `qcluster restart {target.name}`"
        for target, answer in zip(asked, answers, strict=True)
        if answer.status != 200
    ]


def health(reach: Reach, target: Target, attempts: int) -> http.Answer:
    assert target.port is not None
    answer = http.Answer(0, error="not asked")
    for attempt in range(attempts):
        if attempt:
            reach.sleep(1.0)
        request = http.Request(target.address, target.port, "/health", timeout=10)
        answer = http.ask(reach.fleet[target.host].open_tcp, request)
        if answer.status == 200:
            break
    return answer


engine_watch = EngineWatch()
