"""What one host is and has, in a single question: chip, NPUs, NIC, OS, docker, room, and who listens on which port.

Each part is read with the host's own tools and told as unknown where a tool is missing. Sources: setup.py
of vllm-ascend at v0.23.0 (the chip, from npu-smi); issue 6, "Preflight on the host".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from qcluster.command import Command, sh
from qcluster.errors import UnreadableOutput
from qcluster.facts import docker as engine
from qcluster.facts import npu, ports
from qcluster.facts.fact import Fact
from qcluster.facts.groups import GROUPS
from qcluster.facts.ports import Ports, split
from qcluster.result import Outcome

SCRIPT = (
    GROUPS
    + r"""
root=${QCLUSTER_LAB_ROOT-}
room() { # the free KiB where a folder is or would be
  p=$1
  while [ ! -e "$p" ] && [ "$p" != / ] && [ -n "$p" ]; do p=$(dirname "$p"); done
  df -Pk "$p" 2>/dev/null | tail -n 1
}
own() { # a folder of the plan, with this host's home put in
  case $1 in
    "<fact:home>"*) printf '%s' "$HOME${1#"<fact:home>"}" ;;
    *) printf '%s' "$1" ;;
  esac
}
state=$(own "$2") weights=$(own "$3")
echo ==arch; uname -m
echo ==uid; id -u
echo ==home; printf '%s\n' "$HOME"
echo ==clock; date +%s.%N
echo ==os; cat "$root/etc/os-release" 2>/dev/null || cat /etc/os-release 2>/dev/null
echo ==npu; npu-smi info 2>&1
echo ==driver; cat "$root/usr/local/Ascend/driver/version.info" 2>/dev/null
echo ==cann; for at in ascend-toolkit/latest cann; do
  cat "$root/usr/local/Ascend/$at"/*-linux/ascend_toolkit_install.info 2>/dev/null && break
done
echo ==davinci; ls -d "$root"/dev/davinci[0-9]* 2>/dev/null | sed 's,.*/davinci,,'
echo ==hccn; test -s "$root/etc/hccn.conf" && echo yes
echo ==address; ip -o -4 addr show 2>/dev/null
echo ==dockerversion; docker version --format '{{.Server.Version}}' 2>&1
echo ==containers; docker ps -a --no-trunc --format "$1" 2>/dev/null
echo ==memory; cat /proc/meminfo 2>/dev/null
echo ==room; for folder in / "$state" "$weights"; do echo "$folder $(room "$folder" | tr -s ' ')"; done
echo ==dockerroom; room "$(docker info --format '{{.DockerRootDir}}' 2>/dev/null || echo /)" | tr -s ' '
echo ==tools
for tool in docker modelscope hf rsync python3 setsid bash; do command -v "$tool" >/dev/null && echo "$tool"; done
echo ==jemalloc; ls /usr/lib/*/libjemalloc.so.2 /usr/lib64/libjemalloc.so.2 2>/dev/null
echo ==range
cat "$root/proc/sys/net/ipv4/ip_local_port_range" 2>/dev/null || cat /proc/sys/net/ipv4/ip_local_port_range
echo ==reserved; cat "$root/proc/sys/net/ipv4/ip_local_reserved_ports" 2>/dev/null
echo ==tcp; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
echo ==holders; ss -Hltnp 2>/dev/null
echo ==groups # engines that run without docker, other deployments' too
for labels in "${state%/*}"/*/*/run/labels.json; do
  run=${labels%/labels.json}
  [ -s "$labels" ] || continue
  if [ -n "$(entry "$run")" ]; then cat "$labels"; echo
  elif [ -n "$(groups "$run")" ]; then printf 'lost %s\n' "$(cat "$labels")"; fi
