"""What docker prints: ps, inspect, images, info, version, logs."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from qcluster.lab.tools import here
from qcluster.lab.tools.boxes import images
from qcluster.lab.tools.boxes.store import Record, Refusal, container, containers, log_path, settle
from qcluster.lab.tools.boxes.template import TemplateError, render

VERSION = "27.5.1"


def formatted(template: str, value: Any) -> None:
    try:
        here.say(render(template, value))
    except TemplateError as error:
        raise Refusal(str(error)) from error


def ps(options: dict[str, list[str]]) -> None:
    shown = [settle(record) for record in containers()]
    shown = [r for r in shown if "all" in options or "a" in options or r["State"]["Running"] or _asks_state(options)]
    for word in options.get("filter", []) + options.get("f", []):
        shown = [record for record in shown if _matches(record, word)]
    if "quiet" in options or "q" in options:
        for record in shown:
            here.say(record["Id"] if "no-trunc" in options else record["Id"][:12])
        return
    if "format" in options:
        for record in shown:
            formatted(options["format"][-1].removeprefix("table "), row(record))
        return
    here.say("CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES")
    for record in shown:
        values = row(record)
        here.say("   ".join(values[name] for name in ("ID", "Image", "Command", "RunningFor", "Status", "Names")))


def _asks_state(options: dict[str, list[str]]) -> bool:
    return any(word.startswith("status=") for word in options.get("filter", []) + options.get("f", []))


def _matches(record: Record, word: str) -> bool:
    kind, _, value = word.partition("=")
    if kind == "label":
        name, equals, wanted = value.partition("=")
        labels = record["Config"]["Labels"]
        return name in labels and (not equals or labels[name] == wanted)
    if kind == "name":
        return value.strip("^$/") in record["Name"][1:]
    if kind == "status":
        return bool(record["State"]["Status"] == value)
    if kind == "id":
        return bool(record["Id"].startswith(value))
    if kind == "ancestor":
        return bool(record["Config"]["Image"] == value)
    raise Refusal(f"Error response from daemon: invalid filter '{kind}'")


def row(record: Record) -> dict[str, str]:
    """One line of `docker ps`, in the words of its templates."""
    return {
        "ID": record["Id"][:12],
        "Names": record["Name"][1:],
        "Image": record["Config"]["Image"],
        "Command": json.dumps(" ".join(record["Config"]["Cmd"])[:20]),
        "CreatedAt": record["Created"].replace("T", " ")[:19] + " +0000 UTC",
        "RunningFor": f"{_since(record['Created'])} ago",
        "State": record["State"]["Status"],
        "Status": _status(record["State"]),
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(record["Config"]["Labels"].items())),
        "Mounts": ",".join(mount["Source"] for mount in record["Mounts"]),
        "Networks": record["HostConfig"]["NetworkMode"],
        "Ports": "",
        "Size": "0B",
        "LocalVolumes": "0",
    }


def _status(state: dict[str, Any]) -> str:
    if state["Running"]:
        return f"Up {_since(state['StartedAt'])}"
    if state["Status"] == "created":
        return "Created"
    return f"Exited ({state['ExitCode']}) {_since(state['FinishedAt'])} ago"


def _since(stamp: str) -> str:
    then = time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
    seconds = max(0, int(time.mktime(time.gmtime()) - time.mktime(then)))
    if seconds < 60:
        return f"{seconds} seconds" if seconds != 1 else "1 second"
    return f"{seconds // 60} minutes" if seconds < 7200 else f"{seconds // 3600} hours"


def inspect(words: list[str], template: str, kind: str = "") -> int:
    found, missing = [], []
    for word in words:
        record = _object(word, kind)
        (found.append(record) if record else missing.append(word))
    if template:
        for record in found:
            formatted(template, record)
    else:
        here.say(json.dumps(found, indent=4))
    for word in missing:
        here.complain(f"Error: No such {kind or 'object'}: {word}")
    return 1 if missing else 0


def _object(word: str, kind: str) -> Record | None:
    if kind != "image":
        try:
            return settle(container(word))
        except Refusal:
            pass
    return images.find(word) if kind != "container" else None


def image_list(options: dict[str, list[str]], words: list[str]) -> None:
    shown = [record for record in images.local() if not words or _named(record, words[0])]
    if "quiet" in options or "q" in options:
        for record in shown:
            here.say(record["Id"][7:19])
    elif "format" in options:
        for record in shown:
            formatted(options["format"][-1].removeprefix("table "), _image_row(record))
    else:
        here.say("REPOSITORY                    TAG          IMAGE ID       CREATED       SIZE")
        for record in shown:
            values = _image_row(record)
            here.say("   ".join(values[name] for name in ("Repository", "Tag", "ID", "CreatedSince", "Size")))


def _named(record: Record, word: str) -> bool:
    return any(name == word or name.rpartition(":")[0] == word for name in record["RepoTags"])


def _image_row(record: Record) -> dict[str, str]:
    repository, tag = images.reference((record["RepoTags"] or ["<none>:<none>"])[0])
    digest = record["RepoDigests"][0].partition("@")[2] if record["RepoDigests"] else "<none>"
    return {"Repository": repository, "Tag": tag, "ID": record["Id"][7:19], "Digest": digest} | {
        "CreatedSince": "3 months ago",
        "Size": f"{record['Size'] / 1e9:.1f}GB",
    }


def info(template: str) -> None:
    values = {
        "ServerVersion": VERSION,
        "Name": here.host(),
        "DockerRootDir": f"{here.root()}/lab/docker",
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
        "RegistryConfig": {"IndexConfigs": {"docker.io": {"Name": "docker.io", "Secure": True}}},
        "OperatingSystem": f"Debian ({here.SIMULATION})",
        "OSType": "linux",
        "Architecture": os.uname().machine,
        "NCPU": 192,
        "MemTotal": 1 << 41,
        "Containers": len(containers()),
        "Images": len(images.local()),
        "CgroupDriver": "systemd",
        "Warnings": None,
    }
    if template:
        formatted(template, values)
    else:
        here.say("\n".join(f" {name}: {value}" for name, value in values.items()))


def version(template: str) -> None:
    part = {"Version": VERSION, "ApiVersion": "1.47", "Os": "linux", "Arch": images.machine()}
    values = {"Client": part, "Server": {**part, "Platform": {"Name": here.SIMULATION}}}
    if template:
        formatted(template, values)
    else:
        here.say(f"Docker version {VERSION} ({here.SIMULATION})")


def logs(record: Record, options: dict[str, list[str]]) -> None:
    path = log_path(record)
    try:
        with open(path, "rb") as file:
            text = file.read()
            tail = options.get("tail", options.get("n", ["all"]))[-1]
            if tail != "all":
                lines = text.splitlines(keepends=True)
                text = b"".join(lines[len(lines) - min(int(tail), len(lines)) :])
            _emit(text)
            while "follow" in options or "f" in options:
                text = file.read()
                _emit(text)
                if not text and not settle(container(record["Id"]))["State"]["Running"]:
                    return
                time.sleep(0.1)
    except FileNotFoundError:
        return


def _emit(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
