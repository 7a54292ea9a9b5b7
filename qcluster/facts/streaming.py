"""Files from host to host: an HTTP server on the source for the time it takes, and who gets them from there.

The server runs with the host's python3, else in a container of the image; whoever receives needs bash. Nobody logs in
from host to host. The programs are in `onhost/`. Source: issue 6, Weights and Image.
"""

from __future__ import annotations

from dataclasses import dataclass

from qcluster.command import Command, sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.facts.jobs import Job
from qcluster.facts.onhost import program
from qcluster.result import Outcome

IDLE = 120
"""Seconds after which a server ends that nobody asks for anything; who receives asks every 20."""
CUT_OFF = 69
"""What `receive` exits with where the other host is not to be reached, or has failed itself."""

PORT = r"""
dir=$1 tries=$2 job=$3
[ "$(cat "$job/exit" 2>/dev/null || echo 0)" = 0 ] || rm -f "$job/exit" # of an earlier try
while [ ! -s "$dir/port" ] && [ "$tries" -gt 0 ] && [ ! -s "$dir/exit" ]; do
  sleep 0.2
  tries=$((tries - 1))
done
cat "$dir/port" 2>/dev/null || { tail -n 3 "$dir/log"; exit 1; }
cat "$dir/token"
"""

SHARED = r"""
# Who else sees what this host writes: every host writes a file of its own name, and then looks for all the names.
what=$1 folder=$2 mark=$3; shift 3
case $what in
  write) mkdir -p "$folder" && : >"$folder/$mark" ;;
  look) for name in "$@"; do [ -e "$folder/$name" ] && echo "$name"; done; echo end ;;
  remove) rm -f "$folder/$mark" ;;
esac
"""

RECEIVE = """\
command -v bash >/dev/null || { echo "no bash on this host: it cannot receive files"; exit 69; }
exec bash -c "$@"
"""


@dataclass(frozen=True)
class Shelf:
    """What a host serves: the files of `listing` in `folder`, on `address`, to `times` hosts.

    `job` is the folder of the job that fills it; `sweep` is removed when the server ends.
    """

    folder: str
    listing: str
    address: str
    job: str
    image: str = ""
    times: int = 1
    sweep: str = ""


@dataclass(frozen=True)
class Parcel:
    """What a host receives into `folder`: the manifest it then has, and the list of what is to come."""

    folder: str
    manifest: str
    listing: str
    peer: str
    source: str


def serve(shelf: Shelf, job_dir: str, limit: int) -> Job:
    """The server, as a detached job. It ends when the other host has everything, or when nobody asks any more."""
    where = (job_dir, shelf.folder, shelf.listing, shelf.address, shelf.image, shelf.job)
    args = (*where, str(IDLE), str(shelf.times), shelf.sweep, program("serve.py"))
    return Job(job_dir, f"serve {shelf.folder} {shelf.address}", program("serve.sh"), args, limit)


def receive(parcel: Parcel, job_dir: str, limit: int) -> Job:
    """The other end. It exits with `CUT_OFF` where its source is not to be had."""
    script = program("lock.sh", "receive.sh")
    args = (script, "receive", parcel.folder, parcel.manifest, parcel.peer, parcel.listing, parcel.source)
    return Job(job_dir, f"receive {parcel.folder} from {parcel.source}", RECEIVE, args, limit)


def port(job_dir: str, shelf: Shelf, seconds: int = 60) -> Fact[tuple[str, str]]:
    """Port and token of a server that has just been started."""
    command = sh(PORT, job_dir, str(seconds * 5), shelf.job, timeout=seconds + 30).with_(secret=True)
    return Fact(command, parse_port)


def parse_port(outcome: Outcome) -> tuple[str, str]:
    words = outcome.out.split()
    if not outcome.ok or len(words) != 2 or not words[0].isdigit():
        raise UnreadableOutput("no server came up", "" if outcome.ok else outcome.out + outcome.err)
    return words[0], words[1]


def mark(what: str, folder: str, name: str, names: tuple[str, ...] = ()) -> Command:
    """One step of finding out who shares a folder: write, look or remove."""
    return sh(SHARED, what, folder, name, *names, timeout=60)
