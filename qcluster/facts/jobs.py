"""Long work on a host that outlives the connection: a detached job that whoever comes next attaches to.

DIR/pid   pid and start time of the job (a pid alone may belong to another process after a reboot)
DIR/log   its output        DIR/exit   its exit code        DIR/key   what it was asked to do
"""

from __future__ import annotations

from dataclasses import dataclass

from qcluster.command import Command, sh

ALIVE = r"""
alive() { # whether a process runs; a zombie that nobody has waited for does not
  case $(sed 's/.*) //' "/proc/${1:-none}/stat" 2>/dev/null) in '' | [ZX]*) return 1 ;; esac
}
"""
"""A function for scripts: `kill -0` says yes of a zombie, and no of another user's process."""

BODY = r"""
dir=$1 limit=$2 body=$3; shift 3
printf "%s %s\n" "$$" "$(sed "s/.*) //" /proc/$$/stat | cut -d" " -f20)" >"$dir/pid.new"
mv -f "$dir/pid.new" "$dir/pid"
trap : TERM
sh -c "$body" job "$@" >>"$dir/log" 2>&1 &
work=$!
( # the deadline, for everything that the job has started
  trap 'kill "$!"; exit' TERM
  sleep "$limit" & wait "$!"
  : >"$dir/late"
  trap : TERM
  kill -s TERM -- "-$$"
  sleep 5
  kill -s KILL -- "-$$"
) &
watch=$!
wait "$work"; code=$?
while kill -0 "$work" 2>/dev/null; do wait "$work"; code=$?; done
kill "$watch" 2>/dev/null
[ -e "$dir/late" ] && code=124
echo "$code" >"$dir/exit.new"
mv -f "$dir/exit.new" "$dir/exit"
"""

ATTACH = (
    ALIVE
    + r"""
dir=$1 key=$2 limit=$3 follow=$4 run=$5 body=$6; shift 6
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
lives() {
  [ -s "$dir/pid" ] || return 1
  read -r pid since <"$dir/pid"
  alive "$pid" && [ "$(began "$pid")" = "$since" ]
}
umask 077
mkdir -p "$dir" || exit 73
if lives && [ "$(cat "$dir/key" 2>/dev/null)" = "$key" ]; then
  echo "== attached to the job that is already running" >&2
else
  if [ -s "$dir/pid" ]; then # what is left of an earlier one, also where only its first process is gone
    read -r pid since <"$dir/pid"
    if lives || ! alive "$pid"; then kill -s KILL -- "-$pid" 2>/dev/null; fi
  fi
  rm -f "$dir/exit" "$dir/pid" "$dir/late"
  : >"$dir/log"
  printf '%s' "$key" >"$dir/key"
  setsid sh -c "$run" job "$dir" "$limit" "$body" "$@" </dev/null >/dev/null 2>&1 &
  while [ ! -s "$dir/pid" ]; do sleep 0.1; done
fi
[ "$follow" = follow ] || exit 0
read -r pid since <"$dir/pid"
tail -n +1 -s 0.5 --pid="$pid" -f "$dir/log" 2>/dev/null
while [ ! -s "$dir/exit" ] && lives; do sleep 0.1; done
code=$(cat "$dir/exit" 2>/dev/null)
exit "${code:-137}"
"""
)


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
    return sh(ATTACH, job.directory, job.key, str(job.limit), follow, BODY, job.body, *job.args, timeout=timeout)
