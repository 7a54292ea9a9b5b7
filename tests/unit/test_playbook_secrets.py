"""A vault value, wherever it is written, is masked where a command prints it; every output, the journal among them."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

vault = pytest.importorskip("ansible.parsing.vault")
PASSWORD = "hunter2"
PLACES = ("play", "file", "whole", "role", "extra", "block")


def closed(text: str) -> str:
    """`text` as ansible-core's own library encrypts it."""
    secret = vault.VaultSecret(PASSWORD.encode())
    return str(vault.VaultLib([("default", secret)]).encrypt(text, secret), "ascii")


def tagged(name: str, indent: int = 0) -> str:
    """`s_NAME: !vault …` with the value `canary-NAME`."""
    body = textwrap.indent(closed(f"canary-{name}"), "  ")
    return textwrap.indent(f"s_{name}: !vault |\n{body}\n", " " * indent)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "hosts.yaml").write_text("all: {hosts: {a: {ansible_connection: local}}}\n")
    (tmp_path / "file.yml").write_text(tagged("file"))
    (tmp_path / "whole.yml").write_text(closed("s_whole: canary-whole\n"))
    (tmp_path / "extra.yml").write_text(tagged("extra"))
    (tmp_path / "roles/r/vars").mkdir(parents=True)
    (tmp_path / "roles/r/vars/main.yml").write_text(tagged("role"))
    echoes = "\n".join(f"    - shell: cat\n      args: {{stdin: 'got {{{{ s_{name} }}}} end'}}" for name in PLACES)
    (tmp_path / "site.yml").write_text(
        f"- hosts: all\n  gather_facts: false\n  vars:\n{tagged('play', 4)}"
        "  vars_files: [file.yml, whole.yml]\n  roles: [r]\n"
        f"  tasks:\n  - vars:\n{tagged('block', 6)}    block:\n{echoes}\n"
    )
    return tmp_path


@pytest.mark.parametrize("output", ["human", "ndjson", "junit"])
def test_no_output_shows_a_vault_value(folder: Path, output: str) -> None:
    line = f"run site.yml -i hosts.yaml --vault-password-file password -e @extra.yml -vvv -o {output}"
    done = subprocess.run(
        [sys.executable, "-m", "qcluster", *line.split()], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    journal = "".join(path.read_text() for path in (folder / ".qcluster").rglob("*") if path.is_file())
    shown = done.stdout + done.stderr + journal
    assert shown.count("got *** end") >= len(PLACES)
    assert "canary" not in shown


def test_without_the_password_the_value_is_refused_where_it_is_used(folder: Path) -> None:
    line = "run site.yml -i hosts.yaml -e s_extra=1"
    (folder / "whole.yml").write_text("s_whole: x\n")
    done = subprocess.run(
        [sys.executable, "-m", "qcluster", *line.split()], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "a password is needed for this vault" in done.stdout + done.stderr


@pytest.mark.parametrize("output", ["human", "json"])
def test_exec_masks_what_the_inventory_keeps_secret(folder: Path, output: str) -> None:
    hosts = f"all:\n  hosts: {{a: {{ansible_connection: local}}}}\n  vars:\n    api_key: plain-key\n{tagged('host', 4)}"
    (folder / "hosts.yaml").write_text(hosts)
    said = "printf 'one %s\\ntwo %s\\n' canary-host plain-key; echo err canary-host >&2"
    line = f"exec a -i hosts.yaml --vault-password-file password -o {output} -- sh -c"
    done = subprocess.run(
        [sys.executable, "-m", "qcluster", *line.split(), said], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout + done.stderr
    assert [shown.count(text) for text in ("one ***", "two ***", "err ***")] == [1, 1, 1]
    assert "canary" not in shown
    assert "plain-key" not in shown


def test_exec_masks_every_line_of_a_secret(folder: Path) -> None:
    key = "-----BEGIN KEY-----\nbWFza2Vk\n-----END KEY-----\n"
    hosts = {"all": {"hosts": {"a": {"ansible_connection": "local", "key_secret": key}}}}
    (folder / "hosts.yaml").write_text(json.dumps(hosts))
    done = subprocess.run(
        [sys.executable, "-m", "qcluster", "exec", "a", "-i", "hosts.yaml", "--", "printf", "%s", key],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "a | ***\n" * 3


def test_the_password_may_come_from_a_program(folder: Path) -> None:
    program = folder / "ask-client.sh"
    program.write_text(f'#!/bin/sh\n[ "$2" = default ] && echo {PASSWORD}\n')
    program.chmod(0o755)
    line = "run site.yml -i hosts.yaml -e @extra.yml --vault-password-file"
    done = subprocess.run(
        [sys.executable, "-m", "qcluster", *line.split(), str(program)], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "mode", "what"),
    [("", 0o600, "there is no password in it"), ("#!/bin/sh\nexit 3\n", 0o755, "the program ended with exit code 3")],
)
def test_a_password_file_without_a_password_is_bad_input(folder: Path, text: str, mode: int, what: str) -> None:
    (folder / "password").write_text(text)
    (folder / "password").chmod(mode)
    line = "exec a -i hosts.yaml --vault-password-file password -- true"
    done = subprocess.run(
        [sys.executable, "-m", "qcluster", *line.split()], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, what in done.stderr) == (2, True), done.stderr
