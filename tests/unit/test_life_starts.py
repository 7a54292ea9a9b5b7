"""The start-up picture: milestones, stalls, and who is the cause."""

from __future__ import annotations

import pytest

from qcluster.diagnose import milestones
from qcluster.diagnose.milestones import Position, advance, follow, stalled
from qcluster.diagnose.starts import Board, News, Target, cause, explain
from qcluster.events import Event, Progress
from qcluster.modules.base import Reach
from qcluster.modules.engine_watch import QUIET_SECONDS, still_waiting
from qcluster.transport.local import LocalTransport

START = """\
(APIServer pid=77) INFO 11-24 [utils.py:253] non-default args: {'port': 7100}
(EngineCore pid=90) INFO 11-24 [core.py:77] Initializing a V1 LLM engine (v0.23.0) with config: model='/w'
(Worker_TP0 pid=95) INFO 11-24 [parallel_state.py:1208] world_size=2 rank=0 local_rank=0 backend=hccl
(Worker_TP0 pid=95) INFO 11-24 [model_runner.py:1] Starting to load model /w...
(Worker_TP0 pid=95) Loading safetensors checkpoint shards:  25% Completed | 2/8 [00:10<00:30,  5.00s/it]
(Worker_TP0 pid=95) INFO 11-24 [default_loader.py:1] Loading weights took 61.02 seconds
(EngineCore pid=90) INFO 11-24 [kv_cache_utils.py:1] GPU KV cache size: 412,672 tokens
(EngineCore pid=90) INFO 11-24 [core.py:1] init engine (profile, create kv cache, warmup model) took 80.10 seconds
(Worker_TP0 pid=95) INFO KVCacheSendingThread started listening on path: tcp://10.0.0.1:36000. Thread: tp_rank=0
(APIServer pid=77) INFO 11-24 [api_server.py:1] Starting vLLM server on http://0.0.0.0:7100
(APIServer pid=77) INFO:     Application startup complete.
""".splitlines()


def test_a_start_passes_every_milestone_in_order() -> None:
    seen = []
    position = Position()
    for line in START:
        position = advance(position, line, 0.0)
        seen.append(position.milestone.id)
    assert seen == [
        "args", "engine", "world", "load", "weights", "loaded", "kv-cache", "ready-engine", "kv-thread", "routes",
        "complete",
    ]  # fmt: skip


@pytest.mark.parametrize("prefix", ["(APIServer pid=77) ", ""])
def test_the_last_line_counts_with_and_without_its_prefix(prefix: str) -> None:
    assert follow([f"{prefix}INFO:     Application startup complete."]).milestone is milestones.COMPLETE


def test_weights_are_counted() -> None:
    position = follow(START[:5])
    assert (position.done, position.total, position.text) == (2, 8, "weights 2/8")


def test_a_stall_names_the_place_and_the_remedy() -> None:
    position = advance(Position(), START[4], 100.0)
    assert stalled(position, 100.0 + position.milestone.patience) == ""
    told = stalled(position, 101.0 + position.milestone.patience)
    assert "weights 2/8" in told and "eager" in told
    assert stalled(position, 103.0, patience=3.0) == ""
    assert "no progress for 4 s after `weights 2/8`, where 3 s are enough: " in stalled(position, 104.0, patience=3.0)
    assert stalled(Position(milestones.COMPLETE), 1e6, patience=3.0) == ""


def target(name: str, host: str = "p1", port: int | None = 7100, container: str = "box") -> Target:
    return Target(name, host, "10.0.0.1", port, f"/logs/{name}.log", "/run", container)


def board(*names: str) -> Board:
    return Board([target(name, name.split("-")[0]) for name in names], 0.0)


def test_news_move_instances_and_the_last_completes() -> None:
    here = board("p1-0", "d1-0")
    assert here.apply(News("log", "p1-0", "p1", text="non-default args: {}\nInitializing a V1 LL"), 1.0) == ["p1-0"]
    assert here.apply(News("log", "p1-0", "p1", text="M engine (v1)\n"), 2.0) == ["p1-0"]
    assert here.positions["p1-0"].milestone.id == "engine", "a line may come in two pieces"
    here.apply(News("done", "p1-0", "p1"), 3.0)
    assert here.waiting == ["d1-0"]
    here.apply(News("done", "d1-0", "d1"), 3.0)
    assert here.complete and cause(here) is None


def test_of_what_was_up_before_no_start_is_told() -> None:
    here = board("p1-0", "d1-0")
    here.apply(News("log", "p1-0", "p1", text="non-default args: {}\n"), 1.0)
    assert here.apply(News("done", "p1-0", "p1"), 2.0) == ["p1-0"]
    assert here.apply(News("done", "d1-0", "d1"), 2.0) == []
    assert here.up_before == {"d1-0"} and here.complete


