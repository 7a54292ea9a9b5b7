"""What the simulated docker remembers of a host: containers and images, one JSON file each."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qcluster.lab.tools import here

Record = dict[str, Any]


class Refusal(Exception):
    """What docker would answer instead of doing it; `code` is its exit status."""

    def __init__(self, text: str, code: int = 1):
        super().__init__(text)
        self.text, self.code = text, code


def folder(kind: str) -> str:
    path = f"{here.root()}/lab/docker/{kind}"
    os.makedirs(path, exist_ok=True)
    return path


def names(kind: str) -> list[str]:
    return sorted(name[:-5] for name in os.listdir(folder(kind)) if name.endswith(".json"))


def load(kind: str, name: str) -> Record | None:
    text = here.read(f"{folder(kind)}/{name}.json")
    return json.loads(text) if text else None


def save(kind: str, name: str, record: Record) -> None:
    here.write(f"{folder(kind)}/{name}.json", json.dumps(record))


def drop(kind: str, name: str) -> None:
    os.unlink(f"{folder(kind)}/{name}.json")


def containers() -> list[Record]:
    found = (container_file(name) for name in names("containers"))
    return [record for record in found if record is not None]


def container_file(ident: str) -> Record | None:
    return load("containers", ident)


def container(word: str) -> Record:
    """The container called `word`, or whose id starts with it."""
    for record in containers():
        if record["Name"] == f"/{word.lstrip('/')}" or (len(word) >= 4 and record["Id"].startswith(word)):
            return record
    raise Refusal(f"Error response from daemon: No such container: {word}")


def put(record: Record) -> None:
    save("containers", record["Id"], record)


def log_path(record: Record) -> str:
    return f"{folder('logs')}/{record['Id']}.log"


def mark(record: Record) -> str:
    """What every process of a container carries in its environment."""
    return f"QCLUSTER_LAB_CONTAINER={record['Id']}"


def stamp(when: float | None = None) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(when))


@contextmanager
def alone() -> Iterator[None]:
    """One change at a time on a host, as the daemon would see to."""
    with open(f"{folder('containers')}/.lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def lives(record: Record) -> bool:
    """Whether its main process or its supervisor is there; a pid may belong to somebody else by now."""
    state = record["State"]
    main, supervisor = here.environ(state["Pid"]), here.environ(state.get("Supervisor", 0))
    return mark(record).encode() in main or f"QCLUSTER_LAB_ROOT={here.root()}".encode() in supervisor


def settle(record: Record) -> Record:
    """A container whose main process is gone without a word (its supervisor was killed too) has exited with 137."""
    state = record["State"]
    if state["Running"] and not lives(record):
        state.update(Running=False, Status="exited", ExitCode=137, Pid=0, FinishedAt=stamp())
        put(record)
    return record
