"""What a source installation takes, made on the spot: git repositories, a package index, and a Python on each host.

The repositories and the index are served in the controller's namespace, as a site without internet has them. Their
packages are whole ones, built by pip through the backend below; `vllm` is the lab's simulated one.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from machine import Machine, end, sh
from made_image import EXAMPLES
from real_hosts import HERE, NETWORK, Cluster

from qcluster.lab import toolbox

PYTHON = "/opt/ascend/bin/python3"
HOLD, BUILDS = "/run/hold-pip", "/var/log/builds"
"""While the first exists on a host, builds there wait; the second has a line for each build that began."""

RELEASE = "0.23.0"
MOONCAKE = ("mooncake-transfer-engine-npu", "0.3.11.post1")
INDEX, REPOSITORIES = f"http://{NETWORK}.1:8099/simple", f"git://{NETWORK}.1"
PIP = f"[global]\nindex-url = {INDEX}\ntrusted-host = {NETWORK}.1\nretries = 0\ndisable-pip-version-check = true\n"
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = '''\
"""Builds a wheel of everything below `content/`: hooks of PEP 517 and PEP 660."""
import base64, hashlib, os, time, zipfile

NAME, VERSION = open("NAME").read().split()
STEM = f"{NAME.replace('-', '_')}-{VERSION}"
META = {"METADATA": f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n",
        "WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.mkdir(f"{folder}/{STEM}.dist-info")
    for name, text in META.items():
        open(f"{folder}/{STEM}.dist-info/{name}", "w").write(text)
    return f"{STEM}.dist-info"


def build_wheel(folder, config_settings=None, metadata_directory=None):
    with open(os.environ.get("BUILDS", "%(builds)s"), "a") as log:
        log.write(f"{NAME}\\n")
    while os.path.exists("%(hold)s"):
        time.sleep(0.1)
    parts = {f"{STEM}.dist-info/{name}": text.encode() for name, text in META.items()}
    for root, _, files in os.walk("content"):
        for file in files:
            path = f"{root}/{file}"
            parts[path.removeprefix("content/").replace("SCRIPTS", f"{STEM}.data/scripts")] = open(path, "rb").read()
    return pack(folder, parts)


def pack(folder, parts):
    record = ""
    for name, data in parts.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\\n"
    record += f"{STEM}.dist-info/RECORD,,\\n"
    with zipfile.ZipFile(f"{folder}/{STEM}-py3-none-any.whl", "w") as wheel:
        for name, data in {**parts, f"{STEM}.dist-info/RECORD": record.encode()}.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16  # pip leaves a script without this mode as it is
            wheel.writestr(entry, data)
    return f"{STEM}-py3-none-any.whl"


prepare_metadata_for_build_editable, build_editable = prepare_metadata_for_build_wheel, build_wheel
''' % {"builds": BUILDS, "hold": HOLD}  # noqa: UP031  (braces belong to the program)


@contextmanager
def source_site(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Repositories and index are served, and each host has a Python; gives the inventory's variables for them."""
    folder = cluster.folder / "source"
    folder.mkdir()
    project = HERE.parents[1]
    proxy = toolbox.python_script("proxy", project)
    program = f"{EXAMPLES.partition('vllm-ascend/')[2]}/load_balance_proxy_server_example.py"
    _repository(folder / "vllm-ascend.git", "vllm-ascend", {program: proxy, "content/vllm_ascend/__init__.py": ""})
    _repository(folder / "vllm", "vllm", {"content/SCRIPTS/vllm": toolbox.python_script("vllm", project)})
    _index(folder / "simple" / MOONCAKE[0])
    with ThreadPoolExecutor() as pool:
        list(pool.map(_python, cluster.machines.values()))
    git = ("git", "daemon", "--reuseaddr", "--export-all", f"--base-path={folder}", f"--listen={NETWORK}.1")
    web = (sys.executable, "-m", "http.server", "--bind", f"{NETWORK}.1", "--directory", str(folder), "8099")
    with ExitStack() as stack:
        for command in (git, web):
            stack.enter_context(_served(cluster.controller(command)))
        yield {
            "container_runtime": "host",
            "source_python": PYTHON,
            "engine_path": PYTHON.rpartition("/")[0],
            "source_repository": f"{REPOSITORIES}/vllm-ascend.git",
            "source_vllm_requirement": f"git+{REPOSITORIES}/vllm@v{RELEASE}",
            "source_indexes": "[]",
        }


def _repository(folder: Path, name: str, files: dict[str, str]) -> None:
    """A repository with one commit and the release's tag."""
    made = {"NAME": f"{name} {RELEASE}", "pyproject.toml": PROJECT, "backend.py": BACKEND, **files}
    _write(folder, made)
    git = ("git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "release"), ("tag", f"v{RELEASE}")):
        sh(*git, *words)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _index(folder: Path) -> None:
    """A wheel with `mooncake.engine`, in a folder that the web server lists as an index does."""
    name, version = MOONCAKE
    content = {"content/mooncake/__init__.py": "", "content/mooncake/engine.py": ""}
    _write(folder / "src", {"NAME": f"{name} {version}", "backend.py": BACKEND, **content})
    build = (sys.executable, "-c", "import backend; backend.build_wheel('..')")
    sh(*build, cwd=folder / "src", env={"BUILDS": "/dev/null"})
    (wheel,) = folder.glob("*.whl")
    assert zipfile.is_zipfile(wheel)


def _python(machine: Machine) -> None:
    machine.sh(f'python3 -m venv {PYTHON.removesuffix("/bin/python3")} && printf "%s" "$1" >/etc/pip.conf', PIP)


@contextmanager
def _served(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        end(process)
