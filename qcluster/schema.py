"""YAML as Ansible reads it, where every mapping, key and scalar remembers its place, and mistakes come all at once.

`load_yaml` gives plain `dict`, `list` and `str` subclasses, so the rest of the program need not know of places;
an error message asks for them: `place(value)`, `key_place(mapping, key)`, `item_place(container, key)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from qcluster.errors import InputError, Problem
from qcluster.spelling import nearest

Tag = Callable[[str, "Text"], Any]
_MERGE = "tag:yaml.org,2002:merge"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SPELLED_BOOL = re.compile(r"(?i)^(?:yes|no|on|off)$")
_SEXAGESIMAL = re.compile(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
_OCTAL = re.compile(r"^[-+]?0[0-7_]+$")


class Place(NamedTuple):
    """A file and a line in it, counted from 1 (0: the line is not known)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Place("", 0)


class Text(str):
    """A text that remembers where it was written."""

    __slots__ = ("place",)
    place: Place


class Unsafe(str):
    """A text that is data, whatever braces it has (`!unsafe`): the templar never renders it."""

    __slots__ = ("place",)
    place: Place


class Marks(NamedTuple):
    """What a container knows of its source: its own place, those of its keys and items, scalars as written."""

    place: Place
    keys: dict[Any, Place]
    items: dict[Any, Place]
    written: dict[Any, str]


class Map(dict[Any, Any]):
    """A mapping that remembers its place and that of its keys and values."""

    __slots__ = ("marks",)
    marks: Marks


class Seq(list[Any]):
    """A sequence that remembers its place and that of its items."""

    __slots__ = ("marks",)
    marks: Marks


def place(value: object) -> Place:
    """Where `value` was written; NOWHERE for what did not come from a file (numbers: ask their container)."""
    marks = getattr(value, "marks", None)
    found = marks.place if marks is not None else getattr(value, "place", None)
    return found if isinstance(found, Place) else NOWHERE


def key_place(mapping: object, key: object) -> Place:
    """Where the key of a mapping was written, else the mapping's place."""
    marks = getattr(mapping, "marks", None)
    return marks.keys.get(key, marks.place) if marks is not None else NOWHERE


def item_place(container: object, key: object) -> Place:
    """Where the value under a key (or an index) was written, else the container's place."""
    marks = getattr(container, "marks", None)
    return marks.items.get(key, marks.place) if marks is not None else NOWHERE


def written(container: object, key: object) -> str:
    """The scalar under `key` as the author wrote it, before YAML made a bool or a number of it; else ''."""
    marks = getattr(container, "marks", None)
    return str(marks.written.get(key, "")) if marks is not None else ""


def trap(container: object, key: object) -> str:
    """Why a plain scalar is not what its author meant, where YAML 1.1 is known to surprise; else ''."""
    text = written(container, key)
    return bool_trap(text) or base_trap(text)


def bool_trap(text: str) -> str:
    """What YAML makes of `no`, `yes`, `on`, `off` as written; '' for anything else."""
    if not _SPELLED_BOOL.match(text):
        return ""
    return f"YAML reads {text} as {'true' if text.lower() in ('yes', 'on') else 'false'}; quote it: '{text}'"


def base_trap(text: str) -> str:
    """What YAML makes of `22:22` and `010` as written; '' for anything else."""
    if _SEXAGESIMAL.match(text):
        return f"YAML reads {text} as a number in base 60; quote it: '{text}'"
    if _OCTAL.match(text):
        return f"YAML reads {text} as octal; quote it or drop the leading zero"
    return ""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest candidate, '' when none is near."""
    near = nearest(word, map(str, candidates), cutoff=0.7)
    return f"did you mean '{near}'?" if near else ""


def load_yaml(path: Path, text: str | None = None, *, tags: Mapping[str, Tag] | None = None) -> Any:
    """The one document of a file (`text`: its content, where the caller has it already); None when it is empty.

    `tags` maps a tag (`!vault`) to a function of its name and its text. `!unsafe` is always known.
    Raises InputError with every mistake: not readable, not YAML, duplicate keys, unknown tags.
    """
    documents = _compose(path, read_text(path) if text is None else text)
    if not documents:
        return None
    builder = _Builder(str(path), tags or {})
    if len(documents) > 1:
        builder.note(documents[1], "a second YAML document begins here", "one file holds one document")
    value = builder.build(documents[0])
    if builder.problems:
        raise InputError(builder.problems)
    return value


def read_text(path: Path) -> str:
    """A UTF-8 file's content, without a byte order mark. Raises InputError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError([Problem(str(path), 0, "", f"is not UTF-8 text: {error.reason}")]) from error
    except OSError as error:
        raise InputError([Problem(str(path), 0, "", f"cannot be read: {error.strerror}")]) from error


