"""What the engines of these tests are made of, in the folder that `make judge` installs vLLM into.

Added to it: NIXL, which moves KV caches; vllm-ascend's source with its example proxy; a tiny model. Nothing comes from
a model hub.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "judge"))

import install

HERE = Path(__file__).parent
WEIGHTS = HERE / "tiny_weights.py"
NIXL = ("nixl==1.5.1", "nixl-cu12==1.5.1")
BUILD = ("setuptools<81", "setuptools_scm", "wheel")
ASCEND = "0.23.0.post1"
HARNESS = ("lm-eval[api]==0.4.13", "transformers==5.24.0")
"""The harness asks over HTTP, so it needs no torch; transformers for the tokenizer."""
ENTRY_POINT = "[vllm.general_plugins]\nascend_shim = ascend_shim:register\n"


@dataclass(frozen=True)
class Parts:
    """Folders: vLLM's programs, vllm-ascend's source, the model, and what goes into PYTHONPATH."""

    root: Path

    @property
    def programs(self) -> Path:
        return self.root / "venv/bin"

    @property
    def source(self) -> Path:
        return self.root / f"vllm_ascend-{ASCEND}"

    @property
    def model(self) -> Path:
        return self.root / f"tiny-{hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]}"

    @property
    def wide(self) -> Path:
        """A model with more words: `vllm bench latency` makes its prompts of any token below 10,000."""
        return self.model.with_name(f"{self.model.name}-wide")

    @property
    def plugin(self) -> Path:
        return self.root / "plugin"


def ready(root: Path) -> Parts:
    """All of it, installed where it is missing."""
    install.main(root)
    parts = Parts(root)
    if not _imports(parts, "nixl"):
        install.pip(root, "install", "--no-deps", *NIXL)
    if not parts.source.exists():
        _source(parts)
    if not parts.model.exists():
        _model(parts, parts.model)
    if not parts.wide.exists():
        _model(parts, parts.wide, "10240")
    _plugin(parts)
    return parts


def harness(parts: Parts) -> Path:
    """The folder of `lm_eval`, in an environment of its own: it must not change what vLLM was installed with."""
    folder = parts.root / "harness"
    stamp = folder / "done"
    if not stamp.exists() or stamp.read_text() != str(HARNESS):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = (folder / "bin/python", "-m", "pip", "-qq", "--disable-pip-version-check")
        subprocess.run([*pip, "install", *HARNESS], check=True)
        stamp.write_text(str(HARNESS))
    return folder / "bin"


def _imports(parts: Parts, name: str) -> bool:
    return subprocess.run([parts.programs / "python", "-c", f"import {name}"], capture_output=True).returncode == 0


def _model(parts: Parts, folder: Path, *vocabulary: str) -> None:
    """Whole or absent; its name changes with the program that makes it."""
    made = folder.with_suffix(".new")
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([parts.programs / "python", WEIGHTS, made, *vocabulary], check=True, env=environ, timeout=300)
    made.rename(folder)


def _source(parts: Parts) -> None:
    """vllm-ascend as it lies on the package index. Asked for its metadata it would want a compiler for NPUs."""
    builder, wheels = parts.root / "builder", parts.root / "wheels"
    subprocess.run([sys.executable, "-m", "venv", builder], check=True)
    pip = (builder / "bin/python", "-m", "pip", "-qq", "--disable-pip-version-check")
    subprocess.run([*pip, "install", *BUILD], check=True)
    environ = {**os.environ, "SOC_VERSION": "ascend910b1", "COMPILE_CUSTOM_KERNELS": "0"}
    fetch = ("download", "--no-deps", "--no-build-isolation", "-d", wheels, f"vllm-ascend=={ASCEND}")
    subprocess.run([*pip, *fetch], check=True, env=environ)
    with tarfile.open(wheels / f"vllm_ascend-{ASCEND}.tar.gz") as archive:
        archive.extractall(parts.root, filter="data")


def _plugin(parts: Parts) -> None:
    """The plugin as an installed distribution, seen only by who has this folder in PYTHONPATH."""
    info = parts.plugin / "ascend_shim-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ascend_shim\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINT)
    link = parts.plugin / "ascend_shim"
    link.unlink(missing_ok=True)
    link.symlink_to(HERE / "ascend_shim")
