"""What kinds of value a setting may have, and how a written value becomes one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from qcluster.secret import Secret
from qcluster.spelling import nearest

_DEPLOYMENT, _HOST = "deployment", "host"


@dataclass(frozen=True)
class Setting:
    """`kind`: text, int, bool, texts, mapping, npus, model, secret, source (a choice with or without a word after it).

    `shared`: one value for the whole deployment. `group`: the heading under which the documentation shows it.
    """

    kind: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    shared: bool = False
    smallest: int = 1
    group: str = "Serving"

    @property
    def level(self) -> str:
        """Where it may differ: `deployment` (nowhere) or `host` (a host or a group)."""
        return _DEPLOYMENT if self.shared else _HOST


class WrongValue(ValueError):
    """A value that its variable cannot take; the text says why."""


def _text(value: Any, _setting: Setting) -> str:
    if isinstance(value, bool | list | dict | float):
        raise WrongValue(f"is {_kind(value)}, not a text; quote it")
    return str(value)


def _secret(value: Any, setting: Setting) -> Any:
    return value if isinstance(value, Secret) else _text(value, setting)


def _int(value: Any, setting: Setting) -> int:
    if isinstance(value, bool) or not str(value).strip().lstrip("-").isdigit():
        raise WrongValue(f"is {value!r}, not a whole number")
    if not setting.smallest <= int(value) <= 65535:
        raise WrongValue(f"is {value}; it takes {setting.smallest} to 65535")
    return int(value)


def _bool(value: Any, _setting: Setting) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise WrongValue(f"is {value!r}, not true or false")
    return words[str(value).lower()]


def _texts(value: Any, setting: Setting) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise WrongValue("is not a list")
    return tuple(_text(item, setting) for item in value)


def _mapping(value: Any, _setting: Setting) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongValue(f"is {_kind(value)}, not a mapping")
    return value


def _npus(value: Any, setting: Setting) -> tuple[int, ...]:
    if isinstance(value, str) and not value.strip().isdigit():
        value = _ranges(value)
    if not isinstance(value, list | tuple):
        return tuple(range(_int(value, setting)))
    ids = tuple(_int(item, Setting("int", None, "", smallest=0)) for item in value)
    if not ids or len(set(ids)) != len(ids):
        raise WrongValue("is empty" if not ids else "names an NPU twice")
    return ids


def _ranges(text: str) -> list[int]:
    """`0-3,8` as ids."""
    spans = [re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part) for part in text.split(",")]
    if not all(spans):
        raise WrongValue(f"is {text!r}; it takes a number of NPUs, or physical ids: [0, 1, 2, 3] or 0-3")
    return [npu for span in spans if span for npu in range(int(span[1]), int(span[2] or span[1]) + 1)]


def _model(value: Any, setting: Setting) -> Any:
    return value if isinstance(value, dict) else _text(value, setting)


def _source(value: Any, setting: Setting) -> str:
    """A choice such as `pull`, or one that wants a word after it, such as `from HOST`."""
    text = " ".join(_text(value, setting).split())
    if not text:
        return text
    word, _, rest = text.partition(" ")
    forms = {choice.partition(" ")[0]: choice.partition(" ")[2] for choice in setting.choices}
    if word not in forms:
        near = nearest(word, forms)
        meant = f"; did you mean {near!r}?" if near else ""
        raise WrongValue(f"is {text!r}; it takes {', '.join(setting.choices)}{meant}")
    optional = text == "load"  # its file may stand in image_file
    if bool(rest) != bool(forms[word]) and not optional:
        raise WrongValue(f"is {text!r}; it takes {word} {forms[word]}".rstrip())
    return text


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", bool: "true or false", float: "a number with a fraction"}.get(
        next((kind for kind in (bool, dict, list, float) if isinstance(value, kind)), str), "a text"
    )


CONVERTERS = {
    "text": _text,
    "int": _int,
    "bool": _bool,
    "texts": _texts,
    "mapping": _mapping,
    "npus": _npus,
    "model": _model,
    "secret": _secret,
    "source": _source,
}
