"""A pull with a terminal of its own: what docker draws there, as moby's jsonmessage.go writes it, becomes bytes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from qcluster.facts.onhost import program

ONE, TWO = "0123456789ab", "fedcba987654"
DRAWN = [
    f"{ONE}: Pulling fs layer",
    f"{TWO}: Pulling fs layer",
    f"{ONE}: Downloading [=====>       ]  10.5MB/100MB",
    f"{TWO}: Downloading     512kB/20MB",
    f"{ONE}: Downloading [=========>   ]  60MB/100MB  3s",
    f"{TWO}: Already exists",
    f"{ONE}: Verifying Checksum",
    f"{ONE}: Download complete",
    f"{ONE}: Extracting [====>      ]  50MB/100MB",
    f"{ONE}: Pull complete",
]
DOCKER = """\
[ "$1" = pull ] || exit 0
echo "$*" >>"$STATE/calls"
case $* in *down.example*) echo "Error response from daemon: manifest unknown" >&2; exit 1 ;; esac
[ -t 1 ] || { echo "no terminal"; exit 9; }
printf 'v1: Pulling from ascend/vllm-ascend\\n'
while read -r line; do printf '\\033[2A\\033[2K\\r%s\\r\\033[2B' "$line"; done <"$STATE/drawn"
printf '\\nDigest: sha256:abc\\n'
"""


def pull(folder: Path, *references: str, platform: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "bin").mkdir()
    (folder / "bin/docker").write_text("#!/bin/sh\n" + DOCKER)
    (folder / "bin/docker").chmod(0o755)
    (folder / "drawn").write_text("\n".join(DRAWN) + "\n")
    env = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "STATE": str(folder)}
    words = ["sh", "-s", "--", platform, *references]
    return subprocess.run(words, input=program("image_pull.sh"), env=env, text=True, capture_output=True, timeout=60)


def test_bytes_of_all_layers_are_told(tmp_path: Path) -> None:
    done = pull(tmp_path, "down.example/a/v:1", "quay.io/a/v:1", platform="linux/arm64")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("bytes")] == [
        "bytes 10500000 100000000",
        "bytes 60512000 120000000",
        "bytes 80000000 120000000",
        "bytes 120000000 120000000",
    ]
    assert "got quay.io/a/v:1" in lines and "Digest: sha256:abc" in lines
    assert f"{ONE}: Pull complete" in lines
    assert not any("\x1b" in line or "Extracting" in line for line in lines)
    assert (tmp_path / "calls").read_text().splitlines() == [
        "pull --platform linux/arm64 down.example/a/v:1",
        "pull --platform linux/arm64 quay.io/a/v:1",
    ]


def test_what_no_registry_gives_fails_with_what_they_said(tmp_path: Path) -> None:
    done = pull(tmp_path, "down.example/a/v:1")
    assert done.returncode == 1
    assert "manifest unknown" in done.stdout
