"""Follow the logs, exit codes and container of a host's engines for a slice of time, in one streaming command.

The answer is framed, so that nothing has to be guessed from the text of logs:

    @log NAME START LENGTH NOW          then LENGTH bytes of the log from byte START
    @exit NAME CODE AGE                 the engine ended AGE seconds ago
    @done NAME                          its log has the line that ends a start
    @container NAME STATE               the container is not running
    @end REASON                         slice, done, or dead
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qcluster.command import Command, sh
from qcluster.facts.jobs import ALIVE

SCRIPT = (
    ALIVE
    + r"""
# seconds docker-container-or-empty run-dir, then four words an engine: name log offset done-pattern
seconds=$1 container=$2 run=$3; shift 3
end=$(( $(date +%s) + seconds )) round=0
while :; do
  waiting=0 dead=0
  set -- "$@" .stop
  while [ "$1" != .stop ]; do
    name=$1 log=$2 offset=$3 pattern=$4; shift 4
    size=$(wc -c <"$log" 2>/dev/null) || size=0
    size=$((size + 0))
    [ "$size" -lt "$offset" ] && offset=0
    if [ "$round" = 0 ] && [ "$offset" = 0 ] && grep -Eq "$pattern" "$log" 2>/dev/null; then
      offset=$size # up already: what it wrote since is nobody's concern here
    fi
    if [ "$size" -gt "$offset" ]; then
      echo "@log $name $offset $((size - offset)) $(date +%s)"
      tail -c "+$((offset + 1))" "$log" | head -c "$((size - offset))"
      echo
      offset=$size
    fi
    if [ -e "$run/$name.exit" ]; then
      now=$(date +%s) then=$(stat -c %Y "$run/$name.exit")
      echo "@exit $name $(cat "$run/$name.exit") $((now - then))"
      dead=1
    elif grep -Eq "$pattern" "$log" 2>/dev/null; then echo "@done $name"
    else waiting=1; fi
    set -- "$@" "$name" "$log" "$offset" "$pattern"
  done
  shift
  if [ "$dead" = 1 ]; then echo "@end dead"; exit 0; fi
  if [ "$waiting" = 0 ]; then echo "@end done"; exit 0; fi
  if [ -n "$container" ] && [ $((round % 4)) = 0 ]; then
    state=$(docker inspect --format '{{.State.Status}}' "$container" 2>/dev/null) || state=absent
    case $state in
      running|created|restarting) ;;
      *) echo "@container $container $state"; echo "@end dead"; exit 0 ;;
    esac
  elif [ -z "$container" ] && ! alive "$(cat "$run/entry.pid" 2>/dev/null)"; then
    echo "@container entry exited"; echo "@end dead"; exit 0
  fi
  [ "$(date +%s)" -ge "$end" ] && { echo "@end slice"; exit 0; }
  round=$((round + 1))
  sleep 0.5
done
"""
)


@dataclass(frozen=True)
class Watched:
    """One engine to follow: where its log is, how far it was read, and the pattern that ends its start."""

    name: str
    log: str
    offset: int
    pattern: str


def follow(container: str, run_dir: str, engines: Sequence[Watched], seconds: int) -> Command:
    """`container` is empty where the engines run without docker."""
    words = [word for one in engines for word in (one.name, one.log, str(one.offset), one.pattern)]
    return sh(SCRIPT, str(seconds), container, run_dir, *words, timeout=seconds + 60)


OnFrame = Callable[[str, tuple[str, ...], bytes], None]
"""Called with the kind, the words after it, and the bytes of a log frame."""


class Frames:
    """Cuts the stream into frames, whatever the chunks are."""

    def __init__(self, on_frame: OnFrame):
        self._on_frame, self._rest = on_frame, b""

    def __call__(self, stream: str, chunk: bytes) -> None:
        if stream == "stdout":
            self._rest += chunk
            while self._one():
                pass

    def _one(self) -> bool:
        head, newline, rest = self._rest.partition(b"\n")
        if not newline:
            return False
        words = tuple(head.decode("utf-8", "replace").split())
        if words[:1] != ("@log",):
            self._rest = rest
            if words and words[0].startswith("@"):
                self._on_frame(words[0][1:], words[1:], b"")
            return True
        length = int(words[3])
        if len(rest) < length + 1:
            return False
        self._rest = rest[length + 1 :]
        self._on_frame("log", words[1:], rest[:length])
        return True


def numbers(words: Sequence[str]) -> Mapping[str, int]:
    """START, LENGTH and NOW of a log frame."""
    return dict(zip(("start", "length", "now"), (int(word) for word in words[1:4]), strict=False))
