"""Compiled templates, each text once, and the environments that compile them."""

from __future__ import annotations

import ast
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import jinja2

from qcluster.templating.builtin import install
from qcluster.templating.environment import Environment, Template
from qcluster.templating.marks import HEADER


@dataclass(frozen=True)
class Style:
    """How a template file is read: the options of Ansible's `template` module, and where `{% include %}` looks."""

    search: tuple[str, ...] = ()
    trim_blocks: bool = True
    lstrip_blocks: bool = False
    newline_sequence: str = "\n"
    block_start_string: str = "{%"
    block_end_string: str = "%}"
    variable_start_string: str = "{{"
    variable_end_string: str = "}}"
    comment_start_string: str = "{#"
    comment_end_string: str = "#}"

    def marks(self, source: str) -> bool:
        """Whether there is anything to render; a file without it stays as it is, its line ends too."""
        begins = (self.block_start_string, self.variable_start_string, self.comment_start_string)
        return source.startswith(HEADER) or any(begin in source for begin in begins)


@lru_cache(maxsize=64)
def _environment(style: Style | None = None, *, literal: bool = True) -> Environment:
    """The environment of values (literal backslashes), of expressions, or of a template file."""
    if style is None:
        return install(Environment(literal_backslashes=literal))
    options = {field.name: getattr(style, field.name) for field in fields(style) if field.name != "search"}
    loader = jinja2.FileSystemLoader(style.search) if style.search else None
    return install(Environment(literal_backslashes=False, loader=loader, **options))


@lru_cache(maxsize=8192)
def value_template(source: str) -> Template:
    if source.startswith(HEADER):
        return _headed(source)
    return _environment().compile_text(source)


@lru_cache(maxsize=8192)
def expression_template(source: str) -> Template:
    return _environment(literal=False).compile_value(source)


@lru_cache(maxsize=256)
def file_template(source: str, style: Style) -> Template:
    body, style = _overridden(source, style)
    return _environment(style).compile_text(body)


def _headed(source: str) -> Template:
    body, style = _overridden(source, Style())
    return _environment(style).compile_text(body)


def _overridden(source: str, style: Style) -> tuple[str, Style]:
    """A first line `#jinja2: trim_blocks: False, …` sets options for the rest."""
    if not source.startswith(HEADER):
        return source, style
    line, _, body = source[len(HEADER) :].partition("\n")
    known = {field.name for field in fields(style)} - {"search"}
    chosen = {}
    for pair in line.split(","):
        name, colon, value = pair.partition(":")
        if not colon or name.strip() not in known:
            raise ValueError(f"{HEADER} {pair.strip()!r} is not an option; there are {', '.join(sorted(known))}")
        chosen[name.strip()] = ast.literal_eval(value.strip())
    return body, replace(style, **chosen)
