"""Jinja set up as Ansible does: native types, strict, sandboxed, variables rendered when a template reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from functools import cache, wraps
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import Frame
from jinja2.lexer import TOKEN_STRING, TOKEN_VARIABLE_BEGIN, TOKEN_VARIABLE_END, Lexer
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from qcluster.secret import Secret
from qcluster.templating.errors import Broken, Missing, explain
from qcluster.templating.hidden import opened, sealed
from qcluster.templating.lazy import strict
from qcluster.templating.marks import OMIT
from qcluster.templating.values import finish

_MUTATORS = re.compile(r"\.\s*(?:append|clear|extend|insert|pop|popitem|remove|reverse|setdefault|sort|update)\b")
_ESCAPE, _ESCAPES = re.compile(r"\\(.)", re.DOTALL), frozenset("\\'\"abfnrtvxuUN01234567\n")
_BITS = frozenset(("__and__", "__lshift__", "__or__", "__rshift__", "__xor__"))
_RUN = "\0run"  # no variable can have this name
_ONE_TIME = (Iterator, range, KeysView, ValuesView, ItemsView)
_absent = object()


class _Generator(NativeCodeGenerator):
    """Keeps one lone value native; nothing but the text around expressions is folded at compile time."""

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        return repr("".join(str(value) for value in group))

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> Any:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible()
        return node.as_const(frame.eval_ctx)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Lexer(Lexer):
    """Takes backslashes in the strings of `{{ }}` literally: YAML has read the escapes already, once is enough.

    Elsewhere (`{% %}`, conditions, template files) Jinja's escapes hold, and a backslash that begins none is itself.
    """

    def __init__(self, environment: jinja2.Environment, literal: bool):
        super().__init__(environment)
        self._literal = literal

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        inside = False
        for line, token, value in super().tokeniter(source, name, filename, state):
            if token in (TOKEN_VARIABLE_BEGIN, TOKEN_VARIABLE_END):
                inside = token == TOKEN_VARIABLE_BEGIN
            elif token == TOKEN_STRING and "\\" in value:
                value = value.replace("\\", "\\\\") if inside and self._literal else _ESCAPE.sub(_kept, value)
            yield line, token, value


def _kept(match: re.Match[str]) -> str:
    return match[0] if match[1] in _ESCAPES else "\\" + match[0]


class VariableContext(Context):
    """Looks names up in the run's variables; what it finds is rendered at that moment."""

    run: Any = None

    def resolve_or_missing(self, key: str) -> Any:
        if key in self.vars:
            return self.vars[key]
        run = self.run
        if run is not None:
            value = run.lookup(key)
            if value is not missing:
                return value
        return self.parent.get(key, missing)

    def derived(self, locals: dict[str, Any] | None = None) -> Context:
        context = super().derived(locals)
        context.run = self.run  # type: ignore[attr-defined]
        return context

    def get_all(self) -> dict[str, Any]:
        """What an included template gets: the names set so far, and the run that knows the variables."""
        return {**self.parent, **self.vars, _RUN: self.run}


class Template(jinja2.Template):
    """A compiled template. `mutates`: it calls a method that changes a container, so it must get copies."""

    mutates = False

    def new_context(
        self, vars: dict[str, Any] | None = None, shared: bool = False, locals: Mapping[str, Any] | None = None
    ) -> Context:
        context = super().new_context(vars, shared, locals)
        context.run = (vars or {}).get(_RUN)  # type: ignore[attr-defined]
        return context

    def read(self, run: Any) -> Any:
        """The native result, not yet finished: it may be lazy or missing."""
        context = VariableContext(self.environment, self.globals, self.name, self.blocks)  # type: ignore[arg-type]
        context.run = run
        return self.environment.concat(self.root_render_func(context))


