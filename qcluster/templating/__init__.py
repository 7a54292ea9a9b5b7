"""Jinja as Ansible uses it: native types, strict, lazy. `Templar(variables).render(value)`.

`OMIT` is the value of `omit`; `unsafe(value)` marks what a host answered as data that is never rendered.
"""

from qcluster.templating.compiled import Style
from qcluster.templating.errors import Recursion, TemplateError, TemplateSyntax, UndefinedVariable
from qcluster.templating.marks import OMIT, is_plain, is_template, unsafe
from qcluster.templating.templar import Templar

__all__ = [
    "OMIT",
    "Recursion",
    "Style",
    "Templar",
    "TemplateError",
    "TemplateSyntax",
    "UndefinedVariable",
    "is_plain",
    "is_template",
    "unsafe",
]
