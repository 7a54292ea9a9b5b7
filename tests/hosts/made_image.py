"""The image of these tests: a shell, coreutils and python3, with the lab's simulated `vllm`, proxy and tools.

It stands where quay.io/ascend/vllm-ascend stands on real hosts, under the same repository and tag.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from pathlib import Path

from real_hosts import HERE, REGISTRY, Machine

import qcluster
from qcluster.lab import toolbox

PROJECT = "/opt/qcluster"
EXAMPLES = "vllm-workspace/vllm-ascend/examples/disaggregated_prefill_v1"


def push(machine: Machine, tag: str) -> str:
    """Build on `machine` and push to the registry; the reference."""
    reference = f"{REGISTRY}/ascend/vllm-ascend:{tag}"
    with tempfile.TemporaryDirectory() as folder:
        machine.run(
            "sh", "-c", "rm -rf /opt/image; mkdir -p /opt/image; tar -C /opt/image -xf -", stdin=_tar(Path(folder))
        )
    script = (HERE / "image.sh").read_bytes()
    machine.run("sh", "-s", "--", reference, "/opt/image", stdin=script)
    return reference


def _tar(folder: Path) -> bytes:
    tools = folder / "usr/local/bin"
    toolbox.install(tools, Path(PROJECT))
    for tool in tools.iterdir():
        tool.write_text(tool.read_text().replace(toolbox.interpreter(), "/usr/bin/python3"))
    for name in tools.glob("load_balance_proxy*.py"):
        target = folder / EXAMPLES / name.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, target)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(folder, ".")
        package = Path(qcluster.__file__).parent
        for part in ("__init__.py", "lab"):
            tar.add(package / part, f".{PROJECT}/qcluster/{part}", filter=_sources)
    return stream.getvalue()


def _sources(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
