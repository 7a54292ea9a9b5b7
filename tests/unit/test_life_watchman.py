"""When something is restarted, and when it is given up."""

from __future__ import annotations

from qcluster.diagnose.watchman import STRIKES, Watchman


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
