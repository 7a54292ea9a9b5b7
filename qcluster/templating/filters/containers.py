"""Filters that rearrange lists and mappings."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import Environment, pass_environment
from jinja2.filters import do_unique, sync_do_groupby

_MERGES = ("replace", "keep", "append", "prepend", "append_rp", "prepend_rp")


def combine(*terms: Any, recursive: bool = False, list_merge: str = "replace") -> Any:
    """Mappings over one another, the last wins; `list_merge` says what two lists under one key become."""
    if list_merge not in _MERGES:
        raise ValueError(f"combine: list_merge is one of {', '.join(_MERGES)}, not {list_merge!r}")
    result: dict[Any, Any] = {}
    for term in flatten(terms, levels=1):
        if not isinstance(term, Mapping):
            raise TypeError(f"combine: wants mappings, got a {type(term).__name__}")
        result = _merge(result, term, recursive, list_merge)
    return result


def _merge(low: Mapping[Any, Any], high: Mapping[Any, Any], recursive: bool, list_merge: str) -> dict[Any, Any]:
    merged = dict(low)
    for key, value in high.items():
        old = merged.get(key)
        if recursive and isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(old, value, recursive, list_merge)
        elif isinstance(old, list) and isinstance(value, list):
            merged[key] = _merge_lists(old, value, list_merge)
        else:
            merged[key] = value
    return merged


def _merge_lists(low: list[Any], high: list[Any], how: str) -> list[Any]:
    if how == "keep":
        return low
    if how in ("append_rp", "prepend_rp"):
        low = [item for item in low if item not in high]
    if how.startswith("append"):
        return low + high
    return high + low if how.startswith("prepend") else high


def flatten(items: Iterable[Any], levels: int | None = None, skip_nulls: bool = True) -> list[Any]:
    flat: list[Any] = []
    for item in items:
        if skip_nulls and item in (None, "None", "null"):
            continue
        if isinstance(item, list | tuple) and (levels is None or levels >= 1):
            flat.extend(flatten(item, None if levels is None else int(levels) - 1, skip_nulls))
        else:
            flat.append(item)
    return flat


def dict2items(mapping: Any, key_name: str = "key", value_name: str = "value") -> list[dict[str, Any]]:
    if not isinstance(mapping, Mapping):
        raise TypeError(f"dict2items wants a mapping, got a {type(mapping).__name__}")
    return [{key_name: key, value_name: value} for key, value in mapping.items()]


def items2dict(items: Any, key_name: str = "key", value_name: str = "value") -> dict[Any, Any]:
    if not isinstance(items, list | tuple):
        raise TypeError(f"items2dict wants a list, got a {type(items).__name__}")
    try:
        return {item[key_name]: item[value_name] for item in items}
    except (KeyError, TypeError):
        raise TypeError(f"items2dict wants a list of mappings with {key_name!r} and {value_name!r}") from None


def subelements(obj: Any, subelement: Any, skip_missing: bool = False) -> list[tuple[Any, Any]]:
    """Every (element, item) for the items of the list under a dotted path in each element."""
    if not isinstance(obj, dict | list):
        raise TypeError("subelements wants a list of mappings or a mapping of them")
    path = subelement.split(".") if isinstance(subelement, str) else subelement
    if not isinstance(path, list):
        raise TypeError("subelements: the path is a text or a list")
    elements = obj.values() if isinstance(obj, dict) else obj
    return [(element, item) for element in elements for item in _descend(element, path, skip_missing)]


def _descend(element: Any, path: list[str], skip_missing: bool) -> list[Any]:
    value = element
    for key in path:
        if not isinstance(value, Mapping):
            raise TypeError(f"subelements: the key {key!r} wants a mapping, got {value!r}")
        if key not in value:
            if skip_missing:
                return []
            raise KeyError(f"subelements: there is no key {key!r} in {value!r}")
        value = value[key]
    if not isinstance(value, list):
        raise TypeError(f"subelements: {'.'.join(path)!r} is a {type(value).__name__}, not a list")
    return value


@pass_environment
def extract(environment: Environment, key: Any, container: Any, morekeys: Any = None) -> Any:
    """`container[key]`, and further down through `morekeys`."""
    more = [] if morekeys is None else morekeys if isinstance(morekeys, list) else [morekeys]
    value = container
    for step in (key, *more):
        value = environment.getitem(value, step)
    return value


def rekey_on_member(data: Any, key: Any, duplicates: str = "error") -> dict[Any, Any]:
    """A mapping of mappings, or a list of them, under the value that each has at `key`."""
    if duplicates not in ("error", "overwrite"):
        raise ValueError(f"rekey_on_member: duplicates is error or overwrite, not {duplicates!r}")
    if not isinstance(data, Mapping | list | tuple):
        raise TypeError("rekey_on_member wants a list or a mapping")
    found: dict[Any, Any] = {}
    for item in data.values() if isinstance(data, Mapping) else data:
        if not isinstance(item, Mapping):
            raise TypeError("rekey_on_member: every item is a mapping")
        if item[key] in found and duplicates == "error":
            raise ValueError(f"rekey_on_member: {item[key]!r} comes twice")
        found[item[key]] = item
    return found


@pass_environment
def unique(
    environment: Environment, items: Any, case_sensitive: bool | None = None, attribute: Any = None
) -> list[Any]:
    """Each item once, the first of equals; texts are compared without case unless `case_sensitive`."""
    try:
        return list(do_unique(environment, items, case_sensitive=bool(case_sensitive), attribute=attribute))
    except TypeError:
        if case_sensitive is False or attribute:
            raise
        return _once(items)


def _once(items: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def union(a: Iterable[Any], b: Iterable[Any]) -> list[Any]:
    return _once([*a, *b])


def intersect(a: Iterable[Any], b: Iterable[Any]) -> list[Any]:
    others = list(b)
    return _once(item for item in a if item in others)


def difference(a: Iterable[Any], b: Iterable[Any]) -> list[Any]:
    others = list(b)
    return _once(item for item in a if item not in others)


def symmetric_difference(a: Iterable[Any], b: Iterable[Any]) -> list[Any]:
    first, second = list(a), list(b)
    return difference(first, second) + difference(second, first)


@pass_environment
def groupby(*args: Any, **kwargs: Any) -> list[Any]:
    return list(sync_do_groupby(*args, **kwargs))


def _pairs(*sequences: Iterable[Any]) -> list[Any]:
    return list(zip(*sequences, strict=False))


FILTERS: dict[str, Callable[..., Any]] = {
    "combine": combine,
    "flatten": flatten,
    "dict2items": dict2items,
    "items2dict": items2dict,
    "subelements": subelements,
    "extract": extract,
    "rekey_on_member": rekey_on_member,
    "unique": unique,
    "union": union,
    "intersect": intersect,
    "difference": difference,
    "symmetric_difference": symmetric_difference,
    "groupby": groupby,
    "zip": _pairs,
    "zip_longest": lambda *args, **kwargs: list(itertools.zip_longest(*args, **kwargs)),
    "product": lambda *args, **kwargs: list(itertools.product(*args, **kwargs)),
    "permutations": lambda *args: list(itertools.permutations(*args)),
    "combinations": lambda *args: list(itertools.combinations(*args)),
}
