"""The task that checks a role's arguments when the role is entered (meta/argument_specs.yml)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qcluster.command import Command
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.convert import convert
from qcluster.result import Outcome
from qcluster.secret import Secret
from qcluster.templating import UndefinedVariable
from qcluster.templating.filters.numbers import human_to_bytes


class ValidateArgumentSpec:
    """Fails with every mistake in the variables that a role's argument spec names."""

    spec = Spec({"argument_spec": Option("raw"), "point": Option()})

    def probe(self, call: Call) -> Command | None:
        return None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        given = {name: _value(call, name) for name in call.args["argument_spec"] if name in call.variables}
        errors = list(mistakes(call.args["argument_spec"], given))
        values = {"argument_errors": errors} if errors else {"msg": "The arg spec validation passed"}
        failed = "Validation of arguments failed:\n" + "\n".join(errors) if errors else ""
        return Decision(values=values, failed=failed, changed=False)


def _value(call: Call, name: str) -> Any:
    try:
        return call.template("{{ " + name + " }}")
    except UndefinedVariable:
        return None


def mistakes(spec: Mapping[str, Any], given: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What is missing, of the wrong type or no choice; nested `options` too."""
    missing = [name for name, one in spec.items() if one.get("required") and given.get(name) is None]
    if missing:
        inside = f" found in {path}" if path else ""
        yield f"missing required arguments: {', '.join(missing)}{inside}"
    for name, value in given.items():
        if value is not None and name in spec:
            yield from _wrong(name, spec[name], value, f"{path}.{name}" if path else name)


def _kind(value: Any) -> str:
    """A value's type in the words of an argument spec."""
    kinds: tuple[tuple[str, Any], ...] = (("bool", bool), ("int", int), ("float", float), ("str", (str, Secret)))
    kinds += (("dict", Mapping), ("list", (list, tuple)))
    return next((word for word, kind in kinds if isinstance(value, kind)), type(value).__name__)


def _typed(value: Any, kind: str, elements: str) -> Any:
    """`value` as `kind`; three kinds are those of argument specs alone. Raises ValueError, KeyError."""
    if kind in ("json", "jsonarg"):
        if isinstance(value, (str, Mapping, list, tuple)):
            return value
        raise ValueError(value)
    if kind in ("bytes", "bits"):
        return human_to_bytes(value, isbits=kind == "bits")
    return convert(value, kind, elements)


def _wrong(name: str, option: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    kind = option.get("type", "str")
    try:
        typed = _typed(value, kind, option.get("elements", ""))
    except (ValueError, KeyError):
        yield f"argument '{name}' is of type {_kind(value)} and we were unable to convert to {kind}"
        return
    choices = option.get("choices")
    for one in typed if isinstance(typed, list) else [typed]:
        if choices and one not in choices:
            yield f"value of {name} must be one of: {', '.join(map(str, choices))}, got: {one}"
    for one in typed if isinstance(typed, list) else [typed]:
        if isinstance(option.get("options"), Mapping) and isinstance(one, Mapping):
            yield from mistakes(option["options"], one, path)
            for extra in [key for key in one if key not in option["options"]]:
                yield f"Unsupported parameters for ({path}): {extra}"


MODULE = ValidateArgumentSpec()
