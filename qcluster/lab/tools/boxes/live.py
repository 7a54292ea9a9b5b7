"""Containers as real processes: a supervisor (plain sh), the main process in its own session, and their end.

Everything in a container carries `QCLUSTER_LAB_CONTAINER=ID` in its environment: that is its cgroup here.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from qcluster.lab.tools import here
from qcluster.lab.tools.boxes.store import Record, Refusal, alone, container, drop, log_path, mark, put, settle, stamp

SUPERVISOR = """\
id=$1 pidfile=$2 dir=$3 docker=$4; shift 4
export QCLUSTER_LAB_CONTAINER="$id"
cd "$dir" 2>/dev/null || cd "$HOME"
setsid "$@" </dev/null &
echo "$!" >"$pidfile.new"; mv "$pidfile.new" "$pidfile"
wait "$!"; code=$?
unset QCLUSTER_LAB_CONTAINER
exec "$docker" __ended "$id" "$code"
"""


def environment(record: Record) -> dict[str, str]:
    """What a process in the container sees: the image's variables, then those of `docker run`."""
    root = here.root()
    base = {
        "PATH": f"{here.lab()}/image:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": f"{root}/home",
        "USER": "root",
        "HOSTNAME": here.host(),
        "QCLUSTER_LAB_ROOT": root,
        "QCLUSTER_LAB_IMAGE": record["Config"]["Image"],
    }
    if "QCLUSTER_LAB_PACE" in os.environ:
        base["QCLUSTER_LAB_PACE"] = os.environ["QCLUSTER_LAB_PACE"]
    split = (pair.partition("=") for pair in record["Config"]["Env"])
    return base | {name: value for name, _, value in split if name not in ("PATH", "HOME")}


def argv(record: Record) -> list[str]:
    return [*(record["Config"]["Entrypoint"] or []), *record["Config"]["Cmd"]]


def start(record: Record) -> None:
    """Start it detached and return when its main process has a pid."""
    pidfile = f"{log_path(record)[:-4]}.pid"
    if os.path.exists(pidfile):
        os.unlink(pidfile)
    _running(record)
    child = os.fork()
    if child == 0:
        _become_supervisor(record, pidfile)
    deadline = time.monotonic() + 10
    while not os.path.exists(pidfile) and time.monotonic() < deadline:
        time.sleep(0.002)
    with alone():
        fresh = container(record["Id"])
        fresh["State"]["Supervisor"] = child
        if fresh["State"]["Running"]:
            fresh["State"]["Pid"] = int(here.read(pidfile) or 0)
        put(fresh)


def _running(record: Record) -> None:
    """Until its supervisor is there, this command stands for it."""
    started = {"Status": "running", "Running": True, "StartedAt": stamp(), "FinishedAt": "", "ExitCode": 0}
    record["State"].update(started, Supervisor=os.getpid())
    put(record)


def _become_supervisor(record: Record, pidfile: str) -> None:
    os.setsid()
    log = os.open(log_path(record), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    docker = f"{here.root()}/bin/docker"
    words = [record["Id"], pidfile, record["Config"]["WorkingDir"] or "/", docker, *argv(record)]
    os.execve("/bin/sh", ["containerd-shim", "-c", SUPERVISOR, "shim", *words], environment(record))


def ended(ident: str, code: int) -> None:
    """The supervisor's last word: the main process is gone, so is everything else in the container."""
    try:
        record = container(ident)
    except Refusal:
        return
    here.kill(here.marked(mark(record)))
    with alone():
        record = container(ident)
        record["State"].update(Status="exited", Running=False, Pid=0, ExitCode=code, FinishedAt=stamp())
        put(record)
        if record["HostConfig"]["AutoRemove"]:
            drop("containers", record["Id"])


def foreground(record: Record, interactive: bool) -> int:
    """`docker run` without -d: the container's streams are this command's."""
    _running(record)
    child = os.fork()
    if child == 0:
        os.setsid()
        if not interactive:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        _enter(record, argv(record), {})
    record["State"]["Pid"] = child
    put(record)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _: here.kill([child], got))
    code = _exit_code(child)
    ended(record["Id"], code)
    return code


def _exit_code(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) % 256 if not os.WIFSIGNALED(status) else 128 + os.WTERMSIG(status)


def _enter(record: Record, words: list[str], extra: dict[str, str], workdir: str = "") -> None:
    """Become a process of the container."""
    name, _, value = mark(record).partition("=")
    env = environment(record) | {name: value} | extra
    try:
        os.chdir(workdir or record["Config"]["WorkingDir"] or "/")
    except OSError:
        os.chdir(env["HOME"])
    try:
        os.execvpe(words[0], words, env)
    except OSError:
        here.complain(
            f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{words[0]}": executable '
            "file not found in $PATH: unknown"
        )
        os._exit(127)


def execute(record: Record, words: list[str], options: dict[str, list[str]]) -> int:
    """`docker exec`."""
    if not settle(record)["State"]["Running"]:
        raise Refusal(f"Error response from daemon: container {record['Id']} is not running")
    split = (pair.partition("=") for pair in options.get("env", []))
    extra = {name: value for name, _, value in split}
    if "detach" in options:
        if os.fork() == 0:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            _enter(record, words, extra, options.get("workdir", [""])[-1])
        return 0
    if "interactive" not in options:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.flush()
    _enter(record, words, extra, options.get("workdir", [""])[-1])
    return 127


def stop(record: Record, grace: float) -> None:
    """SIGTERM to the main process, then after the grace time SIGKILL to all."""
    if not settle(record)["State"]["Running"]:
        return
    here.kill([record["State"]["Pid"]], signal.SIGTERM)
    if not _gone(record, grace):
        kill(record, signal.SIGKILL)
        _gone(record, 10)


def kill(record: Record, number: int) -> None:
    if not settle(record)["State"]["Running"]:
        raise Refusal(f"Error response from daemon: Cannot kill container: {record['Id']}: is not running")
    if number == signal.SIGKILL:
        here.kill(here.marked(mark(record)))
    here.kill([record["State"]["Pid"]], number)


def _gone(record: Record, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not settle(container(record["Id"]))["State"]["Running"]:
                return True
        except Refusal:
            return True
        time.sleep(0.02)
    return False


def wait(record: Record) -> int:
    while True:
        state = settle(container(record["Id"]))["State"]
        if not state["Running"]:
            return int(state["ExitCode"])
        time.sleep(0.05)


def remove(record: Record, force: bool) -> None:
    if settle(record)["State"]["Running"]:
        if not force:
            raise Refusal(
                f'Error response from daemon: cannot remove container "{record["Name"]}": container is running: stop '
                "the container before removing or force remove"
            )
        kill(record, signal.SIGKILL)
        _gone(record, 10)
    try:
        drop("containers", record["Id"])
    except FileNotFoundError:
        return
