"""Loaded by the interpreter of a simulated image: what the image holds can be imported and asked for its version."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from types import ModuleType
from typing import Any

ROOT = os.environ.get("QCLUSTER_LAB_ROOT", "")
LAB, _, HOST = ROOT.rpartition("/hosts/")
OWN = os.environ.get("QCLUSTER_LAB_IMAGE", "").rpartition(":v")[2].partition("-")[0] or "0.23.0"
MOONCAKE = "0.3.9" if OWN < "0.23" else "0.3.11.post1"
PACKAGES = {
    "vllm": OWN.partition("rc")[0],
    "vllm-ascend": OWN,
    "mooncake-transfer-engine-npu": MOONCAKE,
    "torch-npu": "2.10.0",
}
MODULES = ("vllm", "vllm_ascend", "mooncake", "mooncake.engine", "torch_npu", "lm_eval")


class Made(Distribution):
    """A package that is installed in the image."""

    def __init__(self, name: str):
        self._name = name

    def read_text(self, filename: str) -> str | None:
        return f"Name: {self._name}\nVersion: {PACKAGES[self._name]}\n" if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return path


class Inside(DistributionFinder, Loader):
    """Finds the image's modules (empty ones, with a version) and packages."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        missing = name.startswith("mooncake") and os.path.exists(f"{LAB}/faults/no-mooncake/{HOST}")
        if name not in MODULES or missing:
            return None
        spec = ModuleSpec(name, self, is_package=True)
        spec.submodule_search_locations = [f"{LAB}/image/{name}"]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__version__ = PACKAGES.get(module.__name__.replace("_", "-"), MOONCAKE)  # type: ignore[attr-defined]

    def find_distributions(self, context: Any = None) -> Iterator[Distribution]:
        wanted = getattr(context, "name", None)
        for name in PACKAGES:
            if wanted is None or wanted.lower().replace("_", "-") == name:
                yield Made(name)


sys.meta_path.insert(0, Inside())
