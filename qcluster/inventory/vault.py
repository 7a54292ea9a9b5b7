"""Ansible Vault: `!vault` values and whole encrypted files (formats 1.1 and 1.2, AES256).

The ciphers come from `cryptography`, imported when something is decrypted.
Source: the Ansible documentation, "Ansible Vault payload format 1.1 - 1.2".
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qcluster.errors import InputError, Problem
from qcluster.schema import NOWHERE, Map, Place, Tag, Text, load_yaml, place, read_text
from qcluster.secret import Secret

HEADER = "$ANSIBLE_VAULT;"
_ROUNDS, _KEY, _IV = 10_000, 32, 16


class WrongPassword(ValueError):
    """The password does not open this envelope."""


@dataclass(frozen=True)
class Envelope:
    """One encrypted text: the label of the password that closed it ('' in format 1.1), and what is in it."""

    label: str
    salt: bytes
    digest: bytes
    ciphertext: bytes


def parse(text: str) -> Envelope:
    """The envelope in `$ANSIBLE_VAULT;…` and its lines of hexadecimal digits. Raises ValueError."""
    first, _, rest = text.strip().partition("\n")
    words = [word.strip() for word in first.split(";")]
    if words[0] != "$ANSIBLE_VAULT" or len(words) < 3 or words[1] not in ("1.1", "1.2"):
        raise ValueError("is not an Ansible Vault text of format 1.1 or 1.2")
    if words[2] != "AES256":
        raise ValueError(f"is encrypted with {words[2]}; only AES256 is read")
    try:
        salt, digest, ciphertext = (
            binascii.unhexlify(part) for part in binascii.unhexlify("".join(rest.split())).split(b"\n", 2)
        )
    except (binascii.Error, ValueError):
        raise ValueError("is damaged: these are not the lines that ansible-vault wrote") from None
    return Envelope(words[3] if len(words) > 3 else "", salt, digest, ciphertext)


def open_envelope(envelope: Envelope, password: Secret) -> str:
    """The text in an envelope. Raises WrongPassword."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, hmac, padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    derived = PBKDF2HMAC(hashes.SHA256(), 2 * _KEY + _IV, envelope.salt, _ROUNDS).derive(password.reveal().encode())
    cipher_key, mac_key, iv = derived[:_KEY], derived[_KEY : 2 * _KEY], derived[2 * _KEY :]
    mac = hmac.HMAC(mac_key, hashes.SHA256())
    mac.update(envelope.ciphertext)
    try:
        mac.verify(envelope.digest)
    except InvalidSignature:
        raise WrongPassword from None
    decryptor = Cipher(algorithms.AES(cipher_key), modes.CTR(iv)).decryptor()
    padded = decryptor.update(envelope.ciphertext) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode("utf-8")


@dataclass(frozen=True, eq=False)
class Vaulted(Secret):
    """A `!vault` value, opened when it is revealed. `ciphertext` is as written; `place` where."""

    _value: str = field(default="", repr=False)
    ciphertext: str = ""
    place: Place = NOWHERE
    vault: Vault | None = field(default=None, repr=False)

    def reveal(self) -> str:
        """The text. Raises InputError without the right password."""
        assert self.vault is not None
        return self.vault.decrypt(self.ciphertext, self.place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vaulted) and self.ciphertext == other.ciphertext

    def __hash__(self) -> int:
        return hash(self.ciphertext)

    __repr__ = Secret.__repr__


class Vault:
    """Passwords by vault id. Without the right one, encrypted values are carried, and refused where they are used."""

    def __init__(self, passwords: Mapping[str, Secret] | None = None, tell: Callable[[str], None] | None = None):
        """`tell` hears every text that is decrypted, from the thread that needs it."""
        self.passwords = dict(passwords or {})
        self._tell = tell or (lambda text: None)
        self._opened: dict[str, str] = {}

    @property
    def tags(self) -> Mapping[str, Tag]:
        """For `load_yaml`: what `!vault` makes of a text."""
        return {"!vault": self._value, "!vault-encrypted": self._value}

    def load(self, file: Path) -> Any:
        """A file of variables; where it is encrypted as a whole, all its texts are secrets."""
        text = read_text(file)
        if not text.startswith(HEADER):
            return load_yaml(file, text, tags=self.tags)
        return self._secret(load_yaml(file, self.decrypt(text, Place(str(file), 1)), tags=self.tags))

    def decrypt(self, text: str, where: Place) -> str:
        """The text in an envelope. Raises InputError that names its place."""
        if text not in self._opened:
            try:
                self._opened[text] = self._open(parse(text))
            except ValueError as error:
                hint = "" if str(error).startswith("is ") else "--vault-password-file FILE"
                raise InputError([Problem(where.file, where.line, "", str(error), hint)]) from error
            self._tell(self._opened[text])
        return self._opened[text]

    def _open(self, envelope: Envelope) -> str:
        for _, password in sorted(self.passwords.items(), key=lambda pair: pair[0] != envelope.label):
            try:
                return open_envelope(envelope, password)
            except WrongPassword:
                continue
        wanted = f" (vault id {envelope.label})" if envelope.label else ""
        raise ValueError(
            ("no password opens" if self.passwords else "a password is needed for") + f" this vault{wanted}"
        )

    def _value(self, tag: str, text: Text) -> Secret:
        return Vaulted("", str(text), place(text), self)

    def _secret(self, value: Any) -> Any:
        """Every text of a file that is encrypted as a whole is a secret of its own."""
        if isinstance(value, Text):
            self._tell(str(value))
            return Secret(str(value))
        if isinstance(value, Map):
            for key, item in value.items():
                value[key] = self._secret(item)
        elif isinstance(value, list):
            value[:] = [self._secret(item) for item in value]
        return value


def secrets_of(value: Any) -> Iterator[str]:
    """The text of every secret in a value, however deep; those that no password opens are left out."""
    if isinstance(value, Secret):
        try:
            yield value.reveal()
        except InputError:
            return
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_of(item)
