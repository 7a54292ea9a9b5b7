"""What a simulated host finds on its disk: `/etc/hccn.conf`, `/dev/davinci*`, the driver's version, the NPU fabric."""

from __future__ import annotations

from qcluster.lab.layout import Lab, LabHost


def furnish(lab: Lab) -> None:
    """Lay out every host that has no directory yet. What exists is left alone: it is the host's state."""
    for host in lab.hosts.values():
        if not lab.root(host.name).exists():
            _lay_out(lab, host)


def _lay_out(lab: Lab, host: LabHost) -> None:
    (lab.root(host.name) / "home").mkdir(parents=True)
