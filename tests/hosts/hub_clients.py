"""The hubs' own tools, each in a virtual environment of its own, installed once in the user's cache folder."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

CACHE = Path.home() / ".cache/qcluster/hub-clients"


@dataclass(frozen=True)
class Client:
    """`goes_on`: a broken download goes on where it was; `notices`: a file that has changed is fetched again."""

    name: str
    package: str
    how: str
    program: str
    tls: bool = False
    goes_on: bool = True
    notices: bool = True

    def installed(self) -> Path:
        """The program."""
        folder = CACHE / self.package.replace("==", "-")
        if not (folder / "done").exists():
            venv.create(folder, clear=True, with_pip=True)
            pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, self.package], check=True, timeout=300, stderr=subprocess.DEVNULL)
            (folder / "done").touch()
        return folder / "bin" / self.program

    def environ(self, port: int, certificate: Path) -> Mapping[str, str]:
        """Where it finds the hub."""
        if self.tls:
            return {"MODELSCOPE_DOMAIN": f"127.0.0.1:{port}", "REQUESTS_CA_BUNDLE": str(certificate)}
        address = f"http://127.0.0.1:{port}"
        return {"MODELSCOPE_ENDPOINT": address, "HF_ENDPOINT": address}


CLIENTS = (
    Client("since-1.38", "modelscope==1.40.2", "modelscope", "modelscope"),
    Client("before-1.38", "modelscope==1.34.0", "modelscope", "modelscope", tls=True, notices=False),
    Client("huggingface", "huggingface_hub==1.33.0", "huggingface", "hf", goes_on=False),
)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    files = folder / "hub.pem", folder / "hub.key"
    files[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return files
