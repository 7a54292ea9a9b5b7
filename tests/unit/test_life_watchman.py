"""When something is restarted, and when it is given up."""

from __future__ import annotations

from qcluster.diagnose.watchman import STRIKES, Watchman, news


def struck(watchman: Watchman, now: float) -> list[str]:
    """One look after as many failures as count."""
    wanted: list[str] = []
    for _ in range(STRIKES):
        wanted = watchman.look(["a"], now)
    return wanted


def test_one_lost_answer_is_no_death() -> None:
    watchman = Watchman()
    assert watchman.look(["a"], 0.0) == []
    assert watchman.look([], 1.0) == []
    assert watchman.look(["a"], 2.0) == [] and watchman.look(["a"], 3.0) == []
    assert watchman.look(["a"], 4.0) == ["a"]


def test_pauses_grow() -> None:
    watchman = Watchman(pause=30.0)
    assert struck(watchman, 0.0) == ["a"]
    watchman.restarted(["a"], 0.0)
    assert struck(watchman, 29.0) == []
    assert watchman.look(["a"], 30.0) == ["a"]
    watchman.restarted(["a"], 30.0)
    assert struck(watchman, 89.0) == []
    assert watchman.look(["a"], 90.0) == ["a"]


def test_after_the_limit_it_is_given_up_and_the_window_forgives() -> None:
    watchman = Watchman(limit=2, window=1000.0, pause=1.0)
    for now in (0.0, 100.0):
        assert struck(watchman, now) == ["a"]
        watchman.restarted(["a"], now)
        assert watchman.given_up(now) == []
    assert struck(watchman, 200.0) == []
    assert watchman.given_up(200.0) == ["a"]
    assert watchman.look(["a"], 1050.0) == ["a"]


def test_a_look_tells_at_once_what_is_new_and_only_that() -> None:
    known: dict[str, str] = {}
    assert list(news(known, {"a": "exited 137 on h1"}, ["b"])) == ["a does not serve: exited 137 on h1"]
    assert list(news(known, {"a": "exited 137 on h1"}, ["b"])) == []
    assert list(news(known, {"a": "absent on h1"}, ["b"])) == ["a does not serve: absent on h1"]
    assert list(news(known, {}, ["b"])) == []  # it starts, or its host is silent: neither sick nor serving
    assert list(news(known, {}, ["a", "b"])) == ["a serves again"]
    assert list(news(known, {}, ["a", "b"])) == []


def test_it_says_how_near_a_restart_is() -> None:
    watchman = Watchman()
    watchman.look(["a"], 0.0)
    assert watchman.words("a") == f"failed 1 of the {STRIKES} looks in a row that it takes to restart it"
