"""Tests (`is …`) of templates: task results, patterns, versions, sets, paths of the controller."""

from __future__ import annotations

import math
import os.path
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from qcluster.secret import Secret
from qcluster.templating.filters.texts import flags
from qcluster.templating.versions import compare


def _result(result: Any, test: str) -> Mapping[str, Any]:
    if not isinstance(result, Mapping):
        raise TypeError(f"'is {test}' wants a registered result, got a {type(result).__name__}")
    return result


def failed(result: Any) -> bool:
    return bool(_result(result, "failed").get("failed"))


def changed(result: Any) -> bool:
    """Changed, or (a result of a loop that does not say) one of its items changed."""
    found = _result(result, "changed")
    if "changed" in found:
        return bool(found["changed"])
    items = found.get("results")
    return isinstance(items, list) and any(isinstance(item, Mapping) and item.get("changed") for item in items)


def skipped(result: Any) -> bool:
    return bool(_result(result, "skipped").get("skipped"))


def unreachable(result: Any) -> bool:
    return bool(_result(result, "unreachable").get("unreachable"))


def timedout(result: Any) -> bool:
    found = _result(result, "timedout").get("timedout")
    return bool(found and found.get("period"))


def started(result: Any) -> bool:
    return bool(_result(result, "started").get("started", True))


def finished(result: Any) -> bool:
    return bool(_result(result, "finished").get("finished", True))


def search(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    return re.compile(pattern, flags(ignorecase, multiline)).search(str(value)) is not None


def match(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    return re.compile(pattern, flags(ignorecase, multiline)).match(str(value)) is not None


def regex(
    value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False, match_type: str = "search"
) -> bool:
    method = getattr(re.compile(pattern, flags(ignorecase, multiline)), match_type)
    return method(str(value)) is not None


def truthy(value: Any, convert_bool: bool = False) -> bool:
    words = {"yes": True, "y": True, "on": True, "true": True, "t": True, "1": True}
    words.update({"no": False, "n": False, "off": False, "false": False, "f": False, "0": False})
    if convert_bool and isinstance(value, str):
        return words.get(value.lower().strip(), bool(value))
    return bool(value)


def falsy(value: Any, convert_bool: bool = False) -> bool:
    return not truthy(value, convert_bool)


def uri(value: Any, schemes: Any = None) -> bool:
    try:
        scheme = urlparse(value).scheme
        return not schemes or scheme in schemes
    except (ValueError, TypeError, AttributeError):
        return False


def url(value: Any, schemes: Any = None) -> bool:
    if not uri(value, schemes):
        return False
    parts = urlparse(value)
    return bool(parts.netloc or parts.scheme == "file")


def vaulted_file(value: str) -> bool:
    with Path(value).open("rb") as file:
        return file.read(14) == b"$ANSIBLE_VAULT"


def nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _named(test: Callable[..., bool], *names: str) -> dict[str, Callable[..., Any]]:
    return dict.fromkeys(names, test)


TESTS: dict[str, Callable[..., Any]] = {
    **_named(failed, "failed", "failure"),
    **_named(lambda result: not failed(result), "succeeded", "success", "successful"),
    **_named(changed, "changed", "change"),
    **_named(skipped, "skipped", "skip"),
    **_named(unreachable, "unreachable"),
    **_named(lambda result: not unreachable(result), "reachable"),
    **_named(timedout, "timedout"),
    **_named(started, "started"),
    **_named(finished, "finished"),
    **_named(search, "search"),
    **_named(match, "match"),
    **_named(regex, "regex"),
    **_named(compare, "version", "version_compare"),
    **_named(any, "any"),
    **_named(all, "all"),
    **_named(truthy, "truthy"),
    **_named(falsy, "falsy"),
    **_named(lambda a, b: set(a) <= set(b), "subset", "issubset"),
    **_named(lambda a, b: set(a) >= set(b), "superset", "issuperset"),
    **_named(lambda items, item: item in items, "contains"),
    **_named(nan, "nan", "isnan"),
    **_named(uri, "uri"),
    **_named(url, "url"),
    **_named(lambda value: uri(value, ["urn"]), "urn"),
    **_named(os.path.isdir, "directory", "is_dir"),
    **_named(os.path.isfile, "file", "is_file"),
    **_named(os.path.islink, "link", "is_link"),
    **_named(os.path.exists, "exists"),
    **_named(os.path.lexists, "link_exists"),
    **_named(os.path.isabs, "abs", "is_abs"),
    **_named(os.path.samefile, "same_file", "is_same_file"),
    **_named(os.path.ismount, "mount", "is_mount"),
    **_named(vaulted_file, "vaulted_file"),
    **_named(lambda value: isinstance(value, Secret), "vault_encrypted"),
}
