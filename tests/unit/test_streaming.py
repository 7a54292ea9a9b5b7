"""Files from host to host: the real server and the real receiver, in folders of this machine."""

from __future__ import annotations

import hashlib
import os
import runpy
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until

from qcluster.engine.dressed import Dress, Dressed
from qcluster.facts import jobs, streaming
from qcluster.facts.jobs import Job
from qcluster.facts.streaming import Parcel, Shelf
from qcluster.result import Outcome
from qcluster.transport.base import Transport
from qcluster.transport.local import LocalTransport

FILES = {"a.safetensors": os.urandom(3 << 20), "config.json": b"{}", "code/__init__.py": b"", "with a space.txt": b"x"}
here = LocalTransport("here")
DOCKER = """\
echo "$*" >>"$STATE/calls"
[ "$1" = run ] || exit 0
while [ "$1" != an-image ]; do shift; done
shift 2
exec "$PYTHON" "$@"
"""


class Hosts:
    """Folders that stand for hosts: p1 has the files, d1 and d2 get them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.jobs: list[Job] = []

    def weights(self, host: str) -> Path:
        return self.folder / host / "model"

    def fill(self, host: str) -> None:
        lines = []
        for name, data in FILES.items():
            path = self.weights(host) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            lines.append(f"{hashlib.sha256(data).hexdigest()} {len(data)} {int(path.stat().st_mtime)} {name}\n")
        (self.weights(host) / ".manifest").write_text("".join(lines))

    def serve(self, host: str, listing: Path, on: Transport = here) -> tuple[str, str]:
        filling = str(self.folder / host / "receive")
        shelf = Shelf(str(self.weights(host)), str(listing), "127.0.0.1", filling, "an-image")
        job = streaming.serve(shelf, str(self.folder / host / "serve"), 60)
        assert on.run(jobs.begin(job)).ok
        self.jobs.append(job)
        question = streaming.port(job.directory, shelf)
        return question.parse(on.run(question.command))

    def parcel(self, host: str, source: str, port: str, token: str) -> Job:
        home = self.folder / host
        home.mkdir(exist_ok=True)
        (home / "peer").write_text(f"127.0.0.1 {port} {token}\n")
        model = self.weights(host)
        parcel = Parcel(str(model), str(model / ".manifest"), str(home / "list"), str(home / "peer"), source)
        job = streaming.receive(parcel, str(home / "receive"), 60)
        self.jobs.append(job)
        return job

    def receive(self, host: str, source: str, port: str, token: str) -> Outcome:
        return here.run(jobs.attach(self.parcel(host, source, port, token)))

    def end(self) -> None:
        for job in self.jobs:
            words = (Path(job.directory) / "pid").read_text().split()
            if not (Path(job.directory) / "exit").exists():
                os.killpg(int(words[0]), signal.SIGKILL)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path)
    made.fill("p1")
    yield made
    made.end()


def arrived(hosts: Hosts, host: str) -> dict[str, bytes]:
    return {name: (hosts.weights(host) / name).read_bytes() for name in FILES}


def test_a_chain_hands_on_what_has_arrived_and_its_servers_end(hosts: Hosts) -> None:
    first = hosts.serve("p1", hosts.weights("p1") / ".manifest")
    middle = hosts.serve("d1", hosts.folder / "d1" / "list")
    last = hosts.parcel("d2", "d1", *middle)
    assert here.run(jobs.begin(last)).ok
    assert hosts.receive("d1", "p1", *first).exit == 0
    assert here.run(jobs.attach(last)).exit == 0
    assert arrived(hosts, "d1") == arrived(hosts, "d2") == FILES
    manifests = [(hosts.weights(host) / ".manifest").read_text().splitlines() for host in ("p1", "d1", "d2")]
    assert len({tuple(sorted(line.split()[0] for line in lines)) for lines in manifests}) == 1
    until(lambda: all((hosts.folder / host / "serve" / "exit").exists() for host in ("p1", "d1")))
    assert not list(hosts.folder.glob("*/model.lock*"))


def test_what_was_cut_off_goes_on_and_what_is_there_is_not_sent_again(hosts: Hosts) -> None:
    port, token = hosts.serve("p1", hosts.weights("p1") / ".manifest")
    name, data = next(iter(FILES.items()))
    part = hosts.weights("d1") / ".qcluster-part"
    part.mkdir(parents=True)
    (part / hashlib.sha256(data).hexdigest()).write_bytes(data[: 1 << 20])
    (hosts.weights("d1") / "config.json").write_bytes(b"{}")
    assert hosts.receive("d1", "p1", port, token).exit == 0
    assert (hosts.weights("d1") / name).read_bytes() == data


def test_a_part_that_is_damaged_is_sent_again(hosts: Hosts) -> None:
    port, token = hosts.serve("p1", hosts.weights("p1") / ".manifest")
    data = FILES["a.safetensors"]
    part = hosts.weights("d1") / ".qcluster-part"
    part.mkdir(parents=True)
    (part / hashlib.sha256(data).hexdigest()).write_bytes(b"?" * (1 << 20))
    assert hosts.receive("d1", "p1", port, token).exit == 0
    assert arrived(hosts, "d1") == FILES


def test_only_who_knows_the_token_gets_an_answer_and_only_what_is_listed(hosts: Hosts) -> None:
    (hosts.folder / "p1" / "secret").write_text("x")
    manifest = hosts.weights("p1") / ".manifest"
    manifest.write_text(manifest.read_text() + f"{'0' * 64} 1 1 ../secret\n")
    port, token = hosts.serve("p1", manifest)
    assert code(port, "list", "wrong") == code(port, "0", "") == 403
    assert code(port, "list", token) == code(port, "0", token) == 200
    assert code(port, str(len(FILES)), token) == 503, "a name that leads out of the folder"
    assert code(port, "99", token) == code(port, "..%2fsecret", token) == 404
    outcome = hosts.receive("d1", "p1", port, token)
    assert outcome.exit == 65 and "leads out of the folder" in outcome.out


def code(port: str, what: str, token: str) -> int:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/{what}", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_host_without_python_serves_from_the_image(hosts: Hosts) -> None:
    tools = hosts.folder / "tools"
    tools.mkdir()
    for tool in Path("/usr/bin").iterdir():
        if not tool.name.startswith("python"):
            (tools / tool.name).symlink_to(tool)
    (tools / "docker").unlink(missing_ok=True)
    (tools / "docker").write_text("#!/bin/sh\n" + DOCKER)
    (tools / "docker").chmod(0o755)
    env = {"PATH": str(tools), "STATE": str(hosts.folder), "PYTHON": sys.executable}
    port, token = hosts.serve("p1", hosts.weights("p1") / ".manifest", Dressed(here, Dress(env=env)))
    assert hosts.receive("d1", "p1", port, token).exit == 0
    assert arrived(hosts, "d1") == FILES
    (ran,) = [line for line in (hosts.folder / "calls").read_text().splitlines() if line.startswith("run ")]
    assert "--net=host" in ran and token not in ran
    mounts = [word for word in ran.split() if word.count(":/") == 1]
    assert len(mounts) == len(set(mounts)) == 3, "docker refuses a mount that is named twice"


def test_a_source_that_failed_itself_says_so(hosts: Hosts) -> None:
    port, token = hosts.serve("p1", hosts.folder / "p1" / "no-list")
    (hosts.folder / "p1" / "receive" / "exit").write_text("1\n")
    outcome = hosts.receive("d1", "p1", port, token)
    assert outcome.exit == streaming.CUT_OFF and "p1 has not got them either" in outcome.out


def test_a_server_that_nobody_collects_from_ends(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "IDLE", 1)
    hosts.serve("p1", hosts.weights("p1") / ".manifest")
    until(lambda: (hosts.folder / "p1" / "serve" / "exit").exists())


def test_who_sends_or_is_asked_is_not_idle(tmp_path: Path) -> None:
    serve = runpy.run_path(str(Path(streaming.__file__).parent / "onhost" / "serve.py"))
    (tmp_path / "list").write_text("")
    server = serve["Server"]("127.0.0.1", serve["Wanted"](tmp_path, tmp_path / "list", tmp_path, "token", 1))
    server.asked -= 9
    assert server.idle(5)
    server.sends(1)
    server.asked -= 9
    assert not server.idle(5), "a transfer goes on"
    server.sends(-1)
    assert not server.idle(5)
    port = str(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked -= 9
    assert code(port, "here", "wrong") == 403 and code(port, "here", "token") == 200
    assert not server.idle(5)
    server.shutdown()
    server.server_close()
