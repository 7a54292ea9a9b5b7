"""A host's engine container (or process group): its state in one question, and the scripts that change it. Issue 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qcluster.command import Command, sh
from qcluster.errors import UnreadableOutput
from qcluster.facts import docker
from qcluster.facts.groups import GROUPS
from qcluster.facts.ports import split
from qcluster.result import Outcome

PROBE = (
    GROUPS
    + """\
runtime=$1 name=$2 home=$3 dir=$4 key=$5; shift 5
echo ==container
if [ "$runtime" = docker ]; then docker inspect "$name" 2>/dev/null | grep -v '^==' || :
else
  [ -n "$(entry "$home/run")" ] && cat "$home/run/labels.json" 2>/dev/null
fi
echo
echo ==exits
for engine in "$@"; do
  [ -e "$home/run/$engine.exit" ] && echo "$engine $(cat "$home/run/$engine.exit")"
done
echo ==sums
cd "$dir" 2>/dev/null && sha256sum ./*.sh 2>/dev/null
echo ==key
[ -z "$key" ] || [ ! -e "$key" ] || sha256sum <"$key"
echo ==end
"""
)

WRITE = """\
# each file is whole or absent: a script that runs keeps the text it was started with
mkdir -p "$1" && cd "$1" || exit
shift
while [ $# -gt 0 ]; do
  printf '%s' "$2" >".$1.new" && chmod 755 ".$1.new" && mv -f ".$1.new" "$1" || exit
  shift 2
done
"""

RESET = """\
# what the last start left must not be taken for this one's
reset() {
  mkdir -p "$run" || return
  rm -f "$run"/*.exit "$run"/*.restart "$run"/*.pid "$run"/*.out
  for log in "$@"; do
    mkdir -p "${log%/*}" || return
    [ ! -s "$log" ] || mv -f "$log" "$log.1" || return
  done
}
"""

REPLACE = (
    RESET
    + """\
# old container -> NAME-previous, new one in its place; if the new one does not start, the old one comes back
name=$1 grace=$2 run=$3 count=$4; shift 4
if docker inspect "$name" >/dev/null 2>&1; then
  docker stop -t "$grace" "$name" >/dev/null || exit
  docker rm -f "$name-previous" >/dev/null 2>&1
  docker rename "$name" "$name-previous" || exit
fi
n=0
while [ "$n" -lt "$count" ]; do
  reset "$1" || exit
  shift; n=$((n + 1))
done
"$@" && exit
code=$?
docker rm -f "$name" >/dev/null 2>&1
if docker inspect "$name-previous" >/dev/null 2>&1; then
  docker rename "$name-previous" "$name" && docker start "$name" >/dev/null &&
    echo "the previous container was started again" >&2
fi
exit "$code"
"""
)

LAUNCH = (
    GROUPS
    + RESET
    + """\
# `container_runtime: host`: the same entry script as a process group of its own
launch() { # the box's folder, that of the scripts, seconds to end what runs, labels, logs
  home=$1 dir=$2 grace=$3 labels=$4; shift 4
  run=$home/run
  mkdir -p "$run" || return
  terminate "$run"
  gone "$run" $((grace + 10)) || { echo "what ran before cannot be ended" >&2; return 1; }
  reset "$@" || return
  printf '%s' "$labels" >"$run/labels.json"
  echo "$dir" >"$run/dir"
  setsid bash "$dir/entry.sh" >"$home/entry.log" 2>&1 </dev/null &
  echo "$!" >"$run/entry.pid"
}
"""
)

HOST_START = (
    LAUNCH
    + """\
# what runs and is another plan's is kept in mind, to be started again if this one fails
was=$(cat "$1/run/dir" 2>/dev/null)
if [ -n "$was" ] && [ "$was" != "$2" ] && [ -n "$(entry "$1/run")" ]; then
  cp "$1/run/labels.json" "$1/previous.json" && echo "$was" >"$1/previous" || exit
fi
launch "$@"
"""
)

HOST_RESTORE = (
    LAUNCH
    + """\
for box in "$@"; do
  launch "$box" "$(cat "$box/previous")" 20 "$(cat "$box/previous.json")" || exit
  rm -f "$box/previous" "$box/previous.json"
done
"""
)

HOST_KEPT = """\
for file in "$1"/*/previous; do [ ! -s "$file" ] || echo "${file%/previous}"; done
echo ==end
"""

AGAIN = """\
home=$1; shift
for engine in "$@"; do : >"$home/run/$engine.restart" || exit; done
left=300
for engine in "$@"; do
  while [ -e "$home/run/$engine.restart" ] && [ "$left" -gt 0 ]; do sleep 0.2; left=$((left - 1)); done
done
[ "$left" -gt 0 ] || { echo "the entry script does not take the request" >&2; exit 1; }
"""


@dataclass(frozen=True)
class Found:
    """What runs: None where there is nothing of that name; exit codes of dead engines; sha256 of scripts and key."""

    container: docker.Inspected | None
    exits: Mapping[str, int]
    sums: Mapping[str, str]
    key: str = ""


def look(runtime: str, name: str, home: str, folder: str, key_file: str, engines: Sequence[str]) -> Command:
    return sh(PROBE, runtime, name, home, folder, key_file, *engines, timeout=60)


def write(folder: str, files: Mapping[str, bytes]) -> Command:
    """Scripts into a folder, each whole or absent."""
    words = [word for name, data in files.items() for word in (name, data.decode())]
    return sh(WRITE, folder, *words, timeout=60)


def read(outcome: Outcome) -> Found:
    sections = split(outcome.out)
    if "end" not in sections:
        raise UnreadableOutput("the state of the container is cut off", outcome.out[-200:] + outcome.err[-200:])
    exits = dict(line.split() for line in sections.get("exits", ()) if len(line.split()) == 2)
    sums = {line.split()[1].removeprefix("./"): line.split()[0] for line in sections.get("sums", ())}
    found = docker.parse_inspect("\n".join(sections.get("container", ())))
    key = "".join(sections.get("key", ())).partition(" ")[0]
    return Found(found, {name: int(code) for name, code in exits.items()}, sums, key)
