"""What a host has to say about a deployment: the ends of its logs, CANN's own logs, and what docker says of containers.

CANN's logs lie in `~/ascend/log` (ASCEND_PROCESS_LOG_PATH, CANN's documentation). Source: issue 6, Diagnosis catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.facts.groups import GROUPS
from qcluster.result import Outcome

MARK = "==qcluster "

SCRIPT = (
    GROUPS
    + r"""
state=$1 deployment=$2 lines=$3
case $state in "<fact:home>"*) state=$HOME${state#"<fact:home>"} ;; esac
show() { # where name file
  [ -s "$3" ] || return
  echo "==qcluster $1 $2"
  tail -n "$lines" "$3"
  echo
}
for file in "$state"/logs/*.log; do
  name=${file##*/} name=${name%.log}
  case $name in *proxy*) show proxy "$name" "$file" ;; *) show engine "$name" "$file" ;; esac
done
for file in "$state"/*/entry.log; do show engine "entry" "$file"; done
# of CANN's logs those that were written since the last start: older ones tell of what was mended
begun=$(ls -t "$state"/*/run/*.pid 2>/dev/null | head -n 1)
for file in $(ls -t "$state"/ascend/debug/plog/*.log "$HOME"/ascend/log/debug/plog/*.log 2>/dev/null | head -n 8); do
  [ -z "$begun" ] || [ "$file" -nt "$begun" ] || continue
  echo "==qcluster plog ${file##*/}"
  grep -E 'ERROR|EI[0-9]{4}|EJ[0-9]{4}|EL[0-9]{4}' "$file" | tail -n 40
done
for file in "$state"/jobs/*/log; do
  [ "$(cat "${file%log}exit" 2>/dev/null || echo 0)" = 0 ] || show docker "${file%/log}" "$file"
done
if command -v docker >/dev/null; then
  echo "==qcluster docker containers"
  docker ps -a --no-trunc --format "$4" 2>&1
  for name in $(docker ps -aq --filter "label=qcluster.deployment=$deployment" --filter status=exited 2>/dev/null); do
    echo "==qcluster docker $name"
    docker logs --tail 40 "$name" 2>&1
  done
fi
echo "==qcluster docker groups" # container_runtime: host
for labels in "$state"/*/run/labels.json; do
  run=${labels%/labels.json} name=${labels%/run/labels.json}
  [ -s "$labels" ] || continue
  if [ -n "$(entry "$run")" ]; then echo "watched ${name##*/}"
  elif [ -n "$(groups "$run")" ]; then echo "lost ${name##*/}"; fi
done
echo "==qcluster network npu-smi"
npu-smi info 2>&1
echo "==qcluster end end"
"""
)


@dataclass(frozen=True)
class Excerpt:
    """The end of one log. `where` is engine, proxy, plog, docker or network; `name` an instance or a file."""

    where: str
    name: str
    lines: tuple[str, ...]


def evidence(state_dir: str, deployment: str, listing: str, lines: int = 600) -> Fact[tuple[Excerpt, ...]]:
    """`listing` is the format of the container list (`docker.LISTING`)."""
    return Fact(sh(SCRIPT, state_dir, deployment, str(lines), listing, timeout=120), parse)


def parse(outcome: Outcome) -> tuple[Excerpt, ...]:
    found = tuple(_cut(outcome.out))
    if not found or found[-1].where != "end":
        raise UnreadableOutput("the host's logs are cut off", outcome.out[-300:] + outcome.err[-300:])
    return found[:-1]


def _cut(text: str) -> Iterator[Excerpt]:
    head: list[str] = []
    body: list[str] = []
    for line in [*text.splitlines(), MARK]:
        if not line.startswith(MARK):
            body.append(line)
            continue
        if head:
            yield Excerpt(head[0], head[1] if len(head) > 1 else "", tuple(body))
        head, body = line.removeprefix(MARK).split(" ", 1), []
