"""The connections of one host and what is open on them: reopened when lost, a second one where the first is full."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paramiko
from paramiko.ssh_exception import SSHException

from qcluster.command import Become
from qcluster.errors import UnreachableError
from qcluster.transport.session import Session
from qcluster.transport.shell import Shell
from qcluster.transport.wire import Wire

Dial = Callable[[bool], Wire]
"""Opens a connection; True: one was there before, so a refusal may pass (the host restarts its sshd)."""


_ATTEMPTS = 8


class Sessions:
    """Hands out channels and idle shells. Safe to use from several threads."""

    def __init__(self, host: str, dial: Dial):
        self._host, self._dial = host, dial
        self._lock = threading.Lock()
        self._dialling = threading.Lock()
        self._wires: list[Wire] = []
        self._idle: dict[Become | None, list[Shell]] = {}
        self._seen = False

    def wire(self) -> Wire:
        """A live connection; dialled now where there is none."""
        return self._live(lambda wire: True)

    def _live(self, fits: Callable[[Wire], bool]) -> Wire:
        with self._dialling:
            for wire in self._wires:
                if wire.is_active() and fits(wire):
                    return wire
            seen, self._seen = self._seen, False  # a host that did not come back is not waited for again
            wire = self._dial(seen)
            self._seen = True
            with self._lock:
                self._wires = [*(old for old in self._wires if old.is_active()), wire]
            return wire

    @contextmanager
    def session(self, become: Become | None) -> Iterator[Session]:
        """A channel of its own, closed afterwards."""
        wire, channel = self._open()
        try:
            yield Session(self._host, channel, become)
        finally:
            self._shut(wire, channel)

    def _open(self) -> tuple[Wire, paramiko.Channel]:
        """Open a session channel. Nothing has run yet, so a connection found dead is replaced and tried again."""
        for _ in range(_ATTEMPTS):
            wire = self._live(lambda wire: wire.sessions < wire.room)
            try:
                with self._lock:
                    wire.sessions += 1
                return wire, wire.open_session()
            except (SSHException, EOFError, OSError):  # no sign of why: Paramiko mixes up refusals of several threads
                self._full(wire)
        raise UnreachableError(self._host, "the SSH server opens no session", "MaxSessions in its sshd_config?")

    def _full(self, wire: Wire) -> None:
        with self._lock:
            wire.sessions -= 1
            wire.room = wire.sessions

    def _shut(self, wire: Wire, channel: paramiko.Channel) -> None:
        channel.close()
        with self._lock:
            wire.sessions -= 1

    @contextmanager
    def shell(self, become: Become | None) -> Iterator[Shell]:
        """An idle shell, or a new one; kept for the next command where it is still good."""
        shell = self._take(become) or self._new(become)
        try:
            yield shell
        except BaseException:
            shell.fresh = False
            raise
        finally:
            self._give_back(become, shell)

    def _take(self, become: Become | None) -> Shell | None:
        while True:
            with self._lock:
                shells = self._idle.get(become)
                shell = shells.pop() if shells else None
            if shell is None or shell.alive:
                return shell
            shell.close()

    def _new(self, become: Become | None) -> Shell:
        wire, channel = self._open()
        shell = Shell(Session(self._host, channel, become), lambda: self._shut(wire, channel))
        try:
            shell.start()
        except BaseException:
            shell.close()
            raise
        return shell

    def _give_back(self, become: Become | None, shell: Shell) -> None:
        if not shell.fresh:
            shell.close()
            return
        with self._lock:
            self._idle.setdefault(become, []).append(shell)

    def forget_lost(self) -> None:
        """Close what is not alive, so that the next command dials anew."""
        with self._lock:
            lost = [wire for wire in self._wires if not wire.is_active()]
            self._wires = [wire for wire in self._wires if wire.is_active()]
        for wire in lost:
            wire.close()

    def close(self) -> None:
        with self._lock:
            wires, self._wires, self._idle = self._wires, [], {}
        for wire in wires:
            wire.close()
