"""What is broken in a lab: one file a fault, `LAB/faults/NAME/KEY`, with its argument inside, read by the tools.

KEY is `HOST`, `HOST:NPU`, `HOST:HOST` (from the first to the second), `HOST[:PORT]` (one engine) or a word, as the
fault's row says. A few faults change files of a host too: these are made anew from all the faults that are set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qcluster.errors import InputError
from qcluster.lab import furnish
from qcluster.lab.layout import Lab, LabHost, load

OTHER_DRIVER = "24.1.rc3"
"""What `driver-mismatch` shows where no version is named."""


@dataclass(frozen=True)
class Fault:
    """`form` says what the key is: host, npu, pair, engine or word; `value` what may follow it."""

    form: str
    what: str
    value: str = ""


FAULTS = {
    "link-down": Fault("npu", "the optical link of an NPU is down"),
    "roce-down": Fault("host", "no RoCE optics: every link is DOWN, HCCS works"),
    "net-health": Fault("npu", "the NPU's health probe fails", "WORD"),
    "npu-source": Fault("npu", "probes from this NPU get no answer"),
    "npu-target": Fault("npu", "probes to this NPU get no answer"),
    "npu-health": Fault("npu", "npu-smi shows Warning, Alarm or Critical", "WORD"),
    "host-fabric": Fault("host", "the host is cut off from the NPU fabric, both ways"),
    "host-pair": Fault("pair", "probes from the first host to the second fail, not the other way"),
    "plane": Fault("word", "the whole plane `roce` or `hccs` is down"),
    "loss": Fault("npu", "one packet in three to this NPU is lost"),
    "tls-off": Fault("host", "the TLS switch of this host differs from the others'"),
    "hccn-conf-stale": Fault("npu", "/etc/hccn.conf has an old address for this NPU"),
    "hccn-conf-missing": Fault("host", "/etc/hccn.conf is not there"),
    "ip-missing": Fault("npu", "the NPU has no address"),
    "gateway-missing": Fault("npu", "the NPU has no gateway and no netdetect address"),
    "vnic-missing": Fault("npu", "the NPU has no vnic address"),
    "superpod-wrong": Fault("host", "the host is in another super-pod", "ID"),
    "duplicate-ip": Fault("npu", "the NPU has the addresses of another one", "HOST:NPU"),
    "busy": Fault("host", "hccn_tool answers busy, N times or always", "N"),
    "tool-missing": Fault("host", "a tool is not installed (hccn_tool unless named)", "TOOL"),
    "permission": Fault("host", "hccn_tool refuses tls and hccs_ping without root"),
    "truncated": Fault("host", "hccn_tool's output is cut off; `script` also kills the calling script", "tool|script"),
    "hang": Fault("host", "hccn_tool never returns"),
    "slow-fabric": Fault("host", "each ping takes so long", "SECONDS"),
    "firewall": Fault("pair", "TCP from the first host to the second is refused", "PORT…"),
    "firewalld": Fault("host", "systemctl says that firewalld is active"),
    "driver-mismatch": Fault("host", "another driver version", "VERSION"),
    "clock-skew": Fault("host", "the clock is off", "SECONDS"),
    "mtu": Fault("host", "the NIC has another MTU", "BYTES"),
    "host-down": Fault("host", "SSH is refused, open connections are cut"),
    "sudo-password": Fault("host", "sudo wants a password"),
    "docker-down": Fault("host", "the Docker daemon does not answer"),
    "image-missing": Fault("word", "a registry (or `all`) does not know the image, or a tag is unknown"),
    "registry-down": Fault("word", "a registry (or `all`) refuses connections, or all do for one host"),
    "slow-pull": Fault("host", "a pull takes so long", "SECONDS"),
    "no-mooncake": Fault("host", "the image has no Mooncake"),
    "hub-down": Fault("word", "the model hub cannot be reached from a host, or from `all`"),
    "model-missing": Fault("word", "the hub does not know the model (or `all`)"),
    "slow-download": Fault("host", "a download takes so long", "SECONDS"),
    "download-cut": Fault("host", "the download breaks off after N files", "N"),
    "disk-full": Fault("host", "no room for images and weights"),
    "npu-busy": Fault("npu", "a leftover process holds HBM"),
    "engine-dies": Fault("engine", "engines die while loading, with the last words of an excerpt", "EXCERPT [once]"),
    "engine-stalls": Fault("engine", "engines hang before a milestone", "MILESTONE"),
    "engine-slow": Fault("engine", "engines start so many times slower", "FACTOR"),
    "engine-hangs": Fault("engine", "health is 200, but nothing is generated"),
    "engine-sick": Fault("engine", "health is 503"),
    "garbage": Fault("engine", "HTTP 200 with garbage text"),
}


def put(directory: Path, name: str, words: Sequence[str]) -> str:
    """Set a fault; what was set, in full. Raises InputError for an unknown fault, host, NPU or value."""
    lab = load(directory)
    key, value = _key(lab, name, list(words))
    _check_value(name, value)
    path = directory / "faults" / name / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value)
    refresh(lab)
    return f"{name} {key} {value}".rstrip()


def _check_value(name: str, value: str) -> None:
    """A word that the simulated engine would not know is a fault that breaks nothing."""
    if name not in ("engine-dies", "engine-stalls"):
        return
    from qcluster.lab.tools.engine.excerpts import EXCERPTS
    from qcluster.lab.tools.engine.startup import SHARE

    known = {"engine-dies": ("", *EXCERPTS), "engine-stalls": tuple(SHARE)}[name]
    first, _, rest = value.partition(" ")
    if first not in known:
        raise InputError(f"{name}: {first!r} is none of {', '.join(filter(None, known))}")
    if rest not in ("", "once") or (rest and name == "engine-stalls"):
        raise InputError(f"{name}: {rest!r} after {first!r} means nothing here")


def clear(directory: Path, name: str = "", words: Sequence[str] = ()) -> int:
    """Mend what is broken: everything, one kind, or one fault. The number of faults mended."""
    lab = load(directory)
    if name and words:
        found = [(name, _key(lab, name, list(words))[0])]
    else:
        found = [(kind, key) for kind, key, _ in active(directory) if name in ("", kind)]
    for kind, key in found:
        (directory / "faults" / kind / key).unlink(missing_ok=True)
    for lost in directory.glob("hosts/*/lab/lost.*"):
        lost.unlink()
    refresh(lab)
    return len(found)


def active(directory: Path) -> Iterator[tuple[str, str, str]]:
    """Name, key and argument of every fault that is set."""
    for path in sorted((directory / "faults").glob("*/*")):
        yield path.parent.name, path.name, path.read_text().strip()


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


def _key(lab: Lab, name: str, words: list[str]) -> tuple[str, str]:
    if name not in FAULTS:
        raise InputError(f"no fault is called {name!r}: qcluster lab fault --list")
    form = FAULTS[name].form
    count = 2 if form in ("npu", "pair") and words and ":" not in words[0] else 1
    if len(words) < count:
        raise InputError(f"{name} needs {_needs(form)}: {FAULTS[name].what}")
    key = ":".join(words[:count])
    if form != "word":
        _check(lab, form, key)
    return key, " ".join(words[count:])


def _needs(form: str) -> str:
    return {"npu": "HOST NPU", "pair": "HOST HOST", "engine": "HOST or HOST:PORT", "host": "HOST"}.get(form, "a word")


def _check(lab: Lab, form: str, key: str) -> None:
    first, _, second = key.partition(":")
    for host in [first, second] if form == "pair" else [first]:
        if host not in lab.hosts:
            raise InputError(f"the lab has no host {host!r}; it has {', '.join(lab.hosts)}")
    if form == "npu" and second not in {str(npu) for npu in lab.hosts[first].npus}:
        raise InputError(f"{first} has no NPU {second!r}")


def refresh(lab: Lab) -> None:
    """Make the files of all hosts what they are with the faults that are set now."""
    for host in lab.hosts.values():
        _refresh_conf(lab, host)
        _refresh_tools(lab, host)
        version = _value(lab, "driver-mismatch", host.name)
        text = furnish.version_info(host, version or OTHER_DRIVER if version is not None else "")
        (lab.root(host.name) / "usr/local/Ascend/driver/version.info").write_text(text)


def _value(lab: Lab, name: str, key: str) -> str | None:
    path = lab.directory / "faults" / name / key
    return path.read_text().strip() if path.exists() else None


def _refresh_conf(lab: Lab, host: LabHost) -> None:
    path = lab.root(host.name) / "etc/hccn.conf"
    if is_set(lab.directory, "hccn-conf-missing", host.name):
        path.unlink(missing_ok=True)
        return
    addresses = {npu: _conf_address(lab, host, npu) for npu in host.npus}
    path.write_text(furnish.hccn_conf(host, addresses))


def _conf_address(lab: Lab, host: LabHost, npu: int) -> str:
    own = furnish.device_ip(host, npu)
    if is_set(lab.directory, "hccn-conf-stale", f"{host.name}:{npu}"):
        return f"{own.rpartition('.')[0]}.{240 - npu}"
    other, _, number = (_value(lab, "duplicate-ip", f"{host.name}:{npu}") or "").partition(":")
    return furnish.device_ip(lab.hosts[other], int(number)) if other in lab.hosts else own


def _refresh_tools(lab: Lab, host: LabHost) -> None:
    from qcluster.lab.toolbox import link

    missing = _value(lab, "tool-missing", host.name)
    link(lab, host.name)
    if missing is not None:
        root = lab.root(host.name)
        for folder in ("bin", "usr/local/Ascend/driver/tools"):
            (root / folder / (missing or "hccn_tool")).unlink(missing_ok=True)
