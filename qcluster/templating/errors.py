"""What can go wrong in a template, and the value that stands for a variable that is not there.

TemplateError           1   a template cannot be rendered; says where it was written
├── UndefinedVariable       it needs a variable, key or attribute that does not exist
├── TemplateSyntax          it is not Jinja
└── Recursion               variables name one another in a circle
"""

from __future__ import annotations

from typing import Any, NoReturn

import jinja2

from qcluster.errors import QclusterError
from qcluster.schema import place


class TemplateError(QclusterError):
    """A template cannot be rendered. `what` is the reason alone, `template` the text as written."""

    def __init__(self, what: str, template: object = ""):
        self.what, self.template = what, template
        where = place(template)
        shown = f", in {_short(str(template))}" if template and str(template) not in what else ""
        super().__init__((f"{where}: " if where.line else "") + what + shown)


class UndefinedVariable(TemplateError):
    """A variable, key or attribute does not exist."""


class TemplateSyntax(TemplateError):
    """The text between the braces is not Jinja."""


class Recursion(TemplateError):
    """A variable needs itself."""


class Missing(jinja2.StrictUndefined):
    """What is not there. Going further down from it stays missing (`a.b.c | default(1)`); any use of it fails."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name[:2] == name[-2:] == "__":
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> Missing:  # type: ignore[override]
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Missing:  # type: ignore[override]
        return self

    def reason(self) -> str:
        return str(self._undefined_message)


class Broken(Missing):
    """A variable whose own template fails. It fails only when it is used; `default` does not replace it."""

    __slots__ = ("error",)

    def __init__(self, error: TemplateError):
        super().__init__(hint=error.what)
        self.error = error

    def _fail(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise self.error

    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = __contains__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __lt__ = __le__ = __gt__ = __ge__ = _fail


def explain(error: Exception, template: object) -> TemplateError:
    """The error to raise for what `error` says about `template`."""
    if isinstance(error, TemplateError):
        return error if error.template or not template else type(error)(error.what, template)
    if isinstance(error, jinja2.UndefinedError):
        return UndefinedVariable(error.message or "something is undefined", template)
    if isinstance(error, jinja2.TemplateSyntaxError):
        return TemplateSyntax(f"template syntax: {error.message}", template)
    if isinstance(error, RecursionError):
        return Recursion("a variable's template needs itself", template)
    if isinstance(error, jinja2.TemplateNotFound):
        return TemplateError(f"template file not found: {error.message}", template)
    if isinstance(error, QclusterError):
        return TemplateError(str(error))
    what = str(error) if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {error}"
    return TemplateError(what, template)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:97] + "..."
