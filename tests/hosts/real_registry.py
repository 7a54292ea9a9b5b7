"""A real Docker registry that can go away and come back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from machine import end

PORT = 5000


@dataclass
class Registry:
    """`command` serves the configuration file that is put behind it. In use from `with` to its end."""

    folder: Path
    command: Sequence[str]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.folder}/registry}}}}\n"
            f"http: {{addr: ':{PORT}'}}\n",
            encoding="utf-8",
        )
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def _config(self) -> Path:
        return self.folder / "registry.yml"

    def start(self) -> None:
        with (self.folder / "registry.log").open("a") as log:
            self._process = subprocess.Popen(
                [*self.command, str(self._config)], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def stop(self) -> None:
        if self._process:
            end(self._process)
            self._process = None

    def weight(self, reference: str) -> int:
        """Bytes of the layers of an image that was pushed, as its manifest lies on the registry's disk."""
        repository, _, tag = reference.partition("/")[2].rpartition(":")
        store = self.folder / "registry/docker/registry/v2"
        link = store / "repositories" / repository / "_manifests/tags" / tag / "current/link"
        kind, _, digest = link.read_text().partition(":")
        manifest = json.loads((store / "blobs" / kind / digest[:2] / digest / "data").read_bytes())
        return sum(int(layer["size"]) for layer in manifest["layers"])

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()
