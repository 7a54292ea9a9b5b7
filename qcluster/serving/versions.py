"""Order of vllm-ascend versions: `v0.22.1rc1 < v0.23.0rc1 < v0.23.0 < v0.23.0.post1 < main`."""

from __future__ import annotations

import re

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:rc(\d+))?(?:\.post(\d+))?")
_FINAL = 10_000

Key = tuple[int, int, int, int, int]
MAIN: Key = (_FINAL, 0, 0, 0, 0)


def key(version: str) -> Key | None:
    """A sortable key, `MAIN` for main and nightly builds, None for a name that is no version."""
    if version.startswith(("main", "nightly")):
        return MAIN
    found = _VERSION.match(version)
    if not found:
        return None
    major, minor, patch, candidate, post = (int(part) if part else None for part in found.groups())
    return (major or 0, minor or 0, patch or 0, _FINAL if candidate is None else candidate, post or 0)


def older(version: str, floor: str) -> bool:
    """Whether `version` is known to be below `floor`; an unknown name is not."""
    one, other = key(version), key(floor)
    return one is not None and other is not None and one < other


def of_image(image: str) -> str:
    """The version in an image's tag (`…:v0.18.0rc1-a3` → `v0.18.0rc1`), else ''."""
    tag = image.rpartition("/")[2].partition(":")[2]
    found = _VERSION.match(tag)
    return found.group(0) if found else ("main" if tag.startswith(("main", "nightly")) else "")
