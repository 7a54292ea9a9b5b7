"""Jobs of `async` tasks: detached from the connection, found again by their id, whoever asks.

DIR/ID/job.sh   what runs        DIR/ID/told   what the task said before (JSON)
DIR/ID/pid      its process group (its own session)
DIR/ID/out err  its streams      DIR/ID/exit   its exit code, written when it is over
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcluster.command import Command, render
from qcluster.errors import UnreadableOutput
from qcluster.facts.script import EXPAND
from qcluster.result import Outcome

START = f"""{EXPAND}
expand "$1"; dir=$p limit=$2 mask=$(umask)
umask 077
mkdir -p "$dir" || exit 73
IFS= read -r told; printf '%s\\n' "$told" >"$dir/told"
cat >"$dir/job.sh"
setsid sh -c '
  umask "$3"
  timeout -k 5 "$2" sh "$1/job.sh" >"$1/out" 2>"$1/err" </dev/null
  echo "$?" >"$1/exit.part"; mv "$1/exit.part" "$1/exit"
' job "$dir" "$limit" "$mask" </dev/null >/dev/null 2>&1 &
echo "$!" >"$dir/pid"
printf '%s' "$dir"
"""
STATUS = f"""{EXPAND}
expand "$1"; dir=$p
if [ ! -d "$dir" ]; then echo missing; exit 0; fi
if [ -f "$dir/exit" ]; then state="finished $(cat "$dir/exit")"
elif kill -0 "$(cat "$dir/pid")" 2>/dev/null || [ -d "/proc/$(cat "$dir/pid")" ]; then state='running -1'
elif [ -f "$dir/exit" ]; then state="finished $(cat "$dir/exit")"
else state='lost -1'; fi
for part in told out err; do [ -f "$dir/$part" ] || : >"$dir/$part"; done
sizes=; for part in told out err; do sizes="$sizes $(wc -c <"$dir/$part")"; done
echo $state $sizes
set -- $sizes
head -c "$1" "$dir/told"; head -c "$2" "$dir/out"; head -c "$3" "$dir/err"
echo; echo end
"""
CLEANUP = f'{EXPAND}\nexpand "$1"; rm -rf -- "$p"\n'


@dataclass(frozen=True)
class AsyncState:
    """A job as it is now: `state` is `running`, `finished`, `lost` (killed with the host) or `missing`.

    `exit` is -1 until it is finished. `told` is what its task knew when it began.
    """

    state: str
    exit: int = -1
    told: Mapping[str, Any] = field(default_factory=dict)
    stdout: bytes = b""
    stderr: bytes = b""


def folder(state_dir: str, job: str) -> str:
    """The directory of a job on its host."""
    return f"{state_dir}/async/{job}"


def start(directory: str, limit: int, commands: Sequence[Command], told: Mapping[str, Any]) -> Command:
    """Start `commands` as one job that may take `limit` seconds; gives its directory at once."""
    body = "".join(f"{_line(command)} || exit\n" for command in commands)
    text = json.dumps(dict(told), default=str) + "\n" + body
    return Command(("sh", "-c", START, "sh", directory, str(limit)), stdin=text.encode())


def status(directory: str) -> Command:
    """Ask how a job is."""
    return Command(("sh", "-c", STATUS, "sh", directory))


def cleanup(directory: str) -> Command:
    """Forget a job."""
    return Command(("sh", "-c", CLEANUP, "sh", directory))


def parse(outcome: Outcome) -> AsyncState:
    """The state of a job from the answer to `status`. Raises UnreadableOutput."""
    head, _, body = outcome.stdout.partition(b"\n")
    words = head.split()
    if words == [b"missing"]:
        return AsyncState("missing")
    try:
        state, *numbers = words
        code, told, out, err = map(int, numbers)
    except ValueError:
        raise UnreadableOutput("the state of an async job", outcome.err or outcome.out) from None
    if body[told + out + err :] != b"\nend\n":
        raise UnreadableOutput("the state of an async job is cut off", outcome.out)
    streams = body[told : told + out], body[told + out : told + out + err]
    return AsyncState(state.decode(), code, json.loads(body[:told] or b"{}"), *streams)


def _line(command: Command) -> str:
    """One command of the job; what it reads travels inside the script."""
    line = render(command)
    if not command.stdin:
        return f"( {line} ) </dev/null"
    return f"printf %s {base64.b64encode(command.stdin).decode()} | base64 -d | ( {line} )"
