"""Model weights in a folder on a host: complete or not, and a manifest (size, sha256) that is computed once.

The manifest lies beside the weights (`.qcluster-manifest`; for a folder that was given, in this tool's own folder) with
one line a file: sha256, size, modification time, name. Source: issue 5, Weights; facts §5.3.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.facts.jobs import Job
from qcluster.facts.ports import split
from qcluster.result import Outcome

LOOK = r"""
# is every file of the manifest there, as large and as old as when it was hashed; is every shard of the index there
path=$1 manifest=$2
echo ==files
if [ -s "$manifest" ] && cd "$path" 2>/dev/null; then
  while read -r sum size stamp name; do
    if [ "$(stat -c '%s %Y' "$name" 2>/dev/null)" = "$size $stamp" ]; then echo "ok $sum $size $name"
    else echo "bad $sum $size $name"; fi
  done <"$manifest"
fi
echo ==absent
cd "$path" 2>/dev/null && for index in *.safetensors.index.json; do
  [ -e "$index" ] || continue
  grep -o '"[^"/]*\.safetensors"' "$index" | tr -d '"' | sort -u | while read -r shard; do
    [ -s "$shard" ] || echo "$shard"
  done
done
echo ==folder
[ -d "$path" ] && echo yes
echo ==type; df -PT "$path" 2>/dev/null | tail -n 1 | tr -s ' ' | cut -d' ' -f2
echo ==end
"""

FETCH = r"""
# one download at a time, also among hosts that share the folder; then the manifest
path=$1 manifest=$2 how=$3 id=$4 image=$5 cache=$6 after=$7 reference=$8
lock=$path.lock
mkdir -p "$(dirname "$path")" || exit 73

fresh() { # has the holder touched the lock within a minute? judged by the file system's own clock
  : >"$lock.$$" && old=$(find "$lock" -maxdepth 0 -mmin +1 2>/dev/null); rm -f "$lock.$$"
  [ -z "$old" ]
}
while ! mkdir "$lock" 2>/dev/null; do
  if fresh; then echo "waiting: $(cat "$lock/owner" 2>/dev/null) downloads"; sleep 2
  else echo "taking over the lock of $(cat "$lock/owner" 2>/dev/null), which is gone"; rm -rf "$lock"; fi
done
hostname >"$lock/owner" 2>/dev/null || uname -n >"$lock/owner"
beat() { # keeps the lock fresh, and says how far it is
  while [ -d "$lock" ] && kill -0 "$$" 2>/dev/null; do
    touch "$lock"
    [ ! -d "$path" ] || echo "bytes $(du -sb "$path" | cut -f1)"
    sleep 2
  done
}
beat &
beat=$!
trap 'kill "$beat" 2>/dev/null; rm -rf "$lock"' EXIT
trap 'exit 143' TERM INT HUP

complete() { # another host may have done it meanwhile
  [ -s "$manifest" ] && cd "$path" 2>/dev/null && while read -r sum size stamp name; do
    [ "$(stat -c '%s %Y' "$name" 2>/dev/null)" = "$size $stamp" ] || exit 1
  done <"$manifest"
}
if (complete); then echo "already complete"; exit 0; fi

tool() { # modelscope or hf: the host's own, else the image's
  if command -v "$1" >/dev/null; then "$@"; return; fi
  if [ -z "$image" ]; then echo "neither $1 nor an image to run it in"; return 127; fi
  until docker image inspect "$image" >/dev/null 2>&1; do
    code=$(cat "$after/exit" 2>/dev/null)
    if [ -n "$code" ] && [ "$code" != 0 ]; then echo "the image that holds $1 could not be pulled"; return 1; fi
    echo "waiting for the image that holds $1"
    sleep 2
  done
  docker run --rm --net=host -v "$(dirname "$path"):$(dirname "$path")" -v "$cache:$cache" \
    -e MODELSCOPE_CACHE="$cache" -e HF_HOME="$cache" -e MODELSCOPE_ENDPOINT -e HF_ENDPOINT "$image" "$@"
}
export MODELSCOPE_CACHE="$cache" HF_HOME="$cache"
mkdir -p "$cache"
case $how in
  modelscope) tool modelscope download --model "$id" --local_dir "$path" || exit ;;
  huggingface) tool hf download "$id" --local-dir "$path" || exit ;;
  rsync) rsync -a --partial --delay-updates "$id/" "$path/" || exit ;;
  path) [ -d "$path" ] || { echo "no such folder: $path"; exit 66; } ;;
esac
cd "$path" || exit 66
echo "hashing"
names() { find . -type f ! -name '.*' ! -path './.*' -size +0c | sed 's,^\./,,' | sort | tr '\n' '\0'; }
sums=$(names | xargs -0 -r -n 1 -P 4 sha256sum) || exit
mkdir -p "$(dirname "$manifest")"
printf '%s\n' "$sums" | sort -k 2 | while read -r sum name; do
  name=${name#\*}
  printf '%s %s %s\n' "$sum" "$(stat -c '%s %Y' "$name")" "$name"
done >"$manifest.new" || exit
if [ -n "$reference" ]; then
  mine=$(awk '{print $1, $2, $4}' "$manifest.new" | sha256sum | cut -d' ' -f1)
  [ "$mine" = "$reference" ] || { echo "the files differ from the pinned manifest: $mine, wanted $reference"; exit 65; }
fi
[ -s "$manifest.new" ] || { echo "$path holds no files"; exit 66; }
mv -f "$manifest.new" "$manifest"
"""


@dataclass(frozen=True)
class File:
    """`intact` is false where size or time differ from the manifest, or the file is gone."""

    name: str
    size: int
    sha256: str
    intact: bool


@dataclass(frozen=True)
class Weights:
    """What a look found. `missing` are shards that the safetensors index names and the folder lacks."""

    files: tuple[File, ...]
    missing: tuple[str, ...]
    folder: bool
    filesystem: str

    @property
    def complete(self) -> bool:
        return bool(self.files) and all(file.intact for file in self.files) and not self.missing

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def manifest(self) -> str:
        """One sha256 over hash, size and name of every file: equal on two hosts means the same weights."""
        lines = sorted(f"{file.sha256} {file.size} {file.name}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Source:
    """Where weights come from. `how` is modelscope, huggingface, rsync or path; `id` a hub id or an rsync source."""

    how: str
    id: str
    path: str
    manifest: str
    image: str = ""
    cache: str = ""
    image_job: str = ""
    pinned: str = ""


def look(path: str, manifest: str) -> Fact[Weights]:
    return Fact(sh(LOOK, path, manifest, timeout=120), parse)


def fetch(source: Source, job_dir: str, limit: int) -> Job:
    """The download as a detached job; whoever runs it again attaches to it."""
    key = f"{source.how} {source.id} {source.path}"
    args = (source.path, source.manifest, source.how, source.id, source.image, source.cache, source.image_job)
    return Job(job_dir, key, FETCH, (*args, source.pinned), limit)


def parse(outcome: Outcome) -> Weights:
    part = split(outcome.out)
    if "end" not in part:
        raise UnreadableOutput("the look at the weights is cut off", outcome.out[-300:] + outcome.err[-300:])
    rows = [line.split(" ", 3) for line in part.get("files", [])]
    files = tuple(File(row[3], int(row[2]), row[1], row[0] == "ok") for row in rows if len(row) == 4)
    filesystem = (part.get("type") or [""])[0].strip()
    return Weights(files, tuple(part.get("absent", [])), "yes" in part.get("folder", []), filesystem)
