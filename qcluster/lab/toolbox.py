"""Puts the simulated tools on a lab's PATHs: `bin/` for hosts, `image/` for what runs inside a container.

A Python tool is a two-line script for the interpreter itself (`-SE`: no site packages), so that it starts in ~15 ms.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qcluster.lab.layout import Lab

TOOLS = Path(__file__).parent / "tools"
PROJECT = Path(__file__).parents[2]
SHELL = {
    name: name
    for name in ("hccn_tool", "npu-smi", "ip", "ss", "sysctl", "systemctl", "sudo", "id", "df", "date", "git")
} | {"python3": "hostpython3", "pip": "hostpip"}
HUBS = {"modelscope": "modelscope", "hf": "modelscope", "huggingface-cli": "modelscope"}
ENGINES = {"vllm": "vllm", "vllm-router": "router"}
JUDGES = {"lm_eval": "lm_eval", "ais_bench": "ais_bench"}
PYTHON = {"docker": "docker", **HUBS, **ENGINES, **JUDGES}
IMAGE_SHELL = {name: name for name in ("hccn_tool", "npu-smi", "ip", "python3", "pip", "date")} | {"python": "python3"}
IMAGE_PYTHON = {
    **HUBS,
    **ENGINES,
    **JUDGES,
    "load_balance_proxy_server_example.py": "proxy",
    "load_balance_proxy_layerwise_server_example.py": "proxy_layerwise",
}


def fill(lab: Lab) -> None:
    """Write the tools anew; links of hosts are left alone, since a fault may have taken one away."""
    _folder(lab.directory / "bin", SHELL, PYTHON)
    _folder(lab.directory / "image", IMAGE_SHELL, IMAGE_PYTHON)
    for part in TOOLS.glob("*-details.sh"):
        _replace(lab.directory / part.name, part.read_text(), 0o644)


def link(lab: Lab, host: str) -> None:
    """Give a host its own PATH folder: links to the shared tools."""
    folder = lab.root(host) / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for tool in (lab.directory / "bin").iterdir():
        if not (folder / tool.name).is_symlink():
            (folder / tool.name).symlink_to(tool)
    driver = lab.root(host) / "usr/local/Ascend/driver/tools/hccn_tool"
    if not driver.is_symlink():
        driver.symlink_to(lab.directory / "bin/hccn_tool")


def install(folder: Path, project: Path = PROJECT) -> None:
    """An image's tools in `folder`; `project` is where the image made on the spot has the `qcluster` package."""
    _folder(folder, IMAGE_SHELL, IMAGE_PYTHON, project)


def _folder(folder: Path, shell: dict[str, str], python: dict[str, str], project: Path = PROJECT) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, tool in shell.items():
        _replace(folder / name, shell_script(tool, project))
    for name, tool in python.items():
        _replace(folder / name, python_script(tool, project))


def shell_script(tool: str, project: Path = PROJECT) -> str:
    """A tool written in sh, told where the interpreter and the tools' other parts are."""
    text = (TOOLS / f"{tool}.sh").read_text()
    return text.replace("@PYTHON@", interpreter()).replace("@TOOLS@", f"{project}/qcluster/lab/tools")


def interpreter() -> str:
    """The bare interpreter under a virtual environment's: the fastest to start."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def python_script(tool: str, project: Path = PROJECT) -> str:
    return (
        f"#!{interpreter()} -SE\nimport sys\nsys.path.append({str(project)!r})\n"
        f"from qcluster.lab.tools.{tool} import main\nmain(sys.argv)\n"
    )


def _replace(path: Path, text: str, mode: int = 0o755) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.chmod(mode)
    beside.replace(path)
