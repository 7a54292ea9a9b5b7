"""Downloads as jobs: with the tool inside the image, and waiting for a host that shares the folder."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from waiting import until

from qcluster.engine.dressed import Dress, Dressed
from qcluster.facts import jobs, weights
from qcluster.facts.onhost import program
from qcluster.facts.weights import Source
from qcluster.result import Outcome
from qcluster.transport.local import LocalTransport

DOCKER = """\
echo "$*" >>"$STATE/calls"
case "$1 $2" in
  "image inspect") [ -e "$STATE/image" ] ;;
  "run --rm")
    while [ "$1" != an-image ]; do shift; done
    shift
    PATH="$STATE/inside:$PATH" exec "$@" ;;
esac
"""
MODELSCOPE = """\
while [ $# -gt 1 ]; do [ "$1" = --local_dir ] && out=$2; shift; done
mkdir -p "$out" && printf weights >"$out/model.safetensors"
"""


def program_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def fetch(folder: Path, **more: str) -> Outcome:
    path = folder / "w/Org/Model"
    job = f"{folder}/jobs/weights"
    known = {"image": "an-image", "cache": f"{folder}/w/cache", "image_job": f"{folder}/jobs/image"}
    source = Source("modelscope", "Org/Model", str(path), f"{path}/.qcluster-manifest", **{**known, **more})
    env = {"PATH": f"{folder}/bin:/usr/bin:/bin", "STATE": str(folder), "MODELSCOPE_ENDPOINT": "http://hub.example"}
    return Dressed(LocalTransport("h"), Dress(env=env)).run(jobs.attach(weights.fetch(source, job, 60)))


def test_the_tool_of_the_image_downloads_once_the_image_is_there(tmp_path: Path) -> None:
    program_file(tmp_path / "bin/docker", DOCKER)
    program_file(tmp_path / "inside/modelscope", MODELSCOPE)
    (tmp_path / "jobs/image").mkdir(parents=True)
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(fetch(tmp_path)))
    thread.start()
    log = tmp_path / "jobs/weights/log"
    until(lambda: log.exists() and "waiting for the image that holds modelscope" in log.read_text())
    (tmp_path / "image").touch()
    thread.join()
    assert found[0].ok, found[0].out
    assert (tmp_path / "w/Org/Model/model.safetensors").read_text() == "weights"
    runs = [line for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("run ")]
    assert all(f"-v {tmp_path}/w/Org:{tmp_path}/w/Org" in run and "-e MODELSCOPE_ENDPOINT" in run for run in runs)
    assert runs[-1].endswith(f"an-image modelscope download --model Org/Model --local_dir {tmp_path}/w/Org/Model")


def test_an_image_that_could_not_be_had_ends_the_wait(tmp_path: Path) -> None:
    program_file(tmp_path / "bin/docker", DOCKER)
    (tmp_path / "jobs/image").mkdir(parents=True)
    (tmp_path / "jobs/image/exit").write_text("1\n")
    outcome = fetch(tmp_path)
    assert outcome.exit == 127 and "the image that holds modelscope could not be had" in outcome.out


def test_no_tool_and_no_image_is_said(tmp_path: Path) -> None:
    outcome = fetch(tmp_path, image="", image_job="")
    assert outcome.exit == 127 and "neither modelscope nor an image to run it in" in outcome.out
    assert not (tmp_path / "w/Org/Model.lock").exists()


def waiting_for(folder: Path, breath: str) -> subprocess.Popen[str]:
    """A host that waits for p1."""
    script = program("lock.sh") + f"\npause={breath}\n" + program("weights_wait.sh")
    words = ["sh", "-c", script, "sh", str(folder / "model"), str(folder / "model/.manifest"), "p1"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    assert process.stdout
    said = process.stdout.read()
    process.stdout.close()
    return process.wait(30), said


def test_who_shares_the_folder_gives_up_when_nobody_is_at_it(tmp_path: Path) -> None:
    code, said = ended(waiting_for(tmp_path, "0.01"))
    assert code == 75 and "p1 was to download" in said and "nobody is at it" in said


def test_who_shares_the_folder_waits_while_it_is_locked_and_ends_when_it_is_whole(tmp_path: Path) -> None:
    lock = tmp_path / "model.lock"
    lock.mkdir()
    (lock / "owner").write_text("p1:1:1:another-kernel:x\n")
    process = waiting_for(tmp_path, "0.05")
    file = tmp_path / "model/a.safetensors"
    file.parent.mkdir()
    file.write_text("x")
    time_of = int(file.stat().st_mtime)
    beside = tmp_path / "model/.new"
    beside.write_text(f"sum 1 {time_of} a.safetensors\n")
    assert process.poll() is None
    beside.replace(tmp_path / "model/.manifest")
    assert ended(process)[0] == 0


def test_a_look_reads_nothing_but_names_sizes_and_times(tmp_path: Path) -> None:
    question = weights.look(str(tmp_path), str(tmp_path / ".qcluster-manifest"))
    (tmp_path / "a.safetensors").write_text("x")
    stamp = int((tmp_path / "a.safetensors").stat().st_mtime)
    (tmp_path / ".qcluster-manifest").write_text(f"{'0' * 64} 1 {stamp} a.safetensors\n")
    found = question.parse(LocalTransport("h").run(question.command))
    assert found.complete and found.room > 0
