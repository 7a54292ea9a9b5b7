"""Side by side: qcluster, ansible-playbook, ansible with mitogen, pyinfra, and the floor, on the same SSH hosts.

`python benchmarks/run.py` is a short run, `--full` the one in docs/benchmarks.md. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
PEERS = REPOSITORY / ".venv-bench"
PEER_PACKAGES = ("ansible-core>=2.17", "mitogen", "pyinfra")
ROUND_TRIPS = 10
"""Round trips a host of the converged playbook."""
PATIENCE = 120.0
"""Seconds of one tool at one number of hosts after which it is not repeated: ansible needs minutes a run at 64."""


@dataclass(frozen=True)
class Cost:
    """Of one process and all that it waited for. `wall` and `cpu` in seconds, `rss` in MiB."""

    wall: float
    cpu: float
    rss: float


@dataclass(frozen=True)
class Row:
    tool: str
    hosts: int
    run: str
    cost: Cost
    repeats: int


@dataclass(frozen=True)
class Hosts:
    """One sshd on every address of 127.0.2.0/24, and the folder with keys, inventories and targets."""

    folder: Path
    port: int

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def targets(self) -> Path:
        return self.folder / "targets"

    def inventory(self, count: int) -> Path:
        """An Ansible inventory (qcluster and ansible) of `count` hosts."""
        file = self.folder / f"hosts-{count}.yaml"
        names = "\n".join(f"    h{n}: {{ansible_host: 127.0.2.{n}}}" for n in range(1, count + 1))
        options = f"-o UserKnownHostsFile={self.folder}/known_hosts"
        file.write_text(f"""all:
  vars:
    ansible_user: {getpass.getuser()}
    ansible_port: {self.port}
    ansible_ssh_private_key_file: {self.key}
    ansible_ssh_common_args: "{options}"
    ansible_python_interpreter: {sys.executable}
    bench_place: {self.targets}
  hosts:
{names}
""")
        return file

    def pyinfra_inventory(self, count: int) -> Path:
        file = self.folder / f"pyinfra_{count}.py"
        data = {
            "ssh_user": getpass.getuser(), "ssh_port": self.port, "ssh_key": str(self.key),
            "ssh_known_hosts_file": f"{self.folder}/known_hosts", "ssh_strict_host_key_checking": "yes",
            "bench_place": str(self.targets),
        }  # fmt: skip
        hosts = [(f"h{n}", {**data, "ssh_hostname": f"127.0.2.{n}"}) for n in range(1, count + 1)]
        file.write_text(f"hosts = {hosts!r}\n")
        return file


@contextmanager
def ssh_hosts() -> Iterator[Hosts]:
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None:
        raise SystemExit("sshd is missing: install openssh-server")
    folder = Path(tempfile.mkdtemp(prefix="qc-bench-"))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    kind, key, *_ = (folder / "host_key.pub").read_text().split()
    lines = (f"[127.0.2.{n}]:{port} {kind} {key}\n" for n in range(1, 255))
    (folder / "known_hosts").write_text("".join(lines))
    (folder / "home").mkdir()
    (folder / "sshd_config").write_text(f"""Port {port}
