"""What runs of a deployment on one host, in one question: containers, engines, and the end of each start-up log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts import docker
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

HOME = "<fact:home>"
SCRIPT = r"""
# deployment, docker's format, then four words an engine: name log run-folder stem
at_home() { case $1 in '<fact:home>'*) printf %s "$HOME${1#'<fact:home>'}" ;; *) printf %s "$1" ;; esac; }
echo "@containers"
said=$(docker ps -a --no-trunc --filter "label=qcluster.deployment=$1" --format "$2" 2>&1) || echo "@silent"
printf '%s\n' "$said"
shift 2
while [ $# -gt 0 ]; do
  name=$1 log=$(at_home "$2") run=$(at_home "$3") stem=$4; shift 4
  state=never age=0 code=-
  if [ -e "$run/$stem.pid" ]; then
    age=$(( $(date +%s) - $(stat -c %Y "$run/$stem.pid") ))
    if [ -e "$run/$stem.exit" ]; then state=exited code=$(cat "$run/$stem.exit")
    elif kill -0 "$(cat "$run/$stem.pid")" 2>/dev/null; then state=running
    else state=unseen; fi
  fi
  echo "@engine $name $state $age $code"
  tail -n 400 "$log" 2>/dev/null | cut -c 1-400 | sed 's/^/ /'
done
echo "@end"
"""


@dataclass(frozen=True)
class Engine:
    """One engine as its host sees it. `age` in seconds; `tail` ends its log.

    `state`: never (no pid file), exited, running (the host sees its process), unseen (it does not: the process is in a
    container, or gone).
    """

    name: str
    state: str
    age: int
    exit: int | None
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """A deployment's part on one host."""

    containers: tuple[docker.Listed, ...] = ()
    engines: tuple[Engine, ...] = field(default=())
    silent: str = ""
    """What docker said instead of a list: what runs in containers is unknown then."""


@dataclass(frozen=True)
class Asked:
    """One engine to ask for: its log and the folder of its pid and exit files. Paths may begin with `<fact:home>`."""

    name: str
    log: str
    run_dir: str
    stem: str = ""
    """The name of its pid file, where that is not its own (the proxy is its container's entry)."""


def running(deployment: str, engines: Sequence[Asked]) -> Fact[Running]:
    """All engines of one host."""
    words = [word for one in engines for word in (one.name, one.log, one.run_dir, one.stem or one.name)]
    return Fact(sh(SCRIPT, deployment, docker.LISTING, *words, timeout=60), parse)


def parse(outcome: Outcome) -> Running:
    """Sections begin with `@`; lines of logs with a space, so that no log can begin a section."""
    sections = _sections(outcome.out)
    if not sections or sections[-1][0] != "@end":
        raise UnreadableOutput("the state of the host is cut off", outcome.out[-300:] + outcome.err[-300:])
    containers = [docker.listed(line) for head, lines in sections if head == "@containers" for line in lines if line]
    engines = [_engine(head, lines) for head, lines in sections if head.startswith("@engine ")]
    silent = [" ".join(lines[-1:]) or "no answer" for head, lines in sections if head == "@silent"]
    return Running(tuple(containers), tuple(engines), "".join(silent))


def _sections(text: str) -> list[tuple[str, list[str]]]:
    sections: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("@"):
            sections.append((line.rstrip(), []))
        elif sections:
            sections[-1][1].append(line)
    return sections


def _engine(head: str, lines: Sequence[str]) -> Engine:
    _, name, state, age, code = head.split()
    return Engine(name, state, int(age), int(code) if code != "-" else None, tuple(line[1:] for line in lines))
