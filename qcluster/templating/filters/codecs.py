"""Filters between values and their written forms: JSON, YAML, base64, hashes."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import yaml

_NAMESPACE = uuid.UUID("361e6d51-faec-444a-9079-341386da8e2e")  # the one Ansible documents for `to_uuid`


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes subclasses of plain types as what they are."""


_Dumper.add_multi_representer(str, yaml.SafeDumper.represent_str)
_Dumper.add_multi_representer(dict, yaml.SafeDumper.represent_dict)
_Dumper.add_multi_representer(list, yaml.SafeDumper.represent_list)
_Dumper.add_multi_representer(tuple, yaml.SafeDumper.represent_list)


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def to_json(value: Any, **options: Any) -> str:
    for legacy in ("vault_to_text", "preprocess_unsafe", "profile"):
        options.pop(legacy, None)
    return json.dumps(value, default=_jsonable, **options)


def to_nice_json(value: Any, indent: int = 4, sort_keys: bool = True, **options: Any) -> str:
    options.pop("separators", None)
    return to_json(value, indent=indent, sort_keys=sort_keys, separators=(",", ": "), **options)


def from_json(text: str, **options: Any) -> Any:
    options.pop("profile", None)
    return json.loads(text, **options)


def to_yaml(value: Any, *_: Any, default_flow_style: bool | None = None, **options: Any) -> str:
    return str(
        yaml.dump(value, Dumper=_Dumper, allow_unicode=True, default_flow_style=default_flow_style, **options),
    )


def to_nice_yaml(value: Any, indent: int = 4, *_: Any, default_flow_style: bool = False, **options: Any) -> str:
    return to_yaml(value, indent=indent, default_flow_style=default_flow_style, **options)


def from_yaml(text: Any) -> Any:
    return yaml.safe_load(text) if isinstance(text, str) else text


def from_yaml_all(text: Any) -> Any:
    if text is None:
        return []
    return list(yaml.safe_load_all(text)) if isinstance(text, str) else text


def _bytes(value: Any, encoding: str = "utf-8") -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(encoding, "surrogateescape")


def b64encode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    return encode(_bytes(value, encoding)).decode("ascii")


def b64decode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    decode = base64.urlsafe_b64decode if urlsafe else base64.b64decode
    return decode(_bytes(value)).decode(encoding, "surrogateescape")


def hash_of(value: Any, hashtype: str = "sha1") -> str:
    """The hex digest; `hashtype` is any name that Python's hashlib knows."""
    return hashlib.new(hashtype, _bytes(value)).hexdigest()


def checksum(value: Any) -> str:
    return hash_of(value, "sha1")


def md5(value: Any) -> str:
    return hash_of(value, "md5")


def to_uuid(value: Any, namespace: Any = _NAMESPACE) -> str:
    space = namespace if isinstance(namespace, uuid.UUID) else uuid.UUID(str(namespace))
    return str(uuid.uuid5(space, str(value)))


_CRYPT = {"md5": "md5_crypt", "blowfish": "bcrypt", "sha256": "sha256_crypt", "sha512": "sha512_crypt"}


def password_hash(password: Any, hashtype: str = "sha512", salt: str | None = None, **options: Any) -> str:
    """A crypt(3) hash. Needs passlib, which is not among this project's dependencies."""
    try:
        schemes = import_module("passlib.hash")
    except ImportError:
        raise ValueError("password_hash needs the passlib library; install it beside qcluster") from None
    scheme = getattr(schemes, _CRYPT.get(hashtype, hashtype))
    chosen = {key: value for key, value in {"salt": salt, **options}.items() if value is not None}
    return str(scheme.using(**chosen).hash(str(password)))


FILTERS: dict[str, Callable[..., Any]] = {
    "to_json": to_json,
    "to_nice_json": to_nice_json,
    "from_json": from_json,
    "to_yaml": to_yaml,
    "to_nice_yaml": to_nice_yaml,
    "from_yaml": from_yaml,
    "from_yaml_all": from_yaml_all,
    "b64encode": b64encode,
    "b64decode": b64decode,
    "hash": hash_of,
    "checksum": checksum,
    "sha1": checksum,
    "md5": md5,
    "to_uuid": to_uuid,
    "password_hash": password_hash,
}
