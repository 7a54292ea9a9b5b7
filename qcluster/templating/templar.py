"""Renders values with a host's variables. One Templar a set of variables; it may be used by several threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2.utils import missing

from qcluster.secret import Secret
from qcluster.templating.compiled import Style, expression_template, file_template, value_template
from qcluster.templating.environment import Template
from qcluster.templating.errors import Broken, Missing, Recursion, TemplateError, UndefinedVariable, explain
from qcluster.templating.hidden import sealed
from qcluster.templating.lazy import LazyDict, LazyList
from qcluster.templating.marks import OMIT, SCALARS, is_plain, is_template
from qcluster.templating.values import finish


class _Run:
    """One render: the variables, those already rendered in it, and the names being rendered right now."""

    __slots__ = ("busy", "done", "mutates", "revealed", "variables")

    def __init__(self, variables: Mapping[str, Any], mutates: bool):
        self.variables, self.mutates = variables, mutates
        self.done: dict[str, Any] = {}
        self.busy: list[str] = []
        self.revealed: list[str] = []

    def lookup(self, name: str) -> Any:
        """The variable, rendered; `missing` where there is none; a Missing that explains itself where it cannot be."""
        if name in self.done:
            return self.done[name]
        raw = self.variables.get(name, missing)
        if raw is missing or type(raw) in SCALARS:
            return raw
        if name in self.busy:
            circle = " → ".join([*self.busy[self.busy.index(name) :], name])
            return Broken(Recursion(f"recursive loop in variables: {circle}"))
        self.busy.append(name)
        value = self.done[name] = self.read(raw)
        self.busy.pop()
        return value

    def read(self, raw: Any) -> Any:
        """One value as a template sees it: texts rendered, containers lazy, secrets open (and remembered)."""
        if isinstance(raw, str):
            return self.render(raw) if is_template(raw) else raw
        if isinstance(raw, Secret):
            self.revealed.append(raw.reveal())
            return self.revealed[-1]
        if isinstance(raw, dict | list | tuple) and (self.mutates or not is_plain(raw)):
            return LazyDict(raw, self.read) if isinstance(raw, dict) else LazyList(raw, self.read)
        return raw

    def render(self, raw: str) -> Any:
        try:
            result = value_template(raw).read(self)
            return result if isinstance(result, Missing) else self.own(trailing(raw, finish(result)))
        except Exception as error:
            explained = explain(error, raw)
            gone = isinstance(explained, UndefinedVariable)
            return Missing(hint=explained.what) if gone else Broken(explained)

    def own(self, result: Any) -> Any:
        """A container that the template may change must not be the variable itself."""
        if self.mutates and isinstance(result, dict | list):
            return LazyDict(result, _as_is) if isinstance(result, dict) else LazyList(result, _as_is)
        return result


def _as_is(value: Any) -> Any:
    return value


class Templar:
    """Renders with these variables (as written; they may name one another)."""

    def __init__(self, variables: Mapping[str, Any]):
        self.variables = variables

    def render(self, value: Any) -> Any:
        """`value` with every template in it rendered, natively typed; `omit` items dropped.

        A value without templates is returned as it is, not copied. Raises TemplateError.
        """
        if isinstance(value, str):
            return self._value(value) if is_template(value) else value
        if isinstance(value, list | tuple):
            return value if is_plain(value) else [item for item in map(self.render, value) if item is not OMIT]
        if isinstance(value, dict):
            return value if is_plain(value) else self._mapping(value)
        return value

    def evaluate(self, expression: str) -> Any:
        """The native value of a bare Jinja expression, as in `when:`. Raises TemplateError."""
        return self._result(expression_template, expression)

    def condition(self, expression: str | bool) -> bool:
        """The truth of a `when`, `until`, `failed_when`, …; as in ansible-core 2.19, it must be a bool.

        `{{ … }}` around all of it is allowed, and gives the expression or the truth. Raises TemplateError.
        """
        if isinstance(expression, str) and is_template(expression) and _wrapped(expression):
            expression = self.render(expression.strip())
        if isinstance(expression, str):
            if not expression.strip():
                raise TemplateError("a condition is empty", expression)
            result = self.evaluate(expression.strip())
        else:
            result = expression
        if isinstance(result, bool):
            return result
        kind = "str" if isinstance(result, str) else type(result).__name__
        raise TemplateError(f"a condition is true or false, this is a {kind} (`| bool`, `| length > 0`)", expression)

    def text(self, source: str, style: Style | None = None) -> str | Secret:
        """A template file rendered to text; a Secret where a secret went into it. Raises TemplateError."""
        chosen = style or Style()
        if not chosen.marks(source):
            return source
        result = self._result(lambda text: file_template(text, chosen), source)
        result = trailing(source, result, file_template(source, chosen).environment.newline_sequence)
        if result is None:
            return ""
        return result if isinstance(result, str | Secret) else str(result)

    def is_template(self, text: object) -> bool:
        """True where rendering `text` could give something else."""
        return is_template(text)

    def _value(self, source: str) -> Any:
        return trailing(source, self._result(value_template, source))

    def _mapping(self, value: dict[Any, Any]) -> dict[Any, Any]:
        pairs = ((self.render(key), self.render(item)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not OMIT}

    def _result(self, compiled: Any, source: str) -> Any:
        try:
            template: Template = compiled(source)
            run = _Run(self.variables, template.mutates)
            result = finish(template.read(run))
        except Exception as error:
            explained = explain(error, source)
            raise explained from (error if explained is not error else None)
        return sealed(result, run.revealed) if run.revealed else result


def trailing(source: str, result: Any, newline: str = "\n") -> Any:
    """A text keeps as many newlines at its end as its template had (Jinja drops one). What is no text stays so."""
    if source[-1:] != "\n" or not isinstance(result, str | Secret):
        return result
    if isinstance(result, Secret):
        return Secret(trailing(source, result.reveal(), newline))
    lost = _newlines(source) - _newlines(result)
    return type(result)(result + newline * lost) if lost > 0 else result


def _newlines(text: str) -> int:
    return len(text) - len(text.rstrip("\n"))


def _wrapped(text: str) -> bool:
    stripped = text.strip()
    return stripped.startswith(("{{", "{%", "{#")) and stripped.endswith(("}}", "%}", "#}"))
