"""Start, reuse and stop a lab's daemon. The daemon is detached: it outlives the command that started it."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from qcluster.errors import QclusterError
from qcluster.lab import addresses
from qcluster.lab.faults import is_down
from qcluster.lab.layout import Lab, LabHost, load, save, served

START_SECONDS = 30.0
START_TRIES = 4


def ensure(directory: Path, hosts: Mapping[str, LabHost]) -> Lab:
    """A running lab that has `hosts`. Reuses the daemon where it runs, and adds hosts it does not have yet."""
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory / "boot.lock"):
        known = load(directory)
        wanted = _merge(known, hosts)
        if alive(known) and wanted.hosts == known.hosts:
            return known
        if alive(known):
            return _extend(known, wanted)
        return _start(wanted, {name for name, host in hosts.items() if host.address})


def stop(directory: Path) -> bool:
    """End the daemon and every process that runs on its hosts. False when there was nothing to stop."""
    lab = load(directory)
    pid = daemon_pid(lab)
    if pid:
        os.kill(pid, signal.SIGTERM)
        _wait(lambda: _ended(pid), f"the lab's daemon (pid {pid}) does not stop")
    return bool(end_processes(lab)) or bool(pid)


def obeyed(lab: Lab) -> None:
    """Wait until every host that a fault holds down refuses connections, and the others take them."""
    if alive(lab):
        hosts = lab.hosts.values()
        _wait(
            lambda: all(_listens(host, lab) != is_down(lab.directory, host.name) for host in hosts),
            "the lab does not obey",
            lab,
        )


def _listens(host: LabHost, lab: Lab) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((host.address, lab.port)) == 0


def alive(lab: Lab) -> bool:
    """Whether the daemon runs: it holds a lock that the kernel takes from it when it dies."""
    try:
        with (lab.directory / "daemon.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def daemon_pid(lab: Lab) -> int:
    pid = served(lab).get("pid", 0)
    return pid if isinstance(pid, int) and alive(lab) else 0


def end_processes(lab: Lab) -> list[int]:
    """Kill what runs on the lab's hosts: exactly the processes whose environment names this lab's directory."""
    mark = f"QCLUSTER_LAB_ROOT={lab.directory}/hosts/".encode()
    ended = [pid for pid in _all_pids() if pid != os.getpid() and mark in _environ(pid)]
    for pid in ended:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return ended


def _merge(known: Lab, hosts: Mapping[str, LabHost]) -> Lab:
    """The known hosts with the wanted ones; an address once given stays."""
    merged = dict(known.hosts)
    for name, host in hosts.items():
        old = merged.get(name)
        index = old.index if old else len(merged)
        merged[name] = replace(host, address=host.address or (old.address if old else ""), index=index)
    return replace(known, hosts=merged)


def _start(wanted: Lab, given: set[str]) -> Lab:
    """Start the daemon; once more where another lab was quicker to take the addresses."""
    lab = wanted
    for _ in range(START_TRIES):
        lab = _placed(wanted, given)
        save(lab)
        lab.ready.unlink(missing_ok=True)
        _await(lab, _spawn(lab))
        if alive(lab):
            return lab
    raise QclusterError(f"the lab's daemon ended: {_last_log(lab)}")


def _await(lab: Lab, pid: int) -> None:
    _wait(lambda: _serves(lab) or _ended(pid), "the lab's daemon does not get ready", lab)


def _spawn(lab: Lab) -> int:
    """The daemon in a session of its own; its output goes to a log."""
    project = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [project, os.environ.get("PYTHONPATH", "")]))
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "qcluster.lab.daemon", str(lab.directory)],
        {**os.environ, "PYTHONPATH": path},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(lab.directory / "daemon.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _ended(pid: int) -> bool:
    """Whether the process is gone (or only its zombie is left); collects it where it is our own child."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or ") Z " in stat.read_text()


def _placed(wanted: Lab, given: set[str]) -> Lab:
    """Keep the remembered port and addresses where they are free, else choose anew, but for the hosts in `given`."""
    try:
        return addresses.place(wanted)
    except QclusterError:
        hosts = wanted.hosts.items()
        fresh = {name: host if name in given else replace(host, address="") for name, host in hosts}
        return addresses.place(replace(wanted, port=0, hosts=fresh))


def _extend(known: Lab, wanted: Lab) -> Lab:
    """Let the running daemon read the new wish; its present hosts stay as they are."""
    lab = replace(known, hosts=addresses.same_subnet(wanted.hosts))
    save(lab)
    os.kill(daemon_pid(lab), signal.SIGHUP)
    _wait(lambda: _serves(lab), "the lab's daemon does not take up the new hosts", lab)
    return lab


def _serves(lab: Lab) -> bool:
    names = served(lab).get("hosts", [])
    return isinstance(names, list) and set(lab.hosts) <= set(names)


def _wait(done: Callable[[], bool], what: str, lab: Lab | None = None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise QclusterError(what + (f": {_last_log(lab)}" if lab else ""))
        time.sleep(0.01)


def _last_log(lab: Lab) -> str:
    lines = (lab.directory / "daemon.log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "its log is empty"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
