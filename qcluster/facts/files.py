"""What is at some paths of a host: kind, mode, owner, times, link target, checksum, content. One sh script for all.

Every field ends with a NUL byte, so names with spaces and newlines are safe. Paths may start with `~` and hold
`$NAME`: the host's shell resolves them, as Ansible's `path` arguments do.
"""

from __future__ import annotations

import base64
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.facts.script import EXPAND
from qcluster.result import Outcome

SCRIPT = (
    EXPAND
    + r"""
form='%f %u %g %s %i %d %h %.9X %.9Y %.9Z %b %o
%U
%G'
numbered() { id -u -- "$1" 2>/dev/null; }
grouped() {
  getent group -- "$1" 2>/dev/null && return
  while IFS= read -r line; do case $line in "$1":*) printf '%s\n' "$line" ;; esac; done </etc/group
}
look() {
  expand "$1"
  printf '%s\0' "$p"
  if [ -e "$p" ] || [ -L "$p" ]; then stat -c "$form" -- "$p"; fi
  printf '\0'
  if [ -L "$p" ]; then
    if [ -e "$p" ]; then stat -L -c "$form" -- "$p"; fi
    printf '\0'; readlink -n -- "$p"; printf '\0'; readlink -nm -- "$p"; printf '\0'
  else
    printf '\0\0\0'
  fi
  case $p in */*) parent=${p%/*}/ ;; *) parent=./ ;; esac
  [ -d "$parent" ] && printf d; [ -w "$parent" ] && printf p
  [ -r "$p" ] && printf r; [ -w "$p" ] && printf w; [ -x "$p" ] && printf x
  printf '\0'
  if [ -n "$sum" ] && [ -f "$p" ] && [ -r "$p" ]; then "${sum}sum" <"$p"; fi
  printf '\0'
  if [ "$content" = yes ] && [ -f "$p" ] && [ -r "$p" ]; then base64 -w0 <"$p"; fi
  printf '\0'
}
sum=$1 content=$2 below=$3 owner=$4 group=$5
shift 5
printf '%s\0' "$#"
umask; id; printf '\0'
[ -n "$owner" ] && numbered "$owner"; printf '\0'
[ -n "$group" ] && grouped "$group"; printf '\0'
for path in "$@"; do look "$path"; done
if [ "$below" = yes ]; then
  expand "$1"
  find "$p" -mindepth 1 -exec stat --printf '%f %u %g %U\t%G\t%n\0' -- {} +
fi
printf 'end\0'
"""
)
_HEADER, _EACH = 4, 8


@dataclass(frozen=True)
class File:
    """One path as `lstat` shows it. `mode` has the kind in it; times are seconds since the epoch.

    `followed` is what a link points to, if that exists; `real` the path with all links resolved.
    """

    path: str
    exists: bool = False
    mode: int = 0
    uid: int = 0
    gid: int = 0
    owner: str = ""
    group: str = ""
    size: int = 0
    numbers: dict[str, Any] = field(default_factory=dict)
    target: str = ""
    real: str = ""
    followed: File | None = None
    access: str = ""
    checksum: str | None = None
    content: bytes | None = None

    @property
    def state(self) -> str:
        """In the words of Ansible's `file`: absent, link, directory, hard or file."""
        if not self.exists:
            return "absent"
        if self.is_link:
            return "link"
        if stat.S_ISDIR(self.mode):
            return "directory"
        return "hard" if self.numbers.get("nlink", 1) > 1 else "file"

    @property
    def permissions(self) -> int:
        return stat.S_IMODE(self.mode)

    @property
    def is_directory(self) -> bool:
        """Also through a link."""
        return stat.S_ISDIR((self.followed or self).mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def has_parent(self) -> bool:
        return "d" in self.access


@dataclass(frozen=True)
class Look:
    """Some paths of a host, and who looks. `owner_id` and `group_id` are those of the names asked for, if known.

    `below` are all entries under the first path, where asked for.
    """

    files: tuple[File, ...]
    umask: int
    uid: int
    gid: int
    user: str
    group: str
    owner_id: int | None = None
    group_id: int | None = None
    below: tuple[File, ...] = ()

    @property
    def file(self) -> File:
        return self.files[0]


def look(
    *paths: str, checksum: str = "sha1", content: bool = False, owner: str = "", group: str = "", below: bool = False
) -> Fact[Look]:
    """Ask about `paths`. `checksum` is sha1, md5, sha256, … or empty for none; `owner` and `group` are looked up."""
    asked = ["yes" if answer else "no" for answer in (content, below)]
    return Fact(sh(SCRIPT, checksum, *asked, owner, group, *paths), read)


def read(outcome: Outcome) -> Look:
    fields = outcome.stdout.split(b"\0")
    if not outcome.ok or fields[-2:] != [b"end", b""]:
        raise UnreadableOutput("files cannot be looked at", outcome.err or outcome.out)
    umask, _, identity = fields[1].decode().partition("\n")
    (uid, user), (gid, group) = (_identity(word) for word in identity.split()[:2])
    end = _HEADER + _EACH * int(fields[0])
    return Look(
        tuple(_file(fields[at : at + _EACH]) for at in range(_HEADER, end, _EACH)),
        int(umask, 8), uid, gid, user, group,
        owner_id=_number(fields[2]), group_id=_number(b"".join(fields[3].split(b":")[2:3])),
        below=tuple(_entry(text) for text in fields[end:-2]),
    )  # fmt: skip


def _identity(word: str) -> tuple[int, str]:
    """`uid=1000(somebody)` → 1000, somebody; a number without a name is its own name."""
    number, _, name = word.partition("=")[2].partition("(")
    return int(number), name.removesuffix(")") or number


def _number(text: bytes) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _entry(text: bytes) -> File:
    numbers, group, name = text.decode("utf-8", "surrogateescape").split("\t", 2)
    mode, uid, gid, owner = numbers.split(" ", 3)
    return File(name, True, int(mode, 16), int(uid), int(gid), owner, group)


def _file(record: Sequence[bytes]) -> File:
    path, here, there, target, real, access, checksum, content = record
    name = path.decode("utf-8", "surrogateescape")
    if not here:
        return File(name, access=access.decode())
    return File(
        name, **_status(here), target=target.decode("utf-8", "surrogateescape"),
        real=real.decode("utf-8", "surrogateescape") or name,
        followed=File(real.decode("utf-8", "surrogateescape"), **_status(there)) if there else None,
        access=access.decode(), checksum=checksum.decode().split(" ")[0] or None,
        content=base64.b64decode(content) if content or checksum else None,
    )  # fmt: skip


_NUMBERS = ("inode", "dev", "nlink", "atime", "mtime", "ctime", "blocks", "block_size")


def _status(text: bytes) -> dict[str, Any]:
    numbers, owner, group = text.decode().rstrip("\n").split("\n")
    mode, uid, gid, size, *rest = numbers.split(" ")
    values = (float(word) if "." in word else int(word) for word in rest)
    return {
        "exists": True, "mode": int(mode, 16), "uid": int(uid), "gid": int(gid), "size": int(size),
        "owner": uid if owner == "UNKNOWN" else owner, "group": gid if group == "UNKNOWN" else group,
        "numbers": dict(zip(_NUMBERS, values, strict=True)),
    }  # fmt: skip