def _compose(path: Path, text: str) -> list[yaml.Node]:
    try:
        return list(yaml.compose_all(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        line = mark.line + 1 if mark else 0
        problem = Problem(str(path), line, "", f"is not valid YAML: {what}", _syntax_hint(text, line))
        raise InputError([problem]) from error
    except yaml.YAMLError as error:
        raise InputError([Problem(str(path), 0, "", f"is not valid YAML: {error}")]) from error


def _syntax_hint(text: str, line: int) -> str:
    lines = text.splitlines()
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if re.match(r"\[[\w:.-]+\]\s*$", next((each for each in lines if each.strip(" \t") and each[0] not in "#;"), "")):
        return "this looks like an INI file; only YAML is read"
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return "a tab indents this line; YAML wants spaces"
    if re.search(r"[:\-]\s+\{\{", here):
        return 'quote a value that begins with {{: "{{ … }}"'
    return ""


class _Builder:
    """Turns YAML nodes into located values; collects the problems."""

    def __init__(self, file: str, tags: Mapping[str, Tag]):
        self.file, self.tags = file, tags
        self.problems: list[Problem] = []
        self._made: dict[int, Any] = {}
        self._open: set[int] = set()
        self._path: list[str] = []
        self._scalars = _LOADER("")

    def note(self, node: yaml.Node, what: str, hint: str = "") -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, ".".join(self._path), what, hint))

    def at(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)

    def build(self, node: yaml.Node) -> Any:
        if id(node) in self._open:
            return self.note(node, "contains itself", "an alias cannot stand inside its own anchor")
        if id(node) not in self._made:
            self._open.add(id(node))
            self._made[id(node)] = self._fresh(node)
            self._open.discard(id(node))
        return self._made[id(node)]

    def _fresh(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        return self._sequence(node) if isinstance(node, yaml.SequenceNode) else self._scalar(node)

    def _mapping(self, node: yaml.MappingNode) -> Map:
        made = Map()
        made.marks = Marks(self.at(node), {}, {}, {})
        self._known(node, "tag:yaml.org,2002:map")
        merged = [value for key, value in node.value if key.tag == _MERGE]
        for value_node in reversed(merged):
            self._merge(made, value_node)
        seen: dict[Any, Place] = {}
        for key_node, value_node in node.value:
            if key_node.tag != _MERGE:
                self._pair(made, seen, (key_node, value_node))
        return made

    def _pair(self, made: Map, seen: dict[Any, Place], pair: tuple[yaml.Node, yaml.Node]) -> None:
        key_node, value_node = pair
        key = self.build(key_node)
        if not isinstance(key, Hashable):
            return self.note(key_node, "a mapping key is a text or a number, not a list or a mapping", _brace_hint(key))
        key = str(key) if isinstance(key, str) else key
        if key in seen:
            hint = f"first on line {seen[key].line}; the later one would win unseen"
            return self.note(key_node, f"duplicate key {key!r}", hint)
        seen[key] = made.marks.keys[key] = self.at(key_node)
        self._path.append(str(key))
        made[key] = self.build(value_node)
        self._path.pop()
        return self._item(made, key, value_node)

    def _item(self, made: Map | Seq, key: Any, node: yaml.Node) -> None:
        made.marks.items[key] = self.at(node)
        made.marks.written.pop(key, None)
        if isinstance(node, yaml.ScalarNode) and not isinstance(made[key], str):
            made.marks.written[key] = node.value

    def _merge(self, made: Map, node: yaml.Node) -> None:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            value = self.build(source)
            if not isinstance(value, Map):
                self.note(source, "<< merges a mapping or a list of mappings")
                continue
            made.update(value)
            made.marks.keys.update(value.marks.keys)
            made.marks.items.update(value.marks.items)
            made.marks.written.update(value.marks.written)

    def _sequence(self, node: yaml.SequenceNode) -> Seq:
        made = Seq()
        made.marks = Marks(self.at(node), {}, {}, {})
        self._known(node, "tag:yaml.org,2002:seq")
        for index, item in enumerate(node.value):
            self._path.append(str(index))
            made.append(self.build(item))
            self._path.pop()
            self._item(made, index, item)
        return made

    def _known(self, node: yaml.Node, tag: str) -> None:
        if node.tag != tag:
            self.note(node, f"unknown tag {node.tag}")

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag == "tag:yaml.org,2002:str":
            return self._text(Text, node)
        if node.tag == "!unsafe":
            return self._text(Unsafe, node)
        if node.tag in self.tags:
            return self.tags[node.tag](node.tag, self._text(Text, node))
        try:
            return self._scalars.construct_object(node)
        except yaml.constructor.ConstructorError:
            self.note(node, f"unknown tag {node.tag}", did_you_mean(node.tag, ["!unsafe", *self.tags]))
        except ValueError as error:
            self.note(node, f"cannot be read: {error}")
        return None

    def _text(self, kind: type[Text] | type[Unsafe], node: yaml.Node) -> Any:
        made = kind(node.value)
        made.place = self.at(node)
        return made


def _brace_hint(key: object) -> str:
    return 'quote a value that begins with {{: "{{ … }}"' if isinstance(key, dict) else ""
