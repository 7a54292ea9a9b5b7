"""Ansible Vault: what ansible-vault closes, this opens; what cannot be opened is refused only where it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcluster.errors import InputError
from qcluster.inventory import Vault, load, secrets_of, show
from qcluster.inventory.vault import parse
from qcluster.secret import Secret
from qcluster.templating import Templar, TemplateError

PASSWORD, CANARY = "hunter2", "canary-9 汉"
VAULT = Vault({"default": Secret("wrong"), "lab": Secret(PASSWORD)})


def closed(text: str, label: str = "") -> str:
    """`text` as ansible-core's own library encrypts it."""
    vault = pytest.importorskip("ansible.parsing.vault")
    secret = vault.VaultSecret(PASSWORD.encode())
    library = vault.VaultLib([(label or "default", secret)])
    return str(library.encrypt(text, secret, vault_id=label or None), "ascii")


def inventory_with(folder: Path, envelope: str) -> Path:
    body = "".join(f"        {line}\n" for line in envelope.splitlines())
    path = folder / "hosts.yaml"
    path.write_text(
        f"all:\n  hosts: {{h: }}\n  vars:\n    key: !vault |\n{body}    deep: {{plain: 1}}\n", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("label", ["", "lab", "unknown"])
def test_a_value_is_opened_with_any_fitting_password(tmp_path: Path, label: str) -> None:
    host = load(inventory_with(tmp_path, closed(CANARY, label)), vault=VAULT).hosts["h"]
    assert host.variables["key"].reveal() == CANARY
    assert (str(host.variables["key"]), repr(host.variables["key"])) == ("***", "Secret(***)")
    result = Templar(host.variables).render("Bearer {{ key }}")
    assert isinstance(result, Secret) and result.reveal() == f"Bearer {CANARY}"


def test_without_a_password_only_its_use_is_refused(tmp_path: Path) -> None:
    inventory = load(inventory_with(tmp_path, closed(CANARY)))
    variables = inventory.hosts["h"].variables
    assert Templar(variables).render("{{ deep.plain }}") == 1
    with pytest.raises(TemplateError, match=r"hosts\.yaml:4: a password is needed .*--vault-password-file"):
        Templar(variables).render("{{ key }}")
    assert list(secrets_of(variables)) == []


def test_a_wrong_password_is_told_from_none(tmp_path: Path) -> None:
    inventory = load(inventory_with(tmp_path, closed(CANARY)), vault=Vault({"x": Secret("wrong")}))
    with pytest.raises(InputError, match="no password opens this vault"):
        inventory.hosts["h"].variables["key"].reveal()


def test_a_whole_file_is_opened_and_its_texts_are_secrets(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text("all: {hosts: {h: }}\n", encoding="utf-8")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text(closed(f"token: {CANARY}\nport: 5\nlist: [{{a: x}}]\n"))
    inventory = load(path, vault=VAULT)
    variables = inventory.hosts["h"].variables
    assert variables["token"].reveal() == CANARY and variables["port"] == 5
    assert set(secrets_of(variables)) == {CANARY, "x"}
    with pytest.raises(InputError, match=r"group_vars/all\.yml:1: a password is needed"):
        load(path)


def test_the_json_list_shows_the_envelope_as_ansible_does(tmp_path: Path) -> None:
    envelope = closed(CANARY)
    document = show.as_json(load(inventory_with(tmp_path, envelope), vault=VAULT))
    assert document["_meta"]["hostvars"]["h"]["key"] == {"__ansible_vault": envelope}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "is not an Ansible Vault text"),
        ("$ANSIBLE_VAULT;1.0;AES256\n00", "is not an Ansible Vault text of format 1.1 or 1.2"),
        ("$ANSIBLE_VAULT;1.1;AES\n00", "only AES256"),
        ("$ANSIBLE_VAULT;1.1;AES256\nzz", "is damaged"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6161", "is damaged"),
    ],
)
def test_a_broken_envelope_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)
