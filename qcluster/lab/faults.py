"""What is broken in a lab: an empty or one-line file per fault, `LAB/faults/NAME/KEY`, read by the simulated tools.

KEY is `HOST`, `HOST:NPU`, `HOST:HOST` (from the first to the second) or a tag, as the fault's row in `FAULTS` says.
A test may write the files itself; `qcluster lab fault` does it for people.
"""

from __future__ import annotations

from pathlib import Path


def is_set(lab: Path, name: str, key: str) -> bool:
    return (lab / "faults" / name / key).exists()


def is_down(lab: Path, host: str) -> bool:
    """The host answers nothing: its listener is closed, its connections are cut."""
    return is_set(lab, "host-down", host)


def blocks(lab: Path, source: str, target: str, port: int) -> bool:
    """A firewall refuses TCP from `source` to `target` (other than SSH)."""
    key = lab / "faults" / "firewall" / f"{source}:{target}"
    if not target or source == target or not key.exists():
        return False
    ports = key.read_text().split()
    return not ports or str(port) in ports
