"""The question that `pause` asks, at a real pseudo-terminal."""

from __future__ import annotations

import io
import os
import pty
import select
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from qcluster.modules.terminal import ask


@dataclass
class Operator:
    """Types at the far end; `echoes` is what the terminal showed of it, seen each time the question was looked at."""

    near: int
    far: int
    echoes: list[bool] = field(default_factory=list)

    def echo(self) -> bool:
        return bool(termios.tcgetattr(self.near)[3] & termios.ECHO)

    def types(self, text: str) -> Callable[[], bool]:
        """Typed once the question waits; the run is not cancelled."""

        def waiting() -> bool:
            self.echoes.append(self.echo())
            os.write(self.far, text.encode())
            return False

        return waiting


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    far, near = pty.openpty()
    with os.fdopen(near, encoding="utf-8", closefd=False) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield Operator(near, far)
    os.close(near)
    os.close(far)


def test_what_was_typed_before_the_question_does_not_answer_it(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(operator.far, b"too early\n")
    select.select([operator.near], [], [], 5)  # the kernel hands it over in its own time
    assert ask("Go on: ", True, operator.types("yes\n")) == "yes"
    assert capsys.readouterr() == ("", "Go on: "), "stdout is the product"
    assert operator.echoes[0]


def test_a_secret_answer_is_not_shown_and_the_terminal_is_as_before(operator: Operator) -> None:
    assert ask("Key: ", False, operator.types("secret\n")) == "secret"
    assert not operator.echoes[0]
    assert operator.echo()


def test_a_cancelled_run_waits_for_no_answer(operator: Operator) -> None:
    assert ask("Key: ", False, lambda: True) == ""
    assert operator.echo()


def test_without_a_terminal_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert ask("Go on: ", True, lambda: False) == ""
    assert capsys.readouterr() == ("", "")