done
echo ==end
"""
)


@dataclass(frozen=True)
class HostState:
    """One host as it was when asked. `table` is None and `npu_problem` says why where npu-smi gave no table.

    `room` maps a folder to its free KiB; `nics` an IPv4 address to its interface; `docker` is the server's version.
    """

    arch: str
    uid: int
    home: str
    clock: float
    os_release: Mapping[str, str]
    table: npu.NpuTable | None
    npu_problem: str
    driver: str
    davinci: tuple[int, ...]
    hccn: bool
    nics: Mapping[str, str]
    docker: str
    docker_problem: str
    containers: tuple[engine.Listed, ...]
    memory_available: int
    room: Mapping[str, int]
    tools: frozenset[str]
    ports: Ports
    jemalloc: tuple[str, ...] = field(default=())
    cann: str = ""
    """Version of the toolkit on the host itself, empty where there is none."""

    @property
    def hardware(self) -> str:
        """`a2`, `a3`, … as npu-smi shows it; empty where it shows nothing."""
        return npu.hardware_of((one.name for one in self.table.npus), self.table.has_phy_id) if self.table else ""


def host_state(state_dir: str, weights_dir: str) -> Fact[HostState]:
    return Fact(question(state_dir, weights_dir), parse)


def question(state_dir: str, weights_dir: str) -> Command:
    return sh(SCRIPT, engine.LISTING, state_dir or "/", weights_dir or "/", timeout=90)


def parse(outcome: Outcome) -> HostState:
    part = split(outcome.out)
    if "end" not in part:
        raise UnreadableOutput("the facts of the host are cut off", outcome.out[-300:] + outcome.err[-300:])
    table, npu_problem = _table(part.get("npu", []))
    version = _one(part, "dockerversion")
    return HostState(
        arch=_one(part, "arch"),
        uid=int(_one(part, "uid") or "-1"),
        home=_one(part, "home"),
        clock=float(_one(part, "clock").replace("N", "0") or "0"),
        os_release=_assignments(part.get("os", [])),
        table=table,
        npu_problem=npu_problem,
        driver=npu.parse_version_info("\n".join(part.get("driver", []))) if part.get("driver") else "",
        davinci=tuple(sorted(int(word) for word in part.get("davinci", []) if word.isdigit())),
        hccn="yes" in part.get("hccn", []),
        nics=dict(_addresses(part.get("address", []))),
        docker=version if version[:1].isdigit() else "",
        docker_problem="" if version[:1].isdigit() else "\n".join(part.get("dockerversion", [])),
        containers=(*(engine.listed(line) for line in part.get("containers", [])), *_groups(part.get("groups", []))),
        memory_available=_memory(part.get("memory", [])),
        room=_room(part.get("room", []), part.get("dockerroom", [])),
        tools=frozenset(part.get("tools", [])),
        ports=ports.read(part),
        jemalloc=tuple(part.get("jemalloc", [])),
        cann=_assignments(part.get("cann", [])).get("version", ""),
    )


def _groups(lines: Sequence[str]) -> Iterator[engine.Listed]:
    """Supervised process groups, as if each were a container. Where the entry script is gone, none has a digest."""
    for line in lines:
        found = engine.parse_inspect(line.removeprefix("lost "))
        if found is not None:
            lost = line.startswith("lost ")
            marks = (engine.DEPLOYMENT, engine.DIGEST, engine.PORTS, engine.NPUS)
            deployment, digest, claims, npus = (found.labels.get(mark, "") for mark in marks)
            yield engine.Listed(
                found.name, "running", deployment, "" if lost else digest, "process group", claims, npus
            )


def _one(part: Mapping[str, Sequence[str]], name: str) -> str:
    return (part.get(name) or [""])[0].strip()


def _table(lines: Sequence[str]) -> tuple[npu.NpuTable | None, str]:
    text = "\n".join(lines)
    try:
        return npu.parse_table(text), ""
    except UnreadableOutput as error:
        return None, str(error) if "+-" in text or not text.strip() else text.strip()


def _assignments(lines: Sequence[str]) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _addresses(lines: Sequence[str]) -> list[tuple[str, str]]:
    """`2: eth0    inet 10.0.0.5/24 …` → ("10.0.0.5", "eth0")."""
    words = [line.split() for line in lines]
    return [(row[row.index("inet") + 1].split("/")[0], row[1].rstrip(":")) for row in words if "inet" in row[:-1]]


def _memory(lines: Sequence[str]) -> int:
    """MemAvailable in KiB, 0 when unknown."""
    return next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), 0)


def _room(lines: Sequence[str], docker_lines: Sequence[str]) -> dict[str, int]:
    rooms = {}
    for line in [*lines, *(f"docker {line}" for line in docker_lines[:1])]:
        words = line.split()
        if len(words) >= 5 and words[4].isdigit():
            rooms[words[0]] = int(words[4])
    return rooms
