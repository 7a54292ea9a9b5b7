"""The lab's daemon: one SSH listener a host, in one process. Detached by boot.py, told by SIGHUP and SIGTERM."""

from __future__ import annotations

import asyncio
import fcntl
import getpass
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from qcluster.lab import faults
from qcluster.lab.furnish import furnish, sweep
from qcluster.lab.layout import Lab, LabHost, load, write_whole
from qcluster.lab.sessions import HostSession
from qcluster.lab.toolbox import fill, link

LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
WATCH_SECONDS = 0.2


@dataclass
class Site:
    """One simulated host while it is served: its listener and its open connections."""

    lab: Lab
    host: LabHost
    listener: asyncssh.SSHAcceptor | None = None
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)

    @property
    def env(self) -> dict[str, str]:
        root = self.lab.root(self.host.name)
        pace = {name: value for name, value in os.environ.items() if name == "QCLUSTER_LAB_PACE"}
        return {
            **pace,
            "PATH": f"{root}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(root / "home"),
            "USER": getpass.getuser(),
            "LOGNAME": getpass.getuser(),
            "SHELL": "/bin/sh",
            "QCLUSTER_LAB_ROOT": str(root),
        }


class HostServer(asyncssh.SSHServer):
    """What one host answers: the client key only, commands, and streams to other addresses as seen from it."""

    def __init__(self, site: Site, client: bytes):
        self._site, self._client = site, client

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._site.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._site.connections.discard(self._conn)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data == self._client

    def session_requested(self) -> HostSession:
        return HostSession(self._site.env)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> object:  # type: ignore[override]
        lab, own = self._site.lab, self._site.host
        address = own.address if dest_host in LOOPBACK else dest_host
        target = next((host.name for host in lab.hosts.values() if host.address == address), "")
        if faults.blocks(lab.directory, own.name, target, dest_port):
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
        return self._conn.forward_connection(address, dest_port)


class Daemon:
    """Keeps the listeners equal to the wish and to the faults."""

    def __init__(self, directory: Path):
        self.lab = load(directory)
        self.sites: dict[str, Site] = {}
        self.obeying = asyncio.Lock()
        self.client = _keys(self.lab)
        sweep(self.lab)
        self.options = asyncssh.SSHServerConnectionOptions(
            server_factory=asyncssh.SSHServer,
            server_host_keys=[str(self.lab.host_key)],
            encoding=None,
            config=None,
            login_timeout=60,
            allow_scp=False,
        )

    async def refresh(self) -> None:
        """Read the wish again and serve what is new in it."""
        self.lab = load(self.lab.directory)
        _know(self.lab)
        fill(self.lab)
        furnish(self.lab)
        for name, host in self.lab.hosts.items():
            site = self.sites.setdefault(name, Site(self.lab, host))
            site.lab, site.host = self.lab, host
            if not (self.lab.root(name) / "bin").exists():
                link(self.lab, name)
        await self.obey_faults()
        ready = {"pid": os.getpid(), "port": self.lab.port, "hosts": sorted(self.sites)}
        write_whole(self.lab.ready, json.dumps(ready))

    async def obey_faults(self) -> None:
        """A host that is down has no listener, and its connections are cut.

        One at a time: a new wish and the regular look may meet, and the second listener of a host would be refused.
        """
        async with self.obeying:
            for name, site in list(self.sites.items()):
                await self._obey(name, site)

    async def _obey(self, name: str, site: Site) -> None:
        down = faults.is_down(self.lab.directory, name)
        if down and site.listener is not None:
            site.listener.close()
            site.listener = None
            for connection in list(site.connections):
                connection.abort()
        elif not down and site.listener is None:
            site.listener = await self._listen(site)

    async def _listen(self, site: Site) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            site.host.address,
            self.lab.port,
            options=self.options,
            server_factory=lambda: HostServer(site, self.client),
            backlog=512,
        )

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.obey_faults()
            except OSError as error:  # an address that another process holds for now
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _keys(lab: Lab) -> bytes:
    """Make the two key pairs once; the client's public part."""
    for path in (lab.client_key, lab.host_key):
        if not path.exists():
            key = asyncssh.generate_private_key("ssh-ed25519", comment="qcluster lab")
            path.touch(0o600)
            path.write_bytes(key.export_private_key("openssh"))
            path.with_suffix(".pub").write_bytes(key.export_public_key("openssh"))
    return asyncssh.read_private_key(lab.client_key).public_data


def _know(lab: Lab) -> None:
    kind, key = lab.host_key.with_suffix(".pub").read_text().split()[:2]
    lines = (f"[{host.address}]:{lab.port} {kind} {key}\n" for host in lab.hosts.values())
    write_whole(lab.known_hosts, "".join(lines))


async def serve(directory: Path) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    daemon = Daemon(directory)
    await daemon.refresh()
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.create_task(daemon.refresh()))
    loop.add_signal_handler(signal.SIGTERM, done.set)
    watch = loop.create_task(daemon.watch())
    asked = loop.create_task(done.wait())
    await asyncio.wait({watch, asked}, return_when=asyncio.FIRST_COMPLETED)
    if watch.done():
        watch.result()  # a lab that no longer looks at its faults ends aloud
    watch.cancel()


def main(directory: str) -> None:
    os.chdir("/")
    with (Path(directory) / "daemon.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if sys.version_info < (3, 12):
            asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
        asyncio.run(serve(Path(directory)))


if __name__ == "__main__":
    main(sys.argv[1])