ListenAddress 0.0.0.0
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
StrictModes no
UsePAM no
PidFile none
LogLevel ERROR
PermitRootLogin yes
MaxStartups 1000:30:2000
Subsystem sftp internal-sftp
SetEnv HOME={folder}/home
""")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")])
    try:
        _await(port)
        yield Hosts(folder, port)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await(port: int) -> None:
    for _ in range(100):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("sshd did not start")


def measure(argv: list[str], environ: dict[str, str] | None = None, cwd: Path = HERE) -> tuple[Cost, str]:
    """Run to the end. A failure ends the benchmark: a wrong answer has no speed."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        process = subprocess.Popen(
            argv, cwd=cwd, env={**clean, **(environ or {})}, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        said.seek(0)
        text = said.read().decode(errors="replace")
    if process.returncode:
        raise SystemExit(f"{' '.join(argv)} failed with {process.returncode}:\n{text}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), text


def peers() -> Path:
    """The peers live in a virtual environment of their own."""
    if not (PEERS / "bin/pyinfra").exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        subprocess.run([PEERS / "bin/pip", "install", "-q", *PEER_PACKAGES], check=True)
    return PEERS / "bin"


def mitogen_strategies() -> str:
    found = sorted(PEERS.glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy"))
    return str(found[0]) if found else ""


Line = tuple[list[str], dict[str, str]]


def command_lines(hosts: Hosts, count: int) -> dict[str, Line]:
    """Tool → command line and environment."""
    bin_folder, inventory = peers(), str(hosts.inventory(count))
    ansible = [str(bin_folder / "ansible-playbook"), "-i", inventory, "-f", str(count), str(HERE / "ten/ten.yml")]
    environ = {
        "ANSIBLE_PIPELINING": "1", "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(hosts.folder / "cp"), "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_HOME": str(hosts.folder / "ansible"), "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    mitogen = {**environ, "ANSIBLE_STRATEGY_PLUGINS": mitogen_strategies(), "ANSIBLE_STRATEGY": "mitogen_linear"}
    qcluster = [str(Path(sys.executable).with_name("qcluster")), "run", str(HERE / "ten/ten.yml"), "-i", inventory]
    pyinfra = [str(bin_folder / "pyinfra"), "-y", str(hosts.pyinfra_inventory(count)), str(HERE / "pyinfra_ten.py")]
    user, key = getpass.getuser(), str(hosts.key)
    floor = [sys.executable, str(HERE / "floor.py"), str(hosts.port), user, key, str(count), str(ROUND_TRIPS)]
    return {
        "qcluster": (qcluster, {"NO_COLOR": "1"}),
        "floor": (floor, {}),
        "pyinfra": (pyinfra, {}),
        "ansible+mitogen": (ansible, mitogen),
        "ansible": (ansible, environ),
    }


def middle(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "rss")))


def compare(hosts: Hosts, count: int, repeats: int, tools: list[str]) -> list[Row]:
    """First run on empty targets, second on what it left; the tools take turns."""
    lines = command_lines(hosts, count)
    taken: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(repeats):
        for tool in (tool for tool in tools if _spent(taken, tool) < PATIENCE):
            try:
                for run, cost in _twice(hosts, lines[tool]):
                    taken.setdefault((tool, run), []).append(cost)
            except SystemExit as error:
                if tool != "ansible+mitogen":  # a peer's plugin may not know the newest ansible-core
                    raise
                print(f"{tool} failed on {count} hosts: {_reason(str(error))}", file=sys.stderr)
    return [Row(tool, count, run, middle(costs), len(costs)) for (tool, run), costs in taken.items()]


def _spent(taken: dict[tuple[str, str], list[Cost]], tool: str) -> float:
    return sum(cost.wall for (one, _), costs in taken.items() if one == tool for cost in costs)


def _twice(hosts: Hosts, line: Line) -> Iterator[tuple[str, Cost]]:
    shutil.rmtree(hosts.targets, ignore_errors=True)
    hosts.targets.mkdir()
    for run in ("first", "second"):
        yield run, measure(*line, cwd=hosts.folder)[0]


def _reason(text: str) -> str:
    """The first complaint in a tool's output."""
    starts = [at for word in ("UNREACHABLE", "fatal", "ERROR") if (at := text.find(word)) >= 0]
    return text[min(starts, default=0) :][:300]


def starts(hosts: Hosts, repeats: int) -> dict[str, float]:
    """What only starting costs (seconds)."""
    python = sys.executable
    lines = {
        "python -c pass": [python, "-c", "pass"],
        "python -c 'import click'": [python, "-c", "import click"],
        "python -c 'import paramiko'": [python, "-c", "import paramiko"],
        "qcluster --help": [str(Path(python).with_name("qcluster")), "--help"],
    }
    for line in lines.values():
        measure(line)
    return {name: middle([measure(line)[0] for _ in range(2 * repeats + 1)]).wall for name, line in lines.items()}


def table(rows: list[Row], start: dict[str, float]) -> str:
    """Markdown. Ratios are the tool's wall and CPU over qcluster's."""
    ours = {(row.hosts, row.run): row.cost for row in rows if row.tool == "qcluster"}
    out = ["| hosts | run | tool | median of | wall s | CPU s | memory MiB | wall ÷ qcluster | CPU ÷ qcluster |"]
    out.append("|--:|---|---|--:|--:|--:|--:|--:|--:|")
    for row in sorted(rows, key=lambda row: (row.hosts, row.run, row.cost.wall)):
        base, cost = ours[row.hosts, row.run], row.cost
        ratios = f"{cost.wall / base.wall:.1f} | {cost.cpu / base.cpu:.1f}"
        numbers = f"{cost.wall:.2f} | {cost.cpu:.2f} | {cost.rss:.0f}"
        out.append(f"| {row.hosts} | {row.run} | {row.tool} | {row.repeats} | {numbers} | {ratios} |")
    out += ["", "| start | ms |", "|---|--:|", *(f"| `{name}` | {wall * 1000:.0f} |" for name, wall in start.items())]
    return "\n".join(out)


def aims(rows: list[Row], start: dict[str, float]) -> str:
    """Markdown: what issue 3 wants to hold, converged, and what was seen. Limits are in seconds, or in MiB."""
    cost = {(row.tool, row.hosts): row.cost for row in rows if row.run == "second"}
    out = ["| aim | hosts | limit | seen | held |", "|---|--:|--:|--:|---|"]
    for hosts in sorted({hosts for _, hosts in cost}):
        seen = cost["qcluster", hosts]
        for aim, tool, share, more in (
            ("1/25 of ansible", "ansible", 1 / 25, 0.0),
            ("1/2 of pyinfra", "pyinfra", 1 / 2, 0.0),
            ("1.5 × floor + interpreter", "floor", 1.5, start["python -c pass"]),
        ):
            if (tool, hosts) in cost:
                theirs = cost[tool, hosts]
                out.append(_aim(f"{aim}, wall", hosts, theirs.wall * share + more, seen.wall))
                out.append(_aim(f"{aim}, CPU", hosts, theirs.cpu * share + more, seen.cpu))
        out.append(_aim("memory", hosts, 200.0, seen.rss))
    out.append(_aim("`--help`: 2 × `import click`", 0, 2 * start["python -c 'import click'"], start["qcluster --help"]))
    return "\n".join(out)


def _aim(name: str, hosts: int, limit: float, seen: float) -> str:
    return f"| {name} | {hosts or ''} | {limit:.2f} | {seen:.2f} | {'yes' if seen <= limit else 'no'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="2, 16 and 64 hosts, medians of 5 where a tool is quick")
    parser.add_argument("--hosts", type=int, nargs="*")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--tools", nargs="*", default=["qcluster", "floor", "pyinfra", "ansible+mitogen", "ansible"])
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build/benchmarks.json")
    chosen = parser.parse_args()
    counts = chosen.hosts or ([2, 16, 64] if chosen.full else [2, 16])
    repeats = chosen.repeats or (5 if chosen.full else 1)
    with ssh_hosts() as hosts:
        compare(hosts, 1, 1, chosen.tools)  # once unmeasured: byte code, page cache
        rows: list[Row] = []
        for count in counts:
            rows += compare(hosts, count, repeats, chosen.tools)
            print(f"measured {count} hosts", file=sys.stderr)
        start = starts(hosts, repeats)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps({"rows": [asdict(row) for row in rows], "start": start}, indent=2) + "\n")
    print(table(rows, start), aims(rows, start), sep="\n\n")


if __name__ == "__main__":
    main()
