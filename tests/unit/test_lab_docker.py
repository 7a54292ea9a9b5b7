"""The simulated docker: containers are real processes, the registry knows what upstream publishes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_site import LabSite, make
from waiting import until

from qcluster.lab.layout import LabHost
from qcluster.lab.tools.boxes.template import TemplateError, render

IMAGE = "quay.io/ascend/vllm-ascend:v0.23.0-a3"
LOOP = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LabSite]:
    made = make(tmp_path / "lab", (LabHost("h", ""),))
    made.out("h", "docker", "pull", "-q", IMAGE)
    yield made
    made.close()


def start(site: LabSite, name: str, script: str, *options: str) -> None:
    site.out("h", "docker", "run", "-d", "--name", name, "--net=host", *options, IMAGE, "bash", "-c", script)


def inspect(site: LabSite, name: str, template: str) -> str:
    return site.out("h", "docker", "inspect", "--format", template, name).strip()


def test_pull_shows_progress_and_a_digest(site: LabSite) -> None:
    said = site.out("h", "docker", "pull", "quay.nju.edu.cn/ascend/vllm-ascend:v0.22.1rc1").splitlines()
    assert said[0] == "v0.22.1rc1: Pulling from ascend/vllm-ascend"
    assert said[1].endswith(": Pulling fs layer")
    assert said[-3].startswith("Digest: sha256:")
    assert said[-2] == "Status: Downloaded newer image for quay.nju.edu.cn/ascend/vllm-ascend:v0.22.1rc1"


@pytest.mark.parametrize("tag", ["v0.23.0-950dt", "v9.9.9", "latest"])
def test_a_tag_that_nobody_published(site: LabSite, tag: str) -> None:
    done = site.run("h", "docker", "pull", f"quay.io/ascend/vllm-ascend:{tag}")
    assert (done.returncode, "manifest unknown" in done.stderr) == (1, True)


def test_registry_faults(site: LabSite) -> None:
    site.fault("registry-down", "quay.io")
    assert "connection refused" in site.run("h", "docker", "pull", IMAGE).stderr
    mirror = site.run("h", "docker", "pull", f"m.daocloud.io/{IMAGE}")
    assert mirror.returncode == 0
    site.fault("disk-full", "h")
    assert "no space left on device" in site.run("h", "docker", "pull", f"m.daocloud.io/{IMAGE}").stderr
    site.fault("docker-down", "h")
    assert "Cannot connect to the Docker daemon" in site.run("h", "docker", "ps").stderr


def test_a_container_lives_and_stops_on_sigterm(site: LabSite) -> None:
    start(site, "e", LOOP, "--label", "a=b", "-e", "X=1")
    until(lambda: site.out("h", "docker", "logs", "e") == "up\n")
    assert (
        site.out("h", "docker", "ps", "--filter", "label=a=b", "--format", "{{.Names}}\t{{.State}}") == "e\trunning\n"
    )
    assert site.out("h", "docker", "stop", "-t", "5", "e") == "e\n"
    assert inspect(site, "e", "{{.State.ExitCode}} {{.State.Status}}") == "7 exited"
    assert site.out("h", "docker", "logs", "--tail", "1", "e") == "bye\n"
    assert site.out("h", "docker", "ps", "-q") == ""


def test_stop_kills_what_does_not_end_even_in_other_sessions(site: LabSite) -> None:
    start(site, "e", "trap '' TERM; setsid sleep 300 & while :; do sleep 0.05; done")
    pids = site.out("h", "docker", "exec", "e", "sh", "-c", "cat /proc/[0-9]*/environ | grep -ac LAB_CONTAINER")
    assert int(pids) >= 1
    site.out("h", "docker", "stop", "-t", "0", "e")
    assert inspect(site, "e", "{{.State.ExitCode}}") == "137"
    from qcluster.lab.tools import here

    assert list(here.marked("QCLUSTER_LAB_CONTAINER=" + inspect(site, "e", "{{.Id}}"))) == []


def test_names_labels_rename_start_and_remove(site: LabSite) -> None:
    start(site, "e", "exit 3", "--label", "qcluster.deployment=d")
    until(lambda: inspect(site, "e", "{{.State.Running}}") == "false")
    again = site.run("h", "docker", "run", "-d", "--name", "e", IMAGE, "true")
    assert (again.returncode, 'The container name "/e" is already in use' in again.stderr) == (125, True)
    site.out("h", "docker", "rename", "e", "e-previous")
    assert inspect(site, "e-previous", '{{index .Config.Labels "qcluster.deployment"}}') == "d"
    site.out("h", "docker", "start", "e-previous")
    assert site.out("h", "docker", "wait", "e-previous") == "3\n"
    assert site.out("h", "docker", "rm", "-f", "e-previous") == "e-previous\n"
    gone = site.run("h", "docker", "inspect", "e-previous")
    assert (gone.returncode, gone.stdout) == (1, "[]\n")


def test_devices_must_exist(site: LabSite) -> None:
    done = site.run("h", "docker", "run", "-d", "--device", "/dev/davinci16", IMAGE, "true")
    assert done.returncode == 125
    assert '"/dev/davinci16": no such file or directory' in done.stderr


def test_foreground_exec_and_streams(site: LabSite) -> None:
    done = site.run("h", "docker", "run", "--rm", "-i", IMAGE, "sh", "-c", "cat; echo oops >&2; exit 4", stdin=b"in")
    assert (done.returncode, done.stdout, done.stderr) == (4, "in", "oops\n")
    assert site.out("h", "docker", "ps", "-aq") == ""
    start(site, "e", LOOP, "-e", "X=1")
    assert site.out("h", "docker", "exec", "e", "sh", "-c", "echo $X") == "1\n"
    assert site.run("h", "docker", "exec", "e", "nosuch").returncode == 127


def test_checks_inside_the_image(site: LabSite) -> None:
    asked = ("docker", "run", "--rm", IMAGE, "python3", "-c")
    script = "import mooncake.engine, vllm; from importlib.metadata import version as v; "
    script += "print(v('vllm-ascend'), vllm.__version__)"
    assert site.out("h", *asked, script) == "0.23.0 0.23.0\n"
    assert site.out("h", "docker", "run", "--rm", IMAGE, "vllm", "--version").startswith("0.23.0 (simulation")
    site.fault("no-mooncake", "h")
    assert "No module named 'mooncake'" in site.run("h", *asked, "import mooncake.engine").stderr


def test_images_travel_as_tar(site: LabSite, tmp_path: Path) -> None:
    target = str(tmp_path / "image.tar")
    site.out("h", "docker", "save", "-o", target, IMAGE)
    site.out("h", "docker", "rmi", IMAGE)
    assert site.run("h", "docker", "image", "inspect", IMAGE).returncode == 1
    assert site.out("h", "docker", "load", "-i", target) == f"Loaded image: {IMAGE}\n"
    read = json.loads(site.out("h", "docker", "image", "inspect", IMAGE))
    assert (read[0]["Os"], read[0]["RepoDigests"]) == ("linux", [])


def test_a_run_pulls_what_is_missing(site: LabSite) -> None:
    site.out("h", "docker", "rmi", IMAGE)
    done = site.run("h", "docker", "run", "--rm", IMAGE, "echo", "hello")
    assert done.stdout == f"{IMAGE}\nhello\n"
    assert done.stderr == f"Unable to find image '{IMAGE}' locally\n"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{.A.B}}", "1"),
        ("{{json .A}}", '{"B":1}'),
        ('{{index .L 1}} {{index .M "x y"}}', "b z"),
        ("{{range .L}}<{{.}}>{{end}}", "<a><b>"),
        ("{{if .T}}yes{{else}}no{{end}}{{if .F}}yes{{else}}no{{end}}", "yesno"),
        ("{{len .L}}\\t{{.T}}", "2\ttrue"),
        ("{{range .None}}x{{end}}.", "."),
    ],
)
def test_templates(template: str, said: str) -> None:
    value = {"A": {"B": 1}, "L": ["a", "b"], "M": {"x y": "z"}, "T": True, "F": False, "None": None}
    assert render(template, value) == said


def test_a_template_that_asks_for_what_is_not_there() -> None:
    with pytest.raises(TemplateError, match="no entry for key"):
        render("{{.Nothing}}", {})


def test_a_short_life_keeps_its_exit_code(site: LabSite) -> None:
    for number in range(5):
        start(site, f"e{number}", f"exit {number}")
    until(lambda: site.out("h", "docker", "ps", "-q") == "")
    codes = [inspect(site, f"e{number}", "{{.State.ExitCode}}") for number in range(5)]
    assert codes == ["0", "1", "2", "3", "4"]


def test_one_name_for_two_at_once(site: LabSite) -> None:
    run = f"docker run -d --name e {IMAGE} sleep 60 >/dev/null 2>&1; echo $?"
    both = site.out("h", "sh", "-c", f"({run}) & ({run}); wait").split()
    assert sorted(both) == ["0", "125"]


def test_a_container_that_died_with_its_supervisor(site: LabSite) -> None:
    start(site, "e", "sleep 60")
    site.close()
    assert inspect(site, "e", "{{.State.ExitCode}} {{.State.Running}}") == "137 false"
