"""Long work on a host that outlives the connection: a detached job that whoever comes next attaches to.

DIR/pid   pid and start time of the job (a pid alone may belong to another process after a reboot)
DIR/log   its output        DIR/exit   its exit code        DIR/key   what it was asked to do
"""

from __future__ import annotations

from dataclasses import dataclass

from qcluster.command import Command, sh

ATTACH = r"""
dir=$1 key=$2 limit=$3 follow=$4 body=$5; shift 5
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
lives() {
  [ -s "$dir/pid" ] || return 1
  read -r pid since <"$dir/pid"
  [ -n "$pid" ] && [ "$(began "$pid")" = "$since" ]
}
umask 077
mkdir -p "$dir" || exit 73
if lives && [ "$(cat "$dir/key" 2>/dev/null)" = "$key" ]; then
  echo "== attached to the job that is already running" >&2
else
  if lives; then kill -TERM -- "-$pid" 2>/dev/null; fi
  rm -f "$dir/exit" "$dir/pid"
  : >"$dir/log"
  printf '%s' "$key" >"$dir/key"
  setsid sh -c '
    dir=$1 limit=$2 body=$3; shift 3
    printf "%s %s\n" "$$" "$(sed "s/.*) //" /proc/$$/stat | cut -d" " -f20)" >"$dir/pid"
    timeout -k 5 "$limit" sh -c "$body" job "$@" >>"$dir/log" 2>&1
    echo "$?" >"$dir/exit"
  ' job "$dir" "$limit" "$body" "$@" </dev/null >/dev/null 2>&1 &
  while [ ! -s "$dir/pid" ]; do sleep 0.1; done
fi
[ "$follow" = follow ] || exit 0
read -r pid since <"$dir/pid"
tail -n +1 -s 0.5 --pid="$pid" -f "$dir/log" 2>/dev/null
while [ ! -s "$dir/exit" ] && lives; do sleep 0.1; done
code=$(cat "$dir/exit" 2>/dev/null)
exit "${code:-137}"
"""


@dataclass(frozen=True)
class Job:
    """Work to do on a host: `body` is sh, `args` its positional parameters, `limit` the seconds it may take.

    `key` says what it is for: a running job with another key is ended and replaced.
    """

    directory: str
    key: str
    body: str
    args: tuple[str, ...]
    limit: int


def attach(job: Job) -> Command:
    """Start the job unless it already runs, and follow it to its end. Its output is the command's stdout.

    The connection may come and go meanwhile.
    """
    return _command(job, "follow", job.limit + 30)


def begin(job: Job) -> Command:
    """Start the job unless it already runs, and do not wait for it."""
    return _command(job, "leave", 60)


def _command(job: Job, follow: str, timeout: float) -> Command:
    return sh(ATTACH, job.directory, job.key, str(job.limit), follow, job.body, *job.args, timeout=timeout)
