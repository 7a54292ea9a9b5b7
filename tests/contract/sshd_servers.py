"""Real OpenSSH servers on loopback addresses. As root each lives in a mount namespace with users of its own."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

PASSWORD = "geheim $x 'y'"
"""The password of `asker` and `plain`."""

USERS = {
    "plain": "/bin/sh",
    "asker": "/bin/sh",
    "free": "/bin/sh",
    "talker": "/bin/bash",
    "closed": "/usr/sbin/nologin",
}
"""plain: no sudo. asker: sudo asks for the password. free: NOPASSWD. talker: its .bashrc prints. closed: no shell."""

SUDOERS = "Defaults env_reset\nroot ALL=(ALL) ALL\nasker ALL=(ALL) ALL\nfree ALL=(ALL) NOPASSWD: ALL\n"

NAMESPACE = """set -eu
mount --make-rprivate /
for name in passwd shadow group sudoers; do mount --bind "$1/$name" "/etc/$name"; done
exec "$2" -D -e -f "$1/sshd_config"
"""


def find_sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True)
    return path


@dataclass
class SshServer:
    """One sshd. `key` opens every user; `log` holds what it said (LogLevel VERBOSE)."""

    folder: Path
    key: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def host_key(self) -> Path:
        return self.folder / "host_key"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def known_line(self, name: str) -> str:
        kind, key, *_ = Path(f"{self.host_key}.pub").read_text().split()
        return f"{name} {kind} {key}\n"

    def start(self) -> SshServer:
        if not self.host_key.exists():
            self._prepare()
        sshd = find_sshd()
        assert sshd
        command = [sshd, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
            command = ["unshare", "-m", "sh", "-c", NAMESPACE, "sshd", str(self.folder), sshd]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._await()
        return self

    def _prepare(self) -> None:
        self.folder.chmod(0o755)
        make_key(self.host_key)
        lines = [
            f"Port {self.port}", "ListenAddress 0.0.0.0", f"HostKey {self.host_key}", "PidFile none", "UsePAM no",
            f"AuthorizedKeysFile {self.folder}/authorized_keys", "StrictModes no", "LogLevel VERBOSE",
            "PermitRootLogin yes", "PasswordAuthentication yes", "MaxStartups 200:30:400", *self.options,
            f"Match User {me()}", f"SetEnv HOME={self.folder}",
        ]  # fmt: skip
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        authorized = self.folder / "authorized_keys"
        authorized.write_text(Path(f"{self.key}.pub").read_text())
        authorized.chmod(0o644)
        if os.geteuid() == 0:
            self._users()

    def _users(self) -> None:
        """Copies of the user tables, with our users in them; only this server's namespace sees them."""
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
        ).stdout.strip()
        tables = {name: Path("/etc", name).read_text() for name in ("passwd", "shadow", "group")}
        for number, (name, shell) in enumerate(USERS.items(), 4100):
            home = self.folder / "home" / name
            home.mkdir(parents=True)
            os.chown(home, number, number)
            tables["passwd"] += f"{name}:x:{number}:{number}::{home}:{shell}\n"
            tables["shadow"] += f"{name}:{hashed}:19000:0:99999:7:::\n"
            tables["group"] += f"{name}:x:{number}:\n"
        for name, text in tables.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o640 if name == "shadow" else 0o644)
        (self.folder / "sudoers").write_text(SUDOERS)
        (self.folder / "sudoers").chmod(0o440)
        bashrc = self.folder / "home/talker/.bashrc"
        bashrc.write_text("echo Welcome to the machine\necho 'it is monitored' >&2\necho read >> ~/rc-count\n")

    def _await(self) -> None:
        for _ in range(200):
            assert self.process and self.process.poll() is None, self.log.read_text()
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def stop(self) -> None:
        """End the listener and the sessions that it forked."""
        if self.process is None:
            return
        for pid in [*self.sessions(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        self.process.wait(10)
        self.process = None

    def sessions(self) -> list[int]:
        """The process ids of the sessions' sshd, the listener's children."""
        assert self.process
        asked = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return [int(word) for word in asked.stdout.split()]

    def logins(self) -> int:
        return self.log.read_text(errors="replace").count("Accepted publickey ")


def me() -> str:
    return getpass.getuser()


def quoted(path: Path) -> str:
    return shlex.quote(str(path))
