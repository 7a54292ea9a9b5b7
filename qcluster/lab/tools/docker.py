"""Simulation of the docker command. Containers are real processes of the lab; images and the registry are made up."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from qcluster.lab.tools import here
from qcluster.lab.tools.boxes import create, images, live, show
from qcluster.lab.tools.boxes.store import Refusal, container, put
from qcluster.lab.tools.boxes.words import last, run_options, split

DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
NONE: frozenset[str] = frozenset()
FLAGS = frozenset(
    [
        "all",
        "a",
        "quiet",
        "q",
        "no-trunc",
        "follow",
        "f",
        "force",
        "timestamps",
        "details",
        "size",
        "volumes",
        "v",
        "link",
        "l",
    ]
)


def main(argv: list[str]) -> None:
    try:
        sys.exit(_main(argv[1:]))
    except Refusal as refusal:
        here.complain(refusal.text)
        sys.exit(refusal.code)
    except BrokenPipeError:
        os._exit(141)


def _main(words: list[str]) -> int:
    if words[:1] == ["__ended"]:
        live.ended(words[1], int(words[2]))
        return 0
    if words[:1] in (["--version"], ["-v"]):
        here.say(f"Docker version {show.VERSION}, build sim ({here.SIMULATION})")
        return 0
    if here.fault("docker-down") is not None:
        raise Refusal(DOWN)
    name, rest = _command(words)
    if name not in COMMANDS:
        raise Refusal(f"docker: '{name}' is not a docker command.\nSee 'docker --help'")
    return COMMANDS[name](rest) or 0


def _command(words: list[str]) -> tuple[str, list[str]]:
    """`container ls` is `ps`, `image rm` is `rmi`, and so on."""
    if not words:
        return "help", []
    if words[0] == "container" and len(words) > 1:
        return {"ls": "ps", "list": "ps", "inspect": "container-inspect"}.get(words[1], words[1]), words[2:]
    if words[0] == "image" and len(words) > 1:
        return {"ls": "images", "rm": "rmi", "inspect": "image-inspect"}.get(words[1], words[1]), words[2:]
    return words[0], words[1:]


def run(words: list[str]) -> int:
    options, rest = run_options(words)
    record = create.create(options, rest)
    if "detach" not in options:
        return live.foreground(record, "interactive" in options)
    live.start(record)
    here.say(record["Id"])
    return 0


def create_only(words: list[str]) -> None:
    options, rest = run_options(words)
    here.say(create.create(options, rest)["Id"])


def start(words: list[str]) -> None:
    for name in words:
        record = container(name)
        if not record["State"]["Running"]:
            live.start(record)
        here.say(name)


def stop(words: list[str]) -> None:
    options, names = split(words, frozenset({"t", "time", "timeout", "s", "signal"}), NONE, interspersed=True)
    grace = float(last(options, "t", "time", "timeout") or 10)
    for name in names:
        live.stop(container(name), grace)
        here.say(name)


def restart(words: list[str]) -> None:
    stop(words)
    start([word for word in words if not word.startswith("-") and not word.isdigit()])


def kill(words: list[str]) -> None:
    options, names = split(words, frozenset({"s", "signal"}), NONE, interspersed=True)
    word = last(options, "s", "signal") or "KILL"
    number = int(word) if word.isdigit() else signal.Signals[f"SIG{word.removeprefix('SIG')}"]
    for name in names:
        live.kill(container(name), number)
        here.say(name)


def remove(words: list[str]) -> int:
    options, names = split(words, NONE, frozenset({"f", "force", "v", "volumes"}), interspersed=True)
    code = 0
    for name in names:
        try:
            live.remove(container(name), bool(options.get("f") or options.get("force")))
            here.say(name)
        except Refusal as refusal:
            here.complain(refusal.text)
            code = 1
    return code


def rename(words: list[str]) -> None:
    record = container(words[0])
    create.unused(words[1])
    put({**record, "Name": f"/{words[1]}"})


def wait(words: list[str]) -> None:
    for name in words:
        here.say(str(live.wait(container(name))))


def execute(words: list[str]) -> int:
    options, rest = run_options(words)
    if len(rest) < 2:
        raise Refusal("docker: 'docker exec' requires at least 2 arguments.")
    return live.execute(container(rest[0]), rest[1:], options)


def logs(words: list[str]) -> None:
    flags = frozenset(["follow", "f", "timestamps", "t", "details"])
    options, names = split(words, frozenset(["tail", "n", "since", "until"]), flags, interspersed=True)
    show.logs(container(names[0]), options)


def ps(words: list[str]) -> None:
    options, _ = split(words, frozenset({"format", "filter", "f", "n"}), FLAGS - {"f", "volumes", "v", "follow"}, True)
    show.ps(options)


def inspect(kind: str) -> Callable[[list[str]], int]:
    def shown(words: list[str]) -> int:
        options, names = split(words, frozenset({"format", "f", "type"}), frozenset({"size", "s"}), interspersed=True)
        template = last(options, "format", "f")
        return show.inspect(names, template, kind or last(options, "type"))

    return shown


def pull(words: list[str]) -> None:
    options, names = split(words, frozenset({"platform"}), frozenset({"quiet", "q"}), interspersed=True)
    images.pull(names[0], quiet="quiet" in options or "q" in options)


def manifest(words: list[str]) -> None:
    """`docker manifest inspect -v`; the other subcommands change a registry."""
    _, rest = split(words, NONE, frozenset({"v", "verbose", "insecure"}), interspersed=True)
    if rest[0] != "inspect":
        raise Refusal(f"docker manifest {rest[0]} ({here.SIMULATION}): only inspect is known")
    images.manifest(rest[1])


def image_list(words: list[str]) -> None:
    flags = frozenset(["quiet", "q", "all", "a", "no-trunc", "digests"])
    options, names = split(words, frozenset({"format", "filter", "f"}), flags, interspersed=True)
    show.image_list(options, names)


def image_remove(words: list[str]) -> None:
    for name in (word for word in words if not word.startswith("-")):
        images.remove(name)


def image_save(words: list[str]) -> None:
    options, names = split(words, frozenset({"o", "output", "platform"}), NONE, interspersed=True)
    images.save_tar(names[0], last(options, "o", "output"))


def image_load(words: list[str]) -> None:
    options, _ = split(words, frozenset({"i", "input", "platform"}), frozenset({"quiet", "q"}), interspersed=True)
    images.load_tar(last(options, "i", "input"))


def info(words: list[str]) -> None:
    options, _ = split(words, frozenset({"format", "f"}), NONE)
    show.info(last(options, "format", "f"))


def version(words: list[str]) -> None:
    options, _ = split(words, frozenset({"format", "f"}), NONE)
    show.version(last(options, "format", "f"))


def copy(words: list[str]) -> None:
    """A path in a container is the same path on its host; what only the image has lies in its tools folder."""
    import shutil

    source, target = (word for word in words if not word.startswith("-"))
    paths = [word.partition(":")[2] if ":" in word else word for word in (source, target)]
    name = paths[0].rpartition("/")[2]
    found = paths[0] if os.path.exists(paths[0]) else f"{here.lab()}/image/{name}"
    if not os.path.exists(found):
        raise Refusal(f"Error response from daemon: Could not find the file {paths[0]} in container")
    shutil.copy(found, paths[1])


COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "run": run,
    "create": create_only,
    "start": start,
    "stop": stop,
    "restart": restart,
    "kill": kill,
    "rm": remove,
    "rename": rename,
    "wait": wait,
    "exec": execute,
    "logs": logs,
    "ps": ps,
    "inspect": inspect(""),
    "container-inspect": inspect("container"),
    "image-inspect": inspect("image"),
    "pull": pull,
    "manifest": manifest,
    "images": image_list,
    "rmi": image_remove,
    "tag": lambda words: images.tag_as(*words),
    "save": image_save,
    "load": image_load,
    "info": info,
    "version": version,
    "cp": copy,
}
