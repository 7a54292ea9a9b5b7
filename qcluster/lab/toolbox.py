"""Puts the simulated tools on a lab's PATH."""

from __future__ import annotations

from qcluster.lab.layout import Lab


def fill(lab: Lab) -> None:
    (lab.directory / "bin").mkdir(exist_ok=True)
