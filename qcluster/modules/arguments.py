"""A module's arguments: from what a playbook says, checked before any host is touched, to typed values for one host.

parse   what is written (a mapping, one string, nothing) → a mapping
check   every mistake that can be seen without a host; values with templates in them are left for later
coerce  rendered values → typed values with defaults, under the options' own names
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qcluster.errors import Problem, TaskFailed
from qcluster.modules.base import Option, Spec
from qcluster.modules.convert import convert
from qcluster.modules.words import FREE_FORM_PAIRS, named, pairs_and_rest
from qcluster.secret import Secret
from qcluster.spelling import nearest


def parse(spec: Spec, raw: Any) -> dict[str, Any]:
    """The arguments as a mapping. Raises `ValueError` where they cannot be one."""
    if raw is None or raw == "":
        return {}
    if isinstance(raw, Mapping):
        return dict(raw)
    if isinstance(raw, (str, int, float)):
        return _from_text(spec, str(raw))
    raise ValueError("arguments are a mapping or one string")


def check(spec: Spec, args: Mapping[str, Any], module: str = "") -> tuple[Problem, ...]:
    """Unknown, missing, exclusive and wrongly typed arguments. The loader adds file and line."""
    prefix = f"{module}." if module else ""
    return tuple(
        Problem("", 0, prefix + name if name else module, what, hint) for name, what, hint in _mistakes(spec, args)
    )


def coerce(spec: Spec, args: Mapping[str, Any]) -> dict[str, Any]:
    """Typed values, defaults filled in; an option that was not given is None. Raises `TaskFailed`."""
    mistakes = [f"{name}: {what}" if name else what for name, what, _ in _mistakes(spec, args, rendered=True)]
    if mistakes:
        raise TaskFailed("; ".join(mistakes))
    given = {_canonical(spec, name): value for name, value in args.items()}
    typed = {name: _typed(option, given.get(name, option.default)) for name, option in spec.options.items()}
    return {**given, **typed} if spec.any_key else typed


def _typed(option: Option, value: Any) -> Any:
    """A null is the default, but for an option that takes anything."""
    value = option.default if value is None and option.type != "raw" else value
    return None if value is None else convert(value, option.type, option.elements)


def _from_text(spec: Spec, text: str) -> dict[str, Any]:
    if not spec.free_form:
        return dict(named(text))
    pairs, rest = pairs_and_rest(text, FREE_FORM_PAIRS)
    return {**pairs, spec.free_form: rest} if rest else dict(pairs)


def _canonical(spec: Spec, name: str) -> str:
    return next((known for known, option in spec.options.items() if name in option.aliases), name)


def _mistakes(spec: Spec, args: Mapping[str, Any], rendered: bool = False) -> Iterator[tuple[str, str, str]]:
    given = {_canonical(spec, name): value for name, value in args.items()}
    yield from _unknown(spec, given)
    yield from _incomplete(spec, {name for name, value in given.items() if value is not None})
    for name, value in given.items():
        if name in spec.options and value is not None and (rendered or not has_template(value)):
            yield from _wrong(name, spec.options[name], value)


def _unknown(spec: Spec, given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if spec.any_key:
        return
    words = [*spec.options, *(alias for option in spec.options.values() for alias in option.aliases)]
    for name in given:
        if name not in spec.options:
            close = nearest(str(name), words)
            yield str(name), "unknown argument", f"did you mean {close}?" if close else f"known: {', '.join(words)}"


def _incomplete(spec: Spec, given: set[str]) -> Iterator[tuple[str, str, str]]:
    missing = [name for name, option in spec.options.items() if option.required and name not in given]
    if missing:
        yield "", f"missing required arguments: {', '.join(missing)}", ""
    for names in spec.required_one_of:
        if not given & set(names):
            yield "", f"one of the following is required: {', '.join(names)}", ""
    for names in spec.mutually_exclusive:
        if len(given & set(names)) > 1:
            yield "", f"arguments are mutually exclusive: {'|'.join(names)}", ""


def _wrong(name: str, option: Option, value: Any) -> Iterator[tuple[str, str, str]]:
    if option.type != "raw" and not option.no_log and holds_secret(value):
        yield name, "is a secret, and everybody could see it here", "a file's content and a command's stdin are safe"
        return
    try:
        typed = convert(value, option.type, option.elements)
    except ValueError as error:
        yield name, str(error), ""
        return
    for one in typed if isinstance(typed, list) else [typed]:
        if option.choices and one not in option.choices:
            choices = ", ".join(str(choice) for choice in option.choices)
            yield name, f"must be one of: {choices}, got: {one}", ""


def holds_secret(value: Any) -> bool:
    """Whether a secret is anywhere inside `value`."""
    if isinstance(value, Mapping):
        return any(holds_secret(one) for one in value.values())
    return isinstance(value, Secret) or (isinstance(value, (list, tuple)) and any(map(holds_secret, value)))


def has_template(value: Any) -> bool:
    """Whether any text inside `value` holds Jinja."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(has_template(one) for pair in value.items() for one in pair)
    return isinstance(value, (list, tuple)) and any(has_template(one) for one in value)
