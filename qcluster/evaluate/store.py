"""Results on the controller: `.qcluster/results/<time>-<kind>/`.

request.json       what was asked, written first: an unfinished evaluation is gone on with
points/NAME.json   a point that has been measured, written whole
raw/NAME/          what the tool wrote, and its log
result.json        all of it with the verdict (docs/schemas/evaluation.json)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcluster.evaluate.model import Evaluation, Measured, Request, as_json, evaluation_of, measured_of, request_of


def create(root: Path, stamp: str, request: Request) -> Path:
    """A new folder for `request`. `stamp` is the time as it should stand in the name."""
    name, count = f"{stamp}-{request.kind}", 1
    while (root / name).exists():
        count += 1
        name = f"{stamp}.{count}-{request.kind}"
    (root / name / "points").mkdir(parents=True)
    save(root / name / "request.json", as_json(request))
    return root / name


def save(path: Path, document: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def keep(folder: Path, measured: Measured, files: Mapping[str, bytes]) -> None:
    """A point's own files, then the point: once that is there, the point counts as done."""
    raw = folder / "raw" / measured.point.name
    raw.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (raw / name).write_bytes(data)
    save(folder / "points" / f"{measured.point.name}.json", as_json(measured))


def discard(folder: Path) -> None:
    """Forget an evaluation in which nothing was measured."""
    if (folder / "result.json").exists() or any((folder / "points").iterdir()):
        return
    shutil.rmtree(folder)


def folders(root: Path) -> list[Path]:
    """All evaluations below `root`, newest last. What another version wrote and this one cannot read is left out."""
    return sorted(path.parent for path in root.glob("*/request.json") if _readable(path.parent))


def _readable(folder: Path) -> bool:
    try:
        request_in(folder)
        evaluation_in(folder)
    except (ValueError, KeyError, OSError):
        return False
    return True


def request_in(folder: Path) -> Request:
    return request_of(json.loads((folder / "request.json").read_text(encoding="utf-8")))


def measured_in(folder: Path) -> tuple[Measured, ...]:
    """The points that are there, in the order they were asked for."""
    known = {
        path.stem: measured_of(json.loads(path.read_text(encoding="utf-8")))
        for path in (folder / "points").glob("*.json")
        if not path.name.startswith(".")
    }
    return tuple(known[point.name] for point in request_in(folder).points if point.name in known)


def evaluation_in(folder: Path) -> Evaluation:
    """The finished one, or what there is of one that was interrupted."""
    path = folder / "result.json"
    if path.exists():
        return evaluation_of(json.loads(path.read_text(encoding="utf-8")))
    started = (folder / "request.json").stat().st_mtime
    return Evaluation(folder.name, request_in(folder), started, False, measured_in(folder))


def unfinished(root: Path, request: Request) -> Path | None:
    """The newest evaluation when it is the same request and points of it are missing."""
    same = [folder for folder in folders(root) if request_in(folder) == request]
    if same and not evaluation_in(same[-1]).complete:
        return same[-1]
    return None