class Environment(SandboxedEnvironment):
    """One for the whole program; it holds no variables."""

    code_generator_class = _Generator
    context_class = VariableContext
    template_class = Template

    def __init__(self, *, literal_backslashes: bool = True, **options: Any):
        options = {"trim_blocks": True, "undefined": Missing, "optimized": False, "autoescape": False, **options}
        super().__init__(**options)
        self._literal = literal_backslashes
        self._own_lexer: Lexer | None = None

    @property
    def lexer(self) -> Lexer:
        if self._own_lexer is None:
            self._own_lexer = _Lexer(self, self._literal)
        return self._own_lexer

    def install(self, filters: Mapping[str, Callable[..., Any]], tests: Mapping[str, Callable[..., Any]]) -> None:
        """Every filter and test, also Jinja's own, is never called with missing values unless it asks to be."""
        every_filter: dict[str, Any] = {**dict[str, Any](self.filters), **filters}
        every_test: dict[str, Any] = {**dict[str, Any](self.tests), **tests}
        self.filters = {name: _guard(function) for name, function in every_filter.items()}
        self.tests = {name: _guard(function) for name, function in every_test.items()}

    def compile_text(self, source: str) -> Template:
        """A template from a text. Raises jinja2.TemplateSyntaxError."""
        template = self.from_string(str(source))
        assert isinstance(template, Template)
        template.mutates = _MUTATORS.search(source) is not None
        return template

    def compile_value(self, expression: str) -> Template:
        """A template from a bare expression (`when: a == 1`)."""
        parser = Parser(self, str(expression), state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise jinja2.TemplateSyntaxError("unexpected text after the expression", parser.stream.current.lineno)
        body: list[nodes.Node] = [nodes.Output([tree], lineno=1)]
        for node in body:
            node.set_environment(self)
        template = self.from_string(nodes.Template(body, lineno=1))
        assert isinstance(template, Template)
        template.mutates = _MUTATORS.search(expression) is not None
        return template

    @staticmethod
    def concat(parts: Iterable[Any]) -> Any:
        """One value stays what it is, several become a text, none is None."""
        found = [part for part in parts if part is not None]
        if len(found) == 1:
            return found[0]
        return Environment.joined(found) if found else None

    @staticmethod
    def joined(parts: Sequence[Any]) -> Any:
        """Several values as one text (`~`); a Secret where one of them is."""
        if any(isinstance(part, Secret) for part in parts):
            return Secret("".join(map(_piece, opened(parts)[0])))
        return "".join(map(_piece, parts))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute, else an item; what the sandbox forbids is looked up as an item only."""
        value = getattr(obj, attribute, _absent)
        if value is not _absent and self.is_safe_attribute(obj, attribute, value):
            return value
        try:
            return obj[attribute]
        except (TypeError, LookupError, AttributeError):
            unsafe = value is not _absent
            return self.unsafe_undefined(obj, attribute) if unsafe else self.undefined(obj=obj, name=attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if attr in _BITS and isinstance(obj, int):
            return True
        return super().is_safe_attribute(obj, attr, value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(__obj, Macro):
            gone = _first_missing(args, kwargs)
            if gone is not None:
                return gone
        try:
            result = super().call(__context, __obj, *args, **kwargs)
        except Exception as error:
            return _gone(error)
        return result if __obj is range else _listed(result)


def _piece(part: Any) -> str:
    if type(part) is str:
        return part
    nothing = part is OMIT or type(part) is jinja2.Undefined
    return "" if nothing else str(finish(part, lenient=True))


def sees_missing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a filter or test that wants to be called with missing values (`default`, `defined`)."""
    function.sees_missing = True  # type: ignore[attr-defined]
    return function


_JINJA_LAZY = frozenset(
    f"{prefix}do_{name}" for name in ("map", "select", "selectattr", "reject", "rejectattr") for prefix in ("", "sync_")
)


def _as_given(value: Any) -> Any:
    return value


def _first_missing(args: Iterable[Any], kwargs: Mapping[str, Any]) -> Missing | None:
    for value in args:
        if isinstance(value, Missing):
            return value
    for value in kwargs.values():
        if isinstance(value, Missing):
            return value
    return None


@cache
@cache
def _guard(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test that is not called with missing arguments, gets secrets open, and gives lists for iterators.

    The same one for every environment.
    """
    name = getattr(function, "__name__", "")
    if getattr(function, "guarded", False):
        return function
    if getattr(function, "sees_missing", False):
        return _captured(function)
    given = _as_given if name in _JINJA_LAZY else strict

    def called(*args: Any, **kwargs: Any) -> Any:
        gone = _first_missing(args, kwargs)
        if gone is not None:
            return gone
        if any(isinstance(arg, Secret) for arg in args):
            clear, revealed = opened(args)
            return sealed(called(*clear, **kwargs), revealed)
        return function(*map(given, args), **{key: given(value) for key, value in kwargs.items()})

    return _captured(wraps(function)(called))


def _captured(function: Callable[..., Any]) -> Callable[..., Any]:
    """What goes wrong in a filter, a test or a call goes wrong where its result is used, as in ansible-core 2.19."""

    @wraps(function)
    def captured(*args: Any, **kwargs: Any) -> Any:
        try:
            return _listed(function(*args, **kwargs))
        except Exception as error:
            return _gone(error)

    captured.guarded = True  # type: ignore[attr-defined]
    return captured


def _gone(error: Exception) -> Missing:
    if isinstance(error, jinja2.UndefinedError):
        return Missing(hint=error.message)
    return Broken(explain(error, ""))


def _listed(result: Any) -> Any:
    """Iterators, ranges and views of mappings as lists: a template may read them twice."""
    return list(result) if isinstance(result, _ONE_TIME) else result
