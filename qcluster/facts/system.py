"""What a host is: kernel, distribution, memory, addresses, user, time. One sh script, parts between NUL bytes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

SCRIPT = r"""
part() { printf '\0%s\0' "$1"; }
part uname; for what in -s -n -r -v -m; do uname "$what"; done
part fqdn; hostname -f 2>/dev/null || uname -n
part release; cat /etc/os-release 2>/dev/null
part debian; cat /etc/debian_version 2>/dev/null
part memory; cat /proc/meminfo 2>/dev/null
part processor; cat /proc/cpuinfo 2>/dev/null
part nproc; nproc 2>/dev/null
part id; id -un; id -u; id -g; id -ru; id -rg
part passwd; getent passwd "$(id -un)" 2>/dev/null || grep "^$(id -un):" /etc/passwd
part date; date '+%Y %m %d %H %M %S %A %w %U %W %j %s %Z %z'
part utc; date -u '+%Y-%m-%dT%H:%M:%S %N'
part uptime; cat /proc/uptime 2>/dev/null
part init; cat /proc/1/comm 2>/dev/null
part interfaces; ls /sys/class/net 2>/dev/null
part ipv4; ip -o -4 addr show 2>/dev/null
part ipv6; ip -o -6 addr show 2>/dev/null
part links; ip -o link show 2>/dev/null
part route; ip -4 route get 8.8.8.8 2>/dev/null
part product; cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name 2>/dev/null
part tools; for tool in apt-get dnf yum zypper apk pacman; do command -v "$tool" 2>/dev/null; done
part environment; env -0
part end
"""


@dataclass(frozen=True)
class System:
    """The answers as the tools gave them, by name; `environment` is that of the SSH session."""

    parts: Mapping[str, str]
    environment: Mapping[str, str]

    def lines(self, name: str) -> list[str]:
        return self.parts.get(name, "").splitlines()

    @property
    def release(self) -> Mapping[str, str]:
        """/etc/os-release without its quotes."""
        pairs = (line.partition("=") for line in self.lines("release") if "=" in line and not line.startswith("#"))
        return {name: "".join(shlex.split(value)[:1]) for name, _, value in pairs}

    @property
    def memory(self) -> Mapping[str, int]:
        """/proc/meminfo in MiB."""
        rows = (line.split() for line in self.lines("memory") if len(line.split()) == 3)
        return {row[0].rstrip(":"): int(row[1]) // 1024 for row in rows}

    @property
    def processors(self) -> list[Mapping[str, str]]:
        """/proc/cpuinfo, one mapping a processor."""
        blocks = self.parts.get("processor", "").split("\n\n")
        rows = ([line.partition(":") for line in block.splitlines()] for block in blocks if block.strip())
        found = ({name.strip(): value.strip() for name, _, value in row} for row in rows)
        return [one for one in found if "processor" in one]


def system() -> Fact[System]:
    return Fact(sh(SCRIPT), read)


def read(outcome: Outcome) -> System:
    fields = outcome.out.split("\0")
    if fields[-2:-1] != ["end"]:
        raise UnreadableOutput("the host cannot be described", outcome.err or outcome.out)
    at = fields.index("environment")
    pairs = (text.partition("=") for text in fields[at + 1 : -2] if "=" in text)
    parts = dict(zip(fields[1:at:2], fields[2:at:2], strict=True))
    return System(parts, {name: value for name, _, value in pairs})
