"""Process groups of `container_runtime: host`: which of them are this tool's, and how they end.

A number in a pid file proves nothing: after a restart of the host, or some weeks, it is another process's. What proves
it is where the process writes, since every process of an engine writes to the engine's log. Beside NAME.pid in the run
folder lies NAME.out, the path of that log; `entry` is the script that watches over the others.
"""

from __future__ import annotations

from qcluster.facts.jobs import ALIVE

GROUPS = (
    ALIVE
    + r"""
entry() { # $1: run folder -> the pid of its entry script, while that runs
  pid=$(cat "$1/entry.pid" 2>/dev/null) || return
  alive "$pid" || return
  # unreadable: another user's, which is not proven and must not be passed over
  goes=$(readlink "/proc/$pid/fd/1") || { echo "$pid"; return; }
  case $goes in "$(cat "$1/entry.out" 2>/dev/null)"*) echo "$pid" ;; esac
}
writers() { # $1: file -> the pids of the processes whose output goes there
  ls -l /proc/[0-9]*/fd/1 2>/dev/null | grep -F "/fd/1 -> $1" | sed 's,.*/proc/\([0-9]*\)/fd/1 -> .*,\1,'
}
groups() { # $1: run folder -> the process groups of which something runs, also where the entry script is gone
  for file in "$1"/*.pid; do
    group=$(cat "$file" 2>/dev/null) out=$(cat "${file%.pid}.out" 2>/dev/null)
    [ -n "$group" ] && [ -n "$out" ] && kill -s 0 -- "-$group" 2>/dev/null || continue
    for one in $(writers "$out"); do
      [ "$(sed 's/.*) //' "/proc/$one/stat" 2>/dev/null | cut -d' ' -f3)" = "$group" ] && echo "$group" && break
    done
  done
}
terminate() { # $1: run folder; an entry script passes SIGTERM on to its engines
  pid=$(entry "$1")
  if [ -n "$pid" ]; then kill -TERM "$pid"; else
    for group in $(groups "$1"); do kill -s TERM -- "-$group"; done
  fi
}
gone() { # $1: run folder, $2: seconds until SIGKILL -> whether all of it ended
  left=$(($2 * 5))
  while [ -n "$(entry "$1")$(groups "$1")" ]; do
    [ "$left" -gt -50 ] || return 1 # not even SIGKILL ends what hangs in a driver
    [ "$left" -gt 0 ] || for group in $(groups "$1"); do kill -s KILL -- "-$group"; done
    sleep 0.2
    left=$((left - 1))
  done
}
"""
)
"""Functions for scripts."""
