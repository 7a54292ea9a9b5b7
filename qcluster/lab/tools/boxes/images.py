"""The simulated registry (tags of vllm-ascend's own build) and the images of a host."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time

from qcluster.lab.tools import here
from qcluster.lab.tools.boxes.store import Record, Refusal, folder, load, names, save

REPOSITORIES = (
    "quay.io/ascend/vllm-ascend",
    "m.daocloud.io/quay.io/ascend/vllm-ascend",
    "quay.nju.edu.cn/ascend/vllm-ascend",
)
RELEASES = [
    "v0.17.0rc1",
    "v0.18.0rc1",
    "v0.18.0",
    "v0.19.1rc1",
    "v0.20.2rc1",
    "v0.21.0rc1",
    "v0.22.1rc1",
    "v0.23.0rc1",
    "v0.23.0",
    "v0.24.0rc1",
    "v0.25.1rc1",
    "main",
    "nightly-main",
]
SUFFIXES = ("", "-openeuler", "-a3", "-a3-openeuler", "-310p", "-310p-openeuler", "-a5", "-a5-openeuler")
LAYERS = 8
LAYER_BYTES = 805_306_368
"""What a layer weighs in the registry: a third of what it takes on the disk."""
MEDIA = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ROUTERS = re.compile(r"(^|/)vllm-router(:|$)")


def reference(word: str) -> tuple[str, str]:
    """Repository and tag; a digest counts as a tag."""
    if "@" in word:
        repository, _, digest = word.partition("@")
        return repository, digest
    repository, colon, tag = word.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (word, "latest")


def digest_of(repository: str, tag: str) -> str:
    """The same tag has the same digest in every registry, as mirrors do."""
    return "sha256:" + hashlib.sha256(f"{repository.rpartition('/')[2]}:{tag}".encode()).hexdigest()


def known(repository: str, tag: str) -> bool:
    if ROUTERS.search(repository):
        return True
    extra = here.read(f"{here.lab()}/registry").split()
    released = any(tag == f"{release}{suffix}" for release in RELEASES for suffix in SUFFIXES)
    digests = (digest_of(repository, f"{release}{suffix}") for release in RELEASES for suffix in SUFFIXES)
    return (repository in REPOSITORIES and (released or tag in digests)) or f"{repository}:{tag}" in extra


def pull(word: str, quiet: bool = False) -> None:
    repository, tag = reference(word)
    _ask_registry(repository, tag)
    if not quiet:
        here.say(f"{tag}: Pulling from {repository.partition('/')[2]}")
        _layers(repository, tag)
    if here.fault("disk-full") is not None:
        raise Refusal("failed to register layer: write /usr/local/lib/libtorch_cpu.so: no space left on device")
    digest = digest_of(repository, tag)
    newer = load("images", _key(word)) is None
    save("images", _key(word), _record(repository, tag, digest))
    if not quiet:
        here.say(f"Digest: {digest}")
        here.say(f"Status: {'Downloaded newer image' if newer else 'Image is up to date'} for {word}")
    here.say(word)


def _ask_registry(repository: str, tag: str) -> None:
    server = repository.partition("/")[0]
    if here.fault("registry-down", server, "all", here.host()) is not None:
        raise Refusal(
            f'Error response from daemon: Get "https://{server}/v2/": dial tcp 203.0.113.7:443: connect: '
            "connection refused"
        )
    missing = here.fault("image-missing", tag, "all", server) is not None
    if missing or not known(repository, tag):
        raise Refusal(
            f"Error response from daemon: manifest for {repository}:{tag} not found: manifest unknown: manifest unknown"
        )


def manifest(word: str) -> None:
    """What `docker manifest inspect -v` shows of an image for two kinds of machine."""
    repository, tag = reference(word)
    _ask_registry(repository, tag)
    shown = [_manifest(repository, tag, kind) for kind in ("amd64", "arm64")]
    here.say(json.dumps(shown, indent="\t"))


def _manifest(repository: str, tag: str, kind: str) -> Record:
    layers = [
        {"mediaType": MEDIA, "size": LAYER_BYTES, "digest": digest_of(repository, f"{tag}{kind}{n}")}
        for n in range(LAYERS)
    ]
    platform = {"architecture": kind, "os": "linux"}
    return {
        "Ref": f"{repository}:{tag}",
        "Descriptor": {"digest": digest_of(repository, tag), "size": 2408, "platform": platform},
        "SchemaV2Manifest": {"schemaVersion": 2, "layers": layers},
    }


def _layers(repository: str, tag: str) -> None:
    seconds = float(here.fault("slow-pull") or min(here.pace() / 4, 1.0))
    layers = [digest_of(repository, f"{tag}{n}")[7:19] for n in range(LAYERS)]
    for layer in layers:
        here.say(f"{layer}: Pulling fs layer")
    for layer in layers:
        time.sleep(seconds / LAYERS)
        here.say(f"{layer}: Download complete")
        here.say(f"{layer}: Pull complete")


def _record(repository: str, tag: str, digest: str) -> Record:
    return {
        "Id": "sha256:" + hashlib.sha256(digest.encode()).hexdigest(),
        "RepoTags": [] if tag.startswith("sha256:") else [f"{repository}:{tag}"],
        "RepoDigests": [f"{repository}@{digest}"],
        "Created": "2026-08-16T08:00:00Z",
        "Architecture": machine(),
        "Os": "linux",
        "Size": 19_327_352_832,
        "RootFS": {"Type": "layers", "Layers": [digest_of(repository, f"{tag}{n}") for n in range(LAYERS)]},
        "Config": {
            "Env": ["TASK_QUEUE_ENABLE=1", "OMP_NUM_THREADS=1", f"SOC_VERSION={soc(tag)}"],
            "Cmd": ["/bin/bash"],
            "Entrypoint": None,
            "Labels": {"lab": here.SIMULATION},
            "WorkingDir": "/workspace",
        },
    }


def machine() -> str:
    """This host's architecture in docker's words."""
    return "arm64" if os.uname().machine == "aarch64" else "amd64"


def soc(tag: str) -> str:
    """What chip an image is built for, from its tag."""
    return "ascend910_9391" if "-a3" in tag else "ascend310p1" if "-310p" in tag else "ascend910b1"


def find(word: str) -> Record | None:
    """The local image called `word`: by name, digest or id."""
    exact = load("images", _key(word))
    if exact is not None:
        return exact
    repository, tag = reference(word)
    for record in local():
        if f"{repository}@{tag}" in record["RepoDigests"] or record["Id"].startswith(("sha256:" + word, word)):
            return record
    return None


def local() -> list[Record]:
    found = (load("images", name) for name in names("images"))
    return [record for record in found if record is not None]


def need(word: str) -> Record:
    record = find(word)
    if record is None:
        raise Refusal(f"Error response from daemon: No such image: {word}")
    return record


def remove(word: str) -> None:
    need(word)
    os.unlink(f"{folder('images')}/{_key(word)}.json")
    here.say(f"Untagged: {word}")


def tag_as(word: str, new: str) -> None:
    save("images", _key(new), {**need(word), "RepoTags": [new]})


def save_tar(word: str, target: str) -> None:
    """`docker save`: a tar with the manifest and some bytes for layers."""
    import io
    import tarfile

    record = need(word)
    out = open(target, "wb") if target else sys.stdout.buffer
    with out, tarfile.open(fileobj=out, mode="w|") as tar:
        config = {**record, "RepoTags": record["RepoTags"] or [word]}
        for name, data in (("manifest.json", json.dumps([config]).encode()), ("layer.tar", os.urandom(1 << 20))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def load_tar(source: str) -> None:
    """`docker load`: from a file or stdin, gzip or not."""
    if here.fault("disk-full") is not None:
        raise Refusal("Error processing tar file(exit status 1): write /layer.tar: no space left on device")
    import tarfile

    stream = open(source, "rb") if source else sys.stdin.buffer
    try:
        with stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
            found = [json.loads(tar.extractfile(part).read()) for part in tar if part.name == "manifest.json"]  # type: ignore[union-attr]
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Refusal("archive/tar: invalid tar header") from error
    for record in found[0] if found else []:
        for name in record["RepoTags"]:
            save("images", _key(name), {**record, "RepoDigests": []})
            here.say(f"Loaded image: {name}")


def _key(word: str) -> str:
    repository, tag = reference(word)
    return f"{repository}:{tag}".replace("/", "+")
