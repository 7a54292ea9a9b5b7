"""Many questions in one SSH command: a script that frames each answer, and the reader of those frames.

A frame is `@KEY EXIT LENGTH`, newline, exactly LENGTH bytes, newline. The last one is `@end 0 0`. Because lengths are
told, no tool's output can be mistaken for a frame, and a stream that was cut anywhere is known to be cut.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from qcluster.command import Command, sh

_HEAD = re.compile(rb"@([A-Za-z0-9_./-]{1,200}) (-|\d{1,3}) (\d{1,9})\n")

PRELUDE = r"""
LC_ALL=C; export LC_ALL
limit=$1; delays=$2; shift 2
hung=' '; stuck=0; given_up=

# frame KEY EXIT TEXT
frame() { printf '@%s %s %s\n%s\n' "$1" "$2" "${#3}" "$3"; }

# on_path NAME FALLBACK...: where a tool is, or nothing
on_path() {
  command -v "$1" && return
  shift
  for place in "$@"; do [ -x "$place" ] && { printf '%s\n' "$place"; return; }; done
  return 127
}

# is_busy: did the tool just say that somebody else holds it?
is_busy() { case $rc:$said in 11:*|31:*|*'is busy, please try again'*) return 0;; esac; return 1; }

# once COMMAND...: one question with a deadline
once() { said=$(timeout -k 2 "$limit" "$@" 2>&1 </dev/null); rc=$?; }

# ask KEY OWNER COMMAND...: a busy tool (exit 11 or 31) is asked again after each delay; one that stays busy is not
# waited for a second time. An OWNER (an NPU) that hung is not asked again, and after three in trouble nobody is.
ask() {
  key=$1; owner=$2; shift 2
  case $hung in *" $owner "*) frame "$key" - hung; return;; esac
  if [ "$stuck" -ge 3 ]; then frame "$key" - "$given_up"; return; fi
  once "$@"
  for delay in $delays; do
    is_busy || break
    sleep "$delay"
    once "$@"
  done
  if is_busy; then delays=; given_up=busy; stuck=$((stuck + 1)); fi
  case $rc in 124|137) hung="$hung$owner "; given_up=hung; stuck=$((stuck + 1));; esac
  frame "$key" "$rc" "$said"
}

# show KEY FILE: a file's text
show() {
  if [ -e "$2" ]; then said=$(cat "$2" 2>&1); rc=$?; else said="$2 does not exist"; rc=2; fi
  frame "$1" "$rc" "$said"
}
"""
"""Helpers that every framed script begins with (POSIX sh). They take their first two arguments from the caller:
the seconds that one question may take, and the pauses before a busy tool is asked again."""

CLOSE = "\nframe end 0 ''\n"


@dataclass(frozen=True)
class Frame:
    """One answer. `exit` is None where the question was not asked; `text` is `hung` or `busy` then: what the tool did
    before."""

    key: str
    exit: int | None
    text: str


@dataclass(frozen=True)
class Frames:
    """All answers of one script, in order. `complete` is false when the end marker did not arrive; `rest` is what
    stands after the last whole frame then."""

    frames: Mapping[str, Frame]
    complete: bool
    rest: str = ""

    def get(self, key: str) -> Frame | None:
        return self.frames.get(key)


@dataclass(frozen=True)
class Patience:
    """How long to wait: seconds for one question, pauses before each further try of a busy tool, and for everything."""

    question: float = 10.0
    retries: tuple[float, ...] = (0.3, 0.7, 1.5, 3.0)
    whole: float = 600.0

    @property
    def words(self) -> tuple[str, str]:
        return f"{self.question:g}", " ".join(f"{pause:g}" for pause in self.retries)


def framed(body: str, *args: str, patience: Patience | None = None) -> Command:
    """A framed script as one command; `body` sees its own arguments as `$1`… ."""
    waits = patience or Patience()
    return sh(PRELUDE + body + CLOSE, *waits.words, *args, timeout=waits.whole)


def read_frames(data: bytes) -> Frames:
    """Read as many whole frames as there are. Never raises: what is missing is missing, and `complete` tells."""
    frames: dict[str, Frame] = {}
    at = 0
    while head := _HEAD.match(data, at):
        start, length = head.end(), int(head[3])
        body = data[start : start + length]
        if len(body) < length or data[start + length : start + length + 1] != b"\n":
            break
        key, at = head[1].decode(), start + length + 1
        if key == "end":
            return Frames(frames, complete=not data[at:])
        code = None if head[2] == b"-" else int(head[2])
        frames[key] = Frame(key, code, body.decode("utf-8", "replace"))
    return Frames(frames, False, data[at : at + 2000].decode("utf-8", "replace"))
