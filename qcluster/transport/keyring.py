"""Private keys from files, each read and decrypted once a run: decrypting costs 0.1 s of CPU on purpose."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.ssh_exception import SSHException

from qcluster.secret import Secret

_KINDS: tuple[tuple[type, type[paramiko.PKey]], ...] = (
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (rsa.RSAPrivateKey, paramiko.RSAKey),
)


class Unusable(Exception):
    """A key file cannot be used; the message says why."""


class Keyring:
    """Keys by file. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[tuple[Path, Secret | None], paramiko.PKey | Unusable] = {}

    def load(self, file: Path, passphrase: Secret | None) -> paramiko.PKey:
        """Raises `Unusable`."""
        with self._lock:
            found = self._keys.get((file, passphrase)) or _try(file, passphrase)
            self._keys[file, passphrase] = found
        if isinstance(found, Unusable):
            raise found
        return found


def _try(file: Path, passphrase: Secret | None) -> paramiko.PKey | Unusable:
    try:
        return _read(file, passphrase)
    except Unusable as error:
        return error
    except (OSError, SSHException, ValueError, TypeError) as error:
        return Unusable(getattr(error, "strerror", None) or str(error))


def _read(file: Path, passphrase: Secret | None) -> paramiko.PKey:
    """Decrypt with `cryptography`, hand over to Paramiko in its plain form (its own loader guesses by failing)."""
    loaded = _decrypt(file.read_bytes(), passphrase)
    plain = loaded.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    kind = next((ours for theirs, ours in _KINDS if isinstance(loaded, theirs)), None)
    if kind is None:
        raise Unusable(f"a {type(loaded).__name__} is not supported")
    key = kind.from_private_key(io.StringIO(plain.decode()))
    certificate = file.with_name(f"{file.name}-cert.pub")
    if certificate.exists():
        key.load_certificate(str(certificate))
    return key


def _decrypt(data: bytes, passphrase: Secret | None) -> object:
    openssh = b"BEGIN OPENSSH" in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        return load(data, None)
    except TypeError:  # it is encrypted
        if passphrase is None:
            raise Unusable("is encrypted: use ssh-add, or set ansible_private_key_passphrase") from None
    try:
        return load(data, passphrase.reveal().encode())
    except ValueError:
        raise Unusable("the passphrase does not open it") from None
