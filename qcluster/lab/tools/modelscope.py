"""Simulation of `modelscope download` and `hf download`: made-up weights, progress, resumption, a hub's faults."""

from __future__ import annotations

import hashlib
import os
import sys

from qcluster.lab.tools import here, weights

VALUES = frozenset(
    [
        "model",
        "model-id",
        "dataset",
        "revision",
        "cache-dir",
        "cache_dir",
        "local-dir",
        "local_dir",
        "token",
        "include",
        "exclude",
        "max-workers",
        "repo-type",
        "endpoint",
    ]
)


def main(argv: list[str]) -> None:
    program, words = os.path.basename(argv[0]), argv[1:]
    if words[:1] in (["--version"], ["version"], ["-V"]):
        here.say(f"{program} 1.40.2 ({here.SIMULATION})")
        return
    if words[:1] != ["download"]:
        sys.exit(f"{program} ({here.SIMULATION}): only download is simulated")
    options, names = _split(words[1:])
    model = options.get("model") or options.get("model-id") or (names[0] if names else "")
    if not model:
        sys.exit("error: the following arguments are required: model")
    sys.exit(download(program, model, options))


def _split(words: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    names = []
    at = 0
    while at < len(words):
        name, equals, value = words[at].lstrip("-").partition("=")
        if not words[at].startswith("--"):
            names.append(words[at])
        elif name in VALUES and not equals:
            at += 1
            options[name.replace("_", "-")] = words[at] if at < len(words) else ""
        else:
            options[name.replace("_", "-")] = value
        at += 1
    return options, names


def download(program: str, model: str, options: dict[str, str]) -> int:
    if here.fault("hub-down", here.host(), "all") is not None:
        here.complain(
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='www.modelscope.cn', port=443): "
            "Max retries exceeded"
        )
        return 1
    if "/" not in model or here.fault("model-missing", model, "all") is not None:
        here.complain(f"ValueError: the model {model} does not exist on the hub, or cannot be read without a token")
        return 1
    folder = options.get("local-dir") or _cache(program, model, options)
    here.say(f"{here.SIMULATION}: Downloading Model from https://www.modelscope.cn to directory: {folder}")
    return _fetch(model, os.path.expanduser(folder))


def _cache(program: str, model: str, options: dict[str, str]) -> str:
    """Where the tool's own cache has it: modelscope ≥ 1.38, or the Hugging Face hub."""
    owner, _, name = model.partition("/")
    if program != "modelscope":
        base = options.get("cache-dir") or os.environ.get("HF_HOME", "~/.cache/huggingface") + "/hub"
        return f"{base}/models--{owner}--{name}/snapshots/main"
    base = options.get("cache-dir") or os.environ.get("MODELSCOPE_CACHE", "~/.cache/modelscope")
    return f"{base}/models/{owner}--{name}/snapshots/master"


def _fetch(model: str, folder: str) -> int:
    wanted = weights.files(model)
    seconds = float(here.fault("slow-download") or min(here.pace() / 4, 1.0)) / len(wanted)
    cut = here.fault("download-cut")
    for at, (name, data) in enumerate(wanted.items()):
        path = f"{folder}/{name}"
        if _same(path, data):
            continue
        if here.fault("disk-full") is not None:
            here.complain(f"OSError: [Errno 28] No space left on device: '{path}.incomplete'")
            return 1
        if cut is not None and at >= int(cut or 3):
            here.complain("requests.exceptions.ChunkedEncodingError: Connection broken: IncompleteRead")
            return 1
        weights.write_slowly(path, data, seconds)
        here.complain(f"Downloading [{name}]: 100%|##########| {len(data)}/{len(data)} [00:00<00:00]")
    here.say(folder)
    return 0


def _same(path: str, data: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).digest() == hashlib.sha256(data).digest()
    except FileNotFoundError:
        return False
