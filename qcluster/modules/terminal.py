"""A question to whoever sits at the terminal; it is given up when the run is cancelled."""

from __future__ import annotations

import atexit
import select
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

TURN = 0.2
"""Seconds after which it is asked whether the run still goes on."""


def ask(question: str, echo: bool, cancelled: Callable[[], bool]) -> str:
    """What the operator types, without the end of the line; nothing where there is nobody (Ansible goes on, too).

    What was typed before the question does not answer it.
    """
    if not sys.stdin.isatty():
        return ""
    with _listening(echo):
        _write(question)
        return _line(cancelled)


@contextmanager
def _listening(echo: bool) -> Iterator[None]:
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    hidden = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    undo = partial(termios.tcsetattr, terminal, termios.TCSADRAIN, before)
    atexit.register(undo)  # Ctrl-C waits for no thread, not even for this one
    termios.tcsetattr(terminal, termios.TCSAFLUSH, before if echo else hidden)
    try:
        yield
    finally:
        undo()
        atexit.unregister(undo)
        if not echo:
            _write("\n")  # the operator's own end of the line was not shown


def _line(cancelled: Callable[[], bool]) -> str:
    while not cancelled():
        if select.select([sys.stdin], [], [], TURN)[0]:
            return sys.stdin.readline().rstrip("\n")
    _write("\n")
    return ""


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
