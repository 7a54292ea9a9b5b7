"""A shell on the far side of a channel, from the login shell's first words to the end of what it runs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import paramiko

from qcluster.command import Become
from qcluster.errors import BecomeFailed, UnreachableError
from qcluster.transport.script import login_line, marked
from qcluster.transport.streams import STDERR, STDOUT, Streams


@dataclass
class Tape:
    """What arrived on one stream. The bytes before the begin mark are the login shell's, not the command's."""

    begin: bytes
    data: bytearray = field(default_factory=bytearray)
    begun: bool = False

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; returns the part of it that belongs to the command."""
        if self.begun:
            self.data += chunk
            return chunk
        self.data += chunk
        found = self.data.find(self.begin)
        if found < 0:
            return b""
        self.begun = True
        del self.data[: found + len(self.begin)]
        return bytes(self.data)

    def take(self) -> bytes:
        taken = bytes(self.data)
        self.data.clear()
        return taken


class Session:
    """Starts `script` under sh, through sudo where asked, and answers sudo's prompt once.

    A password is sent only when sudo asks for it: where sudo does not ask, it never reaches the command's stdin.
    """

    def __init__(self, host: str, channel: paramiko.Channel, become: Become | None):
        self.host, self.channel, self._become = host, channel, become
        self.streams = Streams(channel)
        self._begin, self._prompt = f"qc-begin-{secrets.token_hex(8)}.", f"qc-prompt-{secrets.token_hex(8)}:"
        self.tapes = {name: Tape(self._begin.encode()) for name in (STDOUT, STDERR)}

    def start(self, script: str) -> None:
        """Raises `BecomeFailed` where a password was asked for and not accepted."""
        line = login_line(marked(self._begin, script), self._become, self._prompt)
        self.channel.exec_command(line)
        if self._become and self._become.password:
            self._answer_prompt(self._become.password.reveal())

    def _answer_prompt(self, password: str) -> None:
        asked, tape = 0, self.tapes[STDERR]
        while not tape.begun and not self.streams.ended:
            self.streams.wait()
            for name, chunk in self.streams.arrived():
                self.tapes[name].feed(chunk)
            if tape.data.count(self._prompt.encode()) > asked:
                asked += 1
                if asked > 1:
                    raise BecomeFailed(self.host, "sudo did not accept the password", "set ansible_become_password")
                self.channel.sendall(f"{password}\n".encode())

    def never_began(self) -> UnreachableError:
        """Why the channel ended before anything of ours ran."""
        said = " ".join(tape.data.decode("utf-8", "replace").strip() for tape in self.tapes.values()).strip()
        if self._become:
            hint = "NOPASSWD for this user, or --ask-become-pass / ansible_become_password"
            return BecomeFailed(self.host, f"sudo to {self._become.user} failed: {said or 'no message'}", hint)
        return UnreachableError(self.host, f"the login shell did not start sh: {said or 'no message'}")

    @property
    def begun(self) -> bool:
        return self.tapes[STDOUT].begun
