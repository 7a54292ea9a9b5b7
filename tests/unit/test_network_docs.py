"""The documented findings are those of the catalogue."""

from __future__ import annotations

from pathlib import Path

from qcluster.network.findings import catalogue


def test_every_finding_is_documented():
    page = (Path(__file__).parents[2] / "docs/verify-network.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `") and "--" not in line.split("|")[1]]
    assert rows == [f"| `{e.id}` | {e.cause} | {e.verdict} | {e.source} |" for e in catalogue().values()]
