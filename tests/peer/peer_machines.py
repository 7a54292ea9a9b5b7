"""Two real OpenSSH servers on loopback addresses, a web server, and the folders that playbooks write to."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ADDRESSES = {"alpha": "127.0.0.31", "beta": "127.0.0.32"}
PORT_OF_NOBODY = 9
"""Nothing listens on the discard port here: connecting is refused."""


@dataclass
class Machines:
    """`root` is the same before every run; `inventory` serves both programs."""

    folder: Path
    inventory: Path
    processes: list[subprocess.Popen[bytes]]
    web: http.server.ThreadingHTTPServer

    @property
    def root(self) -> Path:
        return self.folder / "hosts"

    def reset(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ADDRESSES:
            (self.root / name).mkdir(parents=True)

    def files(self) -> dict[str, Any]:
        """Everything left behind: kind, mode, owner, content or target by path."""
        return {str(path.relative_to(self.root)): _described(path) for path in sorted(self.root.rglob("*"))}

    def close(self) -> None:
        self.web.shutdown()
        self.web.server_close()
        for process in self.processes:
            process.terminate()
            process.wait(timeout=10)


def _described(path: Path) -> tuple[Any, ...]:
    status = path.lstat()
    if path.is_symlink():
        return ("link", str(path.readlink()))
    mode = oct(stat.S_IMODE(status.st_mode))
    if path.is_dir():
        return ("folder", mode, status.st_uid, status.st_gid)
    return ("file", mode, status.st_uid, status.st_gid, path.read_bytes().decode("utf-8", "backslashreplace"))


def start(folder: Path, pages: Path) -> Machines:
    for name in ("client", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "client.pub", folder / "authorized_keys")
    (folder / "authorized_keys").chmod(0o600)
    ports = {name: _free_port(address) for name, address in ADDRESSES.items()}
    processes = [_sshd(folder, name, address, ports[name]) for name, address in ADDRESSES.items()]
    web = _serve(pages)
    inventory = _inventory(folder, ports, web.server_address[1])
    machines = Machines(folder, inventory, processes, web)
    machines.reset()
    for name, address in ADDRESSES.items():
        _await(address, ports[name], folder / f"{name}.log")
    return machines


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _sshd(folder: Path, name: str, address: str, port: int) -> subprocess.Popen[bytes]:
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program, "sshd is missing: install openssh-server"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    config = folder / f"{name}.conf"
    config.write_text(
        f"ListenAddress {address}\nPort {port}\nHostKey {folder}/host\nPidFile {folder}/{name}.pid\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"PermitRootLogin yes\nMaxStartups 100\nMaxSessions 100\nUseDNS no\nSubsystem sftp internal-sftp\n"
    )
    return subprocess.Popen([program, "-D", "-f", config, "-E", folder / f"{name}.log"])


def _await(address: str, port: int, log: Path) -> None:
    for _ in range(200):
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"sshd does not listen: {log.read_text()}")


def _inventory(folder: Path, ports: dict[str, int], web_port: int) -> Path:
    key = (folder / "host.pub").read_text().rsplit(" ", 1)[0]
    known = folder / "known_hosts"
    known.write_text("".join(f"[{ADDRESSES[name]}]:{port} {key}\n" for name, port in ports.items()))
    hosts = {
        name: {"ansible_host": ADDRESSES[name], "ansible_port": port, "scratch": f"{folder}/hosts/{name}", "own": name}
        for name, port in ports.items()
    }
    lost = {
        "gone": {"ansible_host": "127.0.0.33", "ansible_port": PORT_OF_NOBODY, "scratch": "/nowhere", "own": "gone"}
    }
    common = {
        "ansible_user": _user(),
        "ansible_ssh_private_key_file": str(folder / "client"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes",
        "ansible_python_interpreter": sys.executable,
        "web": f"http://127.0.0.1:{web_port}",
        "web_port": web_port,
        "controller": str(folder / "controller"),
        "level": "all",
    }
    groups = {
        "site": {"children": {"app": {}, "db": {}}, "vars": {"level": "site"}},
        "app": {"hosts": {"alpha": hosts["alpha"]}, "vars": {"level": "app", "kind": "app"}},
        "db": {"hosts": {"beta": hosts["beta"]}, "vars": {"kind": "db"}},
        "lost": {"hosts": lost},
    }
    path = folder / "inventory.yaml"
    path.write_text(yaml.safe_dump({"all": {"vars": common, "children": groups}}))
    return path


def _user() -> str:
    import getpass

    return getpass.getuser()


class _Pages(http.server.SimpleHTTPRequestHandler):
    """The files of a folder; `/echo` says what it was asked, `/moved` leads elsewhere."""

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/page.json")
            self.end_headers()
        elif self.path.startswith("/echo"):
            self._echo()
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self._echo()

    do_PUT = do_POST

    def _echo(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = {"method": self.command, "path": self.path, "body": body, "type": self.headers.get("Content-Type")}
        asked |= {"authorization": self.headers.get("Authorization"), "x": self.headers.get("X-Peer")}
        data = json.dumps(asked).encode()
        self.send_response(201 if self.command == "PUT" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _serve(pages: Path) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: _Pages(*args, directory=str(pages)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
