"""stat: what is at a path."""

from __future__ import annotations

import stat as bits
from typing import Any

from qcluster.command import Command
from qcluster.facts.fact import Fact
from qcluster.facts.files import File, Look, look
from qcluster.modules.attributes import octal
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome

_ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_KINDS = {
    "isdir": bits.S_ISDIR, "ischr": bits.S_ISCHR, "isblk": bits.S_ISBLK, "isreg": bits.S_ISREG,
    "isfifo": bits.S_ISFIFO, "islnk": bits.S_ISLNK, "issock": bits.S_ISSOCK,
}  # fmt: skip
_BITS = {
    f"{letter}{who}": getattr(bits, f"S_I{letter.upper()}{who.upper()}")
    for who in ("usr", "grp", "oth")
    for letter in "rwx"
}


class Stat:
    """Ansible's `stat`, without what needs `file` and `lsattr` (mime types and attribute flags)."""

    spec = Spec(
        {
            "path": Option("path", required=True, aliases=("dest", "name")),
            "follow": Option("bool", default=False),
            "get_checksum": Option("bool", default=True),
            "checksum_algorithm": Option(default="sha1", choices=_ALGORITHMS, aliases=("checksum", "checksum_algo")),
            "get_mime": Option("bool", default=True, aliases=("mime", "mime_type", "mime-type")),
            "get_attributes": Option("bool", default=True, aliases=("attr", "attributes")),
        },
        help="What is at a path: kind, mode, owner, size, times, checksum.",
    )

    def probe(self, call: Call) -> Command:
        return _fact(call).command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        file = _fact(call).parse(found).file
        if not file.exists or (call.args["follow"] and file.is_link and file.followed is None):
            return Decision(values={"stat": {"exists": False}})
        return Decision(values={"stat": _values(file, call.args["follow"])})


def _fact(call: Call) -> Fact[Look]:
    return look(call.args["path"], checksum=call.args["checksum_algorithm"] if call.args["get_checksum"] else "")


def _values(file: File, follow: bool) -> dict[str, Any]:
    shown = file.followed or file if follow else file
    values: dict[str, Any] = {
        "exists": True, "path": file.path, "mode": octal(shown.permissions),
        "uid": shown.uid, "gid": shown.gid, "pw_name": shown.owner, "gr_name": shown.group, "size": shown.size,
        **{name: test(shown.mode) for name, test in _KINDS.items()},
        **{name: bool(shown.mode & bit) for name, bit in _BITS.items()},
        "isuid": bool(shown.mode & bits.S_ISUID), "isgid": bool(shown.mode & bits.S_ISGID),
        **{name: letter in file.access for name, letter in _ACCESS.items()},
        **shown.numbers,
    }  # fmt: skip
    if shown.is_link:
        values |= {"lnk_source": file.real, "lnk_target": file.target}
    if values["isreg"] and file.checksum:
        values["checksum"] = file.checksum
    return values


_ACCESS = {"readable": "r", "writeable": "w", "executable": "x"}

stat = Stat()