def test_the_hosts_of_what_failed_are_named_or_of_what_is_late() -> None:
    here = board("p1-0", "p1-1", "d1-0")
    here.apply(News("done", "p1-0", "p1"), 1.0)
    assert here.values()["hosts"] == ["p1", "d1"], "both have an engine that is not up"
    here.apply(News("exit", "d1-0", "d1", ("1", "0")), 2.0)
    assert here.values()["hosts"] == ["d1"]


def test_the_first_to_fail_by_age_is_the_cause_whatever_came_first() -> None:
    here = board("p1-0", "p1-1", "d1-0")
    here.apply(News("exit", "p1-0", "p1", ("1", "0")), 100.0)
    here.apply(News("exit", "d1-0", "d1", ("1", "7")), 100.5)
    found = cause(here)
    assert found is not None and found.name == "d1-0"
    told = explain(here)
    assert told.startswith("d1-0 on d1 ended with exit code 1")
    assert "not the cause: p1-0 on p1 stopped because d1-0 failed" in told
    assert "not the cause: p1-1 on p1 was at `started`" in told


def test_a_known_cause_goes_before_an_earlier_effect() -> None:
    here = board("p1-0", "p1-1")
    here.apply(News("log", "p1-0", "p1", text="ERROR Engine core proc EngineCore died unexpectedly\n"), 1.0)
    here.apply(News("log", "p1-1", "p1", text="zmq.error.ZMQError: Address already in use (addr='tcp://x:1')\n"), 1.0)
    here.apply(News("exit", "p1-0", "p1", ("1", "5")), 10.0)
    here.apply(News("exit", "p1-1", "p1", ("1", "1")), 10.0)
    found = cause(here)
    assert found is not None and found.name == "p1-1"
    assert "[kv-port-in-use]" in explain(here)


def test_the_last_lines_are_quoted_even_without_a_final_newline() -> None:
    here = board("p1-0")
    here.apply(News("log", "p1-0", "p1", text="one\ntwo"), 1.0)
    here.apply(News("exit", "p1-0", "p1", ("7", "0")), 2.0)
    assert "its last lines:\n  one\n  two" in explain(here)


def test_a_dead_container_and_a_lost_host_end_the_wait() -> None:
    here = board("p1-0")
    here.apply(News("container", "box", "p1", ("exited",)), 1.0)
    here.apply(News("lost", host="p1", text="connection refused"), 2.0)
    assert [failure.what for failure in here.failures] == ["is exited", "connection refused"]


def test_a_lost_host_is_unreachable_not_failed() -> None:
    here = board("p1-0")
    here.apply(News("lost", host="p1", text="p1: no route to host"), 2.0)
    assert here.values()["exit"] == 3
    assert explain(here).splitlines()[0] == "p1: no route to host; engines that run there go on"
    here.apply(News("container", "p1-0", "p1", ("exited",)), 1.0)
    assert "exit" not in here.values()


def test_a_stall_is_told_once_for_each_place() -> None:
    here = board("p1-0")
    assert [name for name, _ in here.stalls(10_000.0)] == ["p1-0"]
    assert list(here.stalls(20_000.0)) == []
    here.apply(News("log", "p1-0", "p1", text="non-default args: {}\n"), 20_000.0)
    assert [name for name, _ in here.stalls(40_000.0)] == ["p1-0"]


def test_who_is_late_is_told_with_the_place_and_the_remedy() -> None:
    here = board("p1-0", "p1-1", "d1-0")
    here.apply(News("log", "p1-1", "p1", text="non-default args: {}\n"), 1.0)
    here.apply(News("done", "d1-0", "d1"), 1.0)
    assert here.late().splitlines() == [
        "p1-0, p1-1",
        f"p1-0: nothing since `started`: {milestones.LAUNCHED.remedy}",
        f"p1-1: nothing since `args`: {milestones.MILESTONES[0].remedy}",
        "they go on; what hangs is started again by `qcluster restart p1-0 p1-1`, then `qcluster up`",
    ]


def test_an_engine_without_an_api_server_is_done_when_its_engine_is() -> None:
    assert "init engine" in target("x", port=None).done_pattern
    assert "Application" in target("x").done_pattern


def test_after_a_long_silence_it_is_said_who_is_waited_for_and_where_they_are() -> None:
    events: list[Event] = []
    board = Board([target(f"p-{number}") for number in range(6)], 0.0)
    board.apply(News("log", "p-0", "p1", text=START[2] + "\n"), 0.0)
    board.apply(News("done", "p-5", "p1"), 1.0)

    def at(now: float) -> Reach:
        return Reach(LocalTransport("p1"), {}, lambda _: {}, ("p1",), events.append, lambda _: None, lambda: now)

    assert still_waiting(board, at(QUIET_SECONDS - 1), 0.0) == 0.0 and events == []
    assert still_waiting(board, at(QUIET_SECONDS), 0.0) == QUIET_SECONDS
    (told,) = events
    assert isinstance(told, Progress)
    assert told.text == (
        "still starting: p-0 (`ranks joined`), p-1 (`started`), p-2 (`started`), p-3 (`started`) and 1 more"
    )
