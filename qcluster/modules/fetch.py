"""fetch: a file of the host to the controller."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from qcluster.errors import TaskFailed
from qcluster.facts.files import File, look
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.content import sha1


class Fetch:
    """Ansible's `fetch`: below `dest/HOST/`, or at `dest` itself with `flat`."""

    supports_check = False
    spec = Spec(
        {
            "src": Option("path", required=True),
            "dest": Option("path", required=True, help="A folder of the controller."),
            "flat": Option("bool", default=False),
            "fail_on_missing": Option("bool", default=True),
            "validate_checksum": Option("bool", default=True),
        },
        help="Copy a file of the host to the controller.",
    )

    def run(self, call: Call, reach: Reach) -> Report:
        fact = look(call.args["src"], content=True)
        file = fact.parse(reach.transport.run(fact.command)).file
        wrong = _missing(file)
        if wrong:
            return _refused(call, file, wrong)
        assert file.content is not None
        try:
            return _saved(file, file.content, _place(call, file.path))
        except (TaskFailed, OSError) as error:
            return Report(failed=str(error))


def _missing(file: File) -> str:
    if not file.exists:
        return "the remote file does not exist, not transferring"
    if file.is_directory:
        return "remote file is a directory, fetch cannot work on directories"
    return "" if "r" in file.access else f"File is not readable: {file.path}"


def _refused(call: Call, file: File, wrong: str) -> Report:
    if call.args["fail_on_missing"]:
        return Report(failed=wrong)
    return Report(values={"file": file.path, "msg": f"{wrong}, ignored"})


def _place(call: Call, source: str) -> Path:
    dest = Path(call.args["dest"]).expanduser()
    base = Path(str(call.variables.get("playbook_dir") or "."))
    if not call.args["flat"]:
        return Path(os.path.normpath(base / dest / call.host / source.lstrip("/")))
    if call.args["dest"].endswith("/"):
        dest = dest / Path(source).name
    if dest.is_dir():
        raise TaskFailed(f"{dest} is an existing folder: end `dest` with a slash to fetch into it")
    return Path(os.path.normpath(base / dest))


def _mode(file: File, place: Path) -> int:
    """That of the file that was there, else that of the host's, as sftp makes it: a private key stays private."""
    if place.exists():
        return stat.S_IMODE(place.stat().st_mode)
    return ((file.followed or file).permissions & 0o755) | stat.S_IWUSR


def _saved(file: File, data: bytes, place: Path) -> Report:
    checksum = sha1(data)
    values: dict[str, Any] = {
        "dest": str(place),
        "checksum": checksum,
        "md5sum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
    }
    if place.is_file() and sha1(place.read_bytes()) == checksum:
        return Report(values={**values, "file": file.path})
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as new:
        new.write(data)
    Path(new.name).chmod(_mode(file, place))
    Path(new.name).rename(place)
    return Report(changed=True, values={**values, "remote_checksum": checksum, "remote_md5sum": None})


fetch = Fetch()
