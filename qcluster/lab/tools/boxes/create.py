"""`docker run` up to the record: what it refuses, and what `docker inspect` will show."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from qcluster.lab.tools import here
from qcluster.lab.tools.boxes import images
from qcluster.lab.tools.boxes.store import Record, Refusal, alone, containers, put, stamp
from qcluster.lab.tools.boxes.words import last

Options = Mapping[str, list[str]]


def create(options: dict[str, list[str]], words: list[str]) -> Record:
    """The record of a new container; refuses what docker refuses, with exit 125."""
    if not words:
        raise Refusal("docker: 'docker run' requires at least 1 argument.", 125)
    image = _image(words[0], options)
    ident = hashlib.sha256(os.urandom(16)).hexdigest()
    name = last(options, "name") or f"sim_{ident[:8]}"
    with alone():
        unused(name)
        record = _record(ident, name, (words[0], image), (options, words[1:]))
        put(record)
    return record


def _image(word: str, options: Options) -> Record:
    found = images.find(word)
    if found is not None:
        return found
    if last(options, "pull") == "never":
        raise Refusal(f"docker: Error response from daemon: No such image: {word}", 125)
    here.complain(f"Unable to find image '{word}' locally")
    try:
        images.pull(word, quiet=True)
    except Refusal as refusal:
        raise Refusal(f"docker: {refusal.text}", 125) from refusal
    return images.need(word)


def unused(name: str) -> None:
    for record in containers():
        if record["Name"] == f"/{name}":
            raise Refusal(
                f'docker: Error response from daemon: Conflict. The container name "/{name}" is already in use by '
                f'container "{record["Id"]}". You have to remove (or rename) that container '
                "to be able to reuse that name.",
                125,
            )


def _record(ident: str, name: str, image: tuple[str, Record], asked: tuple[Options, list[str]]) -> Record:
    word, found = image
    options, command = asked
    entry = [part for part in options.get("entrypoint", []) if part] or (found["Config"]["Entrypoint"] or [])
    binds = [*options.get("volume", []), *_mounted(options.get("mount", []))]
    return {
        "Id": ident,
        "Name": f"/{name}",
        "Created": stamp(),
        "Image": found["Id"],
        "Config": {
            "Image": word,
            "Labels": {**_pairs(options.get("label", []))},
            "Env": [*found["Config"]["Env"], *_environment(options)],
            "Entrypoint": entry or None,
            "Cmd": command or found["Config"]["Cmd"],
            "WorkingDir": last(options, "workdir") or found["Config"]["WorkingDir"],
            "User": last(options, "user"),
        },
        "HostConfig": _host_config(options, binds),
        "Mounts": [_mount(bind) for bind in binds],
        "State": {"Status": "created", "Running": False, "Pid": 0, "ExitCode": 0, "StartedAt": "", "FinishedAt": ""}
        | {"Error": "", "OOMKilled": False, "Dead": False},
        "RestartCount": 0,
    }


def _host_config(options: Options, binds: list[str]) -> dict[str, Any]:
    network = last(options, "network") or "bridge"
    return {
        "Binds": binds,
        "NetworkMode": network,
        "Privileged": "privileged" in options,
        "AutoRemove": "rm" in options,
        "ShmSize": _bytes(last(options, "shm-size") or "64m"),
        "Devices": [_device(device) for device in options.get("device", [])],
        "Ulimits": options.get("ulimit", []),
        "LogConfig": {"Type": "json-file", "Config": _pairs(options.get("log-opt", []))},
        "RestartPolicy": {"Name": last(options, "restart") or "no"},
    }


def _device(word: str) -> dict[str, str]:
    path = word.partition(":")[0]
    if not os.path.exists(here.root() + path):
        raise Refusal(
            "docker: Error response from daemon: error gathering device information while adding custom device "
            f'"{path}": no such file or directory',
            125,
        )
    return {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}


def _mounted(words: list[str]) -> list[str]:
    """`--mount type=bind,source=A,target=B` as A:B; refused where A is missing."""
    binds = []
    for word in words:
        parts = _pairs(word.split(","))
        source = parts.get("source") or parts.get("src", "")
        if not os.path.exists(_on_host(source)):
            raise Refusal(
                'docker: Error response from daemon: invalid mount config for type "bind": bind source path does not '
                f"exist: {source}",
                125,
            )
        binds.append(f"{source}:{parts.get('target') or parts.get('dst', '')}")
    return binds


def _mount(bind: str) -> dict[str, Any]:
    source, _, rest = bind.partition(":")
    target, _, mode = rest.partition(":")
    return {"Type": "bind", "Source": source, "Destination": target or source, "Mode": mode, "RW": mode != "ro"}


def _on_host(path: str) -> str:
    inside = here.root() + path
    return inside if os.path.exists(inside) else path


def _pairs(words: list[str]) -> dict[str, str]:
    split = (word.partition("=") for word in words)
    return {name: value for name, _, value in split}


def _environment(options: Options) -> list[str]:
    found = []
    for path in options.get("env-file", []):
        try:
            with open(path, encoding="utf-8") as file:
                found += [line.strip() for line in file if line.strip() and not line.startswith("#")]
        except OSError as error:
            raise Refusal(f"docker: open {path}: {os.strerror(error.errno or 0).lower()}", 125) from error
    for word in options.get("env", []):
        found.append(word if "=" in word else f"{word}={os.environ.get(word, '')}")
    return found


def _bytes(text: str) -> int:
    units = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
    number = text.lower().rstrip("b").rstrip("i") or "0"
    unit = units.get(number[-1], 0)
    return int(float(number[:-1]) * unit) if unit else int(number)
