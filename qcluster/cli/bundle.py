"""`qcluster logs --bundle FILE`: what an expert elsewhere needs, of all hosts and of this side, in one archive."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from qcluster import __version__
from qcluster.cli.hidden import secrets_known
from qcluster.cli.kept import RUNS
from qcluster.cli.session import Session
from qcluster.command import sh
from qcluster.errors import InputError, QclusterError
from qcluster.facts.bundle import bundle
from qcluster.report import journal
from qcluster.report.serialise import MASK
from qcluster.serving import show
from qcluster.serving.plan import HostPlan, as_json
from qcluster.spelling import counted

BYTES = 2_000_000
"""The end of each file that is taken."""
LAST_RUNS = 5

_NAME = r"[\w.-]*(?:api[_-]?key|password|passwd|passphrase|secret|(?:auth|access|hf|hub)[_-]?token|_TOKEN)"
_SECRET = re.compile(
    rf"""({_NAME}["']?[ \t]*[:=][ \t]*["'\[]*|--{_NAME}[ ]+|\bbearer[ ](?=\S*[\d_-]))([^\s"',}}\]\[$]{{4,}})""",
    re.IGNORECASE,
)
"""A name that says it is secret, and what stands behind it; `$(cat FILE)` and `$NAME` are none."""

_KEY = 'case $1 in "<fact:home>"*) set -- "$HOME${1#"<fact:home>"}" ;; esac\ncat "$1" 2>/dev/null || :\n'


def write_bundle(session: Session, target: Path) -> None:
    """Write the archive. A host that cannot be asked is a file in it that says why, never a failure."""
    assert session.plan is not None
    if not target.absolute().parent.is_dir():
        raise InputError(f"--bundle {target}: there is no folder {target.absolute().parent}")
    session.mask.learn(*secrets_known(session.inventory, {}), *_keys(session))
    part = target.with_name(f".{target.name}.part")
    try:
        with tarfile.open(part, "w:gz") as archive:
            _fill(session, archive, target.name.partition(".")[0])
        part.replace(target)
    except OSError as error:
        raise InputError(f"--bundle {target}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    click.echo(
        f"{target}: {target.stat().st_size / 1e6:.1f} MB; secrets that are known are replaced by {MASK}", err=True
    )


def _fill(session: Session, archive: tarfile.TarFile, top: str) -> None:
    assert session.plan is not None
    with ThreadPoolExecutor(max_workers=8) as pool:
        jobs = [(host.name, pool.submit(_asked, session, host)) for host in session.plan.hosts]
        notes = []
        for name, job in jobs:
            files = job.result()
            notes += [f"{name}: {files['UNREACHABLE.txt'].strip()}"] if "UNREACHABLE.txt" in files else []
            click.echo(f"{name}: {counted(len(files), 'file')}, {sum(map(len, files.values())) / 1e6:.1f} MB", err=True)
            for path, text in files.items():
                _add(session, archive, f"{top}/hosts/{name}/{path}", text)
    for path, text in _own(session, notes):
        _add(session, archive, f"{top}/{path}", text)


def _asked(session: Session, host: HostPlan) -> dict[str, str]:
    assert session.plan is not None
    question = bundle(host.state_dir, session.plan.deployment, BYTES)
    try:
        return question.parse(session.fleet[host.name].run(question.command))
    except QclusterError as error:
        return {"UNREACHABLE.txt": f"{error}\n"}


def _own(session: Session, notes: list[str]) -> Iterator[tuple[str, str]]:
    """What this side knows: the plan, how the inventory resolves it, and the journal of the last runs."""
    assert session.plan is not None
    stamp = time.strftime("%Y-%m-%d %H:%M:%S %z")
    head = f"{session.plan.deployment}, {stamp}, qcluster {__version__}, inventory {session.path}\n"
    yield "README.txt", head + "".join(f"{note}\n" for note in notes)
    yield "plan.json", _json(as_json(session.plan))
    yield (
        "plan.txt",
        "\n".join([*show.summary(session.plan), *show.ports(session.plan), *show.notes(session.plan)]) + "\n",
    )
    for folder in journal.runs(RUNS)[-LAST_RUNS:]:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            text = path.read_text(encoding="utf-8", errors="replace")[-BYTES * 5 :]
            yield f"runs/{folder.name}/{path.relative_to(folder)}", text


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"


def _add(session: Session, archive: tarfile.TarFile, path: str, text: str) -> None:
    data = redacted(str(session.mask(text))).encode("utf-8", "replace")
    info = tarfile.TarInfo(path)
    info.size, info.mtime, info.mode = len(data), int(time.time()), 0o644
    archive.addfile(info, io.BytesIO(data))


def redacted(text: str) -> str:
    """What stands behind a name that says it is a secret goes, also where nobody told this tool of it."""
    return _SECRET.sub(rf"\1{MASK}", text)


def _keys(session: Session) -> Iterator[str]:
    """The API keys that the hosts keep, so that no log shows them."""
    assert session.plan is not None
    for host in session.plan.hosts:
        try:
            yield session.fleet[host.name].run(sh(_KEY, f"{host.state_dir}/api_key", timeout=30)).out.strip()
        except QclusterError:
            continue
