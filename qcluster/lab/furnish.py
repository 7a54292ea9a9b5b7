"""What a simulated host finds on its disk: `/etc/hccn.conf`, `/dev/davinci*`, the driver's version, its NPUs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qcluster.lab.layout import Lab, LabHost

NETMASK = "255.255.0.0"
GATEWAY = "11.12.0.1"
SERVERS_IN_POD = 48


def furnish(lab: Lab) -> None:
    """Lay out every host that is new, or another machine than before. What exists is left alone: it is its state."""
    (lab.directory / "fabric").mkdir(exist_ok=True)
    (lab.directory / "faults").mkdir(exist_ok=True)
    (lab.directory / "addresses").mkdir(exist_ok=True)
    for host in lab.hosts.values():
        (lab.directory / "addresses" / host.address).write_text(host.name)
        said = lab.root(host.name) / "lab" / "host"
        if not said.exists() or said.read_text() != host_file(host):
            lay_out(lab, host)


def sweep(lab: Lab) -> None:
    """Forget what earlier processes held on NPUs: their ids may belong to somebody else by now."""
    for held in lab.directory.glob("hosts/*/lab/use/*/*"):
        root = f"QCLUSTER_LAB_ROOT={held.parents[3]}".encode()
        environ = Path(f"/proc/{held.name}/environ")
        try:
            lives = root in environ.read_bytes().split(b"\0")
        except OSError:
            lives = False
        if not lives:
            held.unlink(missing_ok=True)


def lay_out(lab: Lab, host: LabHost) -> None:
    """Write all of one host's files."""
    root = lab.root(host.name)
    for old in [*root.glob("dev/davinci*"), *root.glob("lab/npu/*")]:
        old.unlink()
    tools = "usr/local/Ascend/driver/tools"
    for folder in ("home", "lab/npu", "lab/use", "etc", "dev", tools, CANN, "proc/sys/net/ipv4"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for npu in host.npus:
        (root / f"lab/npu/{npu}").write_text(npu_file(host, npu))
        (root / f"lab/use/{npu}").mkdir(exist_ok=True)
        (root / f"dev/davinci{npu}").touch()
        for address in (device_ip(host, npu), vnic_ip(host, npu)):
            (lab.directory / "fabric" / address).write_text(f"{host.name} {npu}\n")
    _write(root, _system_files(host))
    (root / "lab/host").write_text(host_file(host))


CANN = "usr/local/Ascend/ascend-toolkit/latest/aarch64-linux"


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).write_text(text)


def _system_files(host: LabHost) -> dict[str, str]:
    nodes = ("davinci_manager", "devmm_svm", "hisi_hdc")
    return {
        **{f"dev/{node}": "" for node in nodes},
        "etc/hccn.conf": hccn_conf(host),
        "etc/ascend_install.info": "UserName=HwHiAiUser\nDriver_Install_Status=complete\n",
        "usr/local/Ascend/driver/version.info": version_info(host),
        f"{CANN}/ascend_toolkit_install.info": "package_name=Ascend-cann-toolkit\nversion=9.1.0\narch=aarch64\n",
        "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "proc/sys/net/ipv4/ip_local_reserved_ports": "36000-36511,60000-60031\n",
    }


def host_file(host: LabHost) -> str:
    """What the tools know of their machine: sh variables."""
    npus = " ".join(str(npu) for npu in host.npus)
    words = {"hardware": host.hardware, "software": host.software, "address": host.address, "index": str(host.index)}
    return "".join(f"{name}={value}\n" for name, value in words.items()) + f"npus='{npus}'\n"


def npu_file(host: LabHost, npu: int) -> str:
    """One NPU's network as its device would tell it: sh variables."""
    port = f"400GE1/{host.index % 4 + 1}/{npu + 1}:1"
    return (
        f"ip={device_ip(host, npu)}\nmask={NETMASK}\ngateway={GATEWAY}\nvnic={vnic_ip(host, npu)}\n"
        f"tls=0\nifname={port}\nsdid={16777216 * (host.index % SERVERS_IN_POD + 1) + npu * 65536}\n"
    )


def device_ip(host: LabHost, npu: int) -> str:
    return f"11.12.{(164 + host.index) % 250 + 1}.{80 + npu}"


def vnic_ip(host: LabHost, npu: int) -> str:
    return f"192.168.{(1 + host.index) % 250 + 1}.{199 + npu}"


def hccn_conf(host: LabHost, addresses: Mapping[int, str] | None = None) -> str:
    """/etc/hccn.conf, in the order of the driver's own; `addresses` where they differ from the devices' own."""
    known = addresses or {npu: device_ip(host, npu) for npu in host.npus}
    return "".join(
        f"address_{npu}={known[npu]}\nnetmask_{npu}={NETMASK}\nnetdetect_{npu}={GATEWAY}\n"
        f"gateway_{npu}={GATEWAY}\nsend_arp_status_{npu}=1\n"
        for npu in host.npus
    )


def version_info(host: LabHost, version: str = "") -> str:
    driver = version or host.software
    return (
        f"Version={driver}\nascendhal_version=7.35.23\naicpu_version=1.0\ntdt_version=1.0\nlog_version=1.0\n"
        f"prof_version=2.0\ndvppkernels_version=1.1\ntsfw_version=1.0\nInnerversion=V100R001C22SPC002B220\n"
        f"compatible_version=[V100R001C30],[V100R001C13],[V100R001C15]\ncompatible_version_fw=[7.0.0,7.7.99]\n"
        f"package_version={driver}\n"
    )
