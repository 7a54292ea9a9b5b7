"""What a model hub has of a model. Runs where the hub's own tool is. usage: hub.py modelscope|huggingface ID"""

from __future__ import annotations

import sys
from collections.abc import Iterator


def modelscope(name: str) -> Iterator[tuple[str, int, str]]:
    """Checksum (or `-`), size in bytes, and name of every file. Since 1.38 a folder is listed like a file."""
    from modelscope.hub.api import HubApi

    listed = HubApi().get_model_files(name, recursive=True)
    parents = {one["Path"].rpartition("/")[0] for one in listed}
    for one in listed:
        if one.get("Type", "blob") == "blob" and one["Path"] not in parents:
            yield one.get("Sha256") or "-", int(one.get("Size") or 0), one["Path"]


def huggingface(name: str) -> Iterator[tuple[str, int, str]]:
    """The same; only large files have a sha256 there."""
    from huggingface_hub import HfApi

    for one in HfApi().model_info(name, files_metadata=True).siblings or []:
        yield (one.lfs.sha256 if one.lfs else "-"), one.size or 0, one.rfilename


if __name__ == "__main__":
    for checksum, size, path in {"modelscope": modelscope, "huggingface": huggingface}[sys.argv[1]](sys.argv[2]):
        sys.stdout.write(f"hub {checksum} {size} {path}\n")
