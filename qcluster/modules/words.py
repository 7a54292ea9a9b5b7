"""A module's arguments written as one string: `command: uptime chdir=/tmp`, `file: path=/x state=directory`."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

_PIECE = re.compile(r"""\{\{.*?\}\}|\{%.*?%\}|\{\#.*?\#\}|\\\S|"(?:\\.|[^"\\])*"|'[^']*'|\s+|.""", re.DOTALL)
_ESCAPE = re.compile(r"""\\(?:U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|N\{[^}]+\}|[\\'"abfnrtv])""")
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
FREE_FORM_PAIRS = ("creates", "removes", "chdir", "executable", "stdin", "stdin_add_newline", "strip_empty_ends")
"""The only pairs that Ansible takes out of a free-form string; any other `x=y` belongs to the command."""


def split(text: str) -> Iterator[tuple[str, str]]:
    """(word, the white space before it) for each word; quotes and Jinja expressions hold together."""
    space, word = "", ""
    for match in _PIECE.finditer(text):
        piece = match.group()
        if not piece.isspace():
            word += piece
            continue
        if word:
            yield word, space
        space, word = piece, ""
    if word:
        yield word, space


def named(text: str) -> dict[str, str]:
    """The `name=value` words of a text that holds nothing else. Raises ValueError."""
    if any(piece in ("'", '"') for piece in _PIECE.findall(text)):
        raise ValueError("a quote is not closed")
    pairs, rest = pairs_and_rest(text, None)
    if rest:
        raise ValueError(f"{rest!r} is not name=value")
    return pairs


def pairs_and_rest(text: str, names: tuple[str, ...] | None) -> tuple[dict[str, str], str]:
    """The `name=value` words of `text` (only those in `names`, if given) and what is left, spacing kept."""
    pairs: dict[str, str] = {}
    rest = ""
    for word, space in split(text):
        match = _PAIR.fullmatch(_decoded(word))
        if match and (names is None or match[1] in names):
            pairs[match[1]] = _unquoted(match[2])
        else:
            rest += space + word
    return pairs, _trimmed(rest, text)


def _decoded(word: str) -> str:
    """`\\n`, `\\t`, `\\u00e9` and so on as the characters that they mean."""
    return _ESCAPE.sub(lambda found: codecs.decode(found[0], "unicode-escape"), word)


def _trimmed(rest: str, text: str) -> str:
    """A block of text keeps the end of its last line, as Ansible has it."""
    rest = rest.strip()
    return rest + "\n" if rest and text.endswith("\n") else rest


def _unquoted(value: str) -> str:
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" and value[-2] != "\\"
    return value[1:-1] if quoted else value
