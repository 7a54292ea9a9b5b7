"""Filters on texts: regular expressions, quoting, comments, URLs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from jinja2.filters import do_indent

from qcluster.command import Command, render

_COMMENTS = {
    "plain": {"decoration": "# "},
    "erlang": {"decoration": "% "},
    "c": {"decoration": "// "},
    "cblock": {"beginning": "/*", "decoration": " * ", "end": " */"},
    "xml": {"beginning": "<!--", "decoration": " - ", "end": "-->"},
}
_URL_PARTS = ("fragment", "hostname", "netloc", "password", "path", "port", "query", "scheme", "username")


def flags(ignorecase: Any, multiline: Any) -> int:
    return (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0)


def regex_replace(
    value: Any = "",
    pattern: str = "",
    replacement: Any = "",
    ignorecase: bool = False,
    multiline: bool = False,
    count: int = 0,
    mandatory_count: int = 0,
) -> str:
    compiled = re.compile(pattern, flags(ignorecase, multiline))
    result, found = compiled.subn(replacement, str(value), count=count)
    if mandatory_count and found != mandatory_count:
        raise ValueError(f"{pattern!r} should match {mandatory_count} times, but matches {found} times in {value!r}")
    return result


def regex_findall(value: Any, regex: str, multiline: bool = False, ignorecase: bool = False) -> list[Any]:
    return re.findall(regex, str(value), flags(ignorecase, multiline))


def regex_search(value: Any, regex: str, *groups: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    r"""The match, None without one; with groups (`\\1`, `\\g<name>`) the list of these."""
    wanted = [_group(group) for group in groups]
    match = re.search(regex, str(value), flags(ignorecase, multiline))
    if match is None:
        return None
    return [match.group(group) for group in wanted] if wanted else match.group()


def _group(text: str) -> int | str:
    match = re.match(r"\\g<(\S+)>|\\(\d+)", text)
    if match is None:
        raise ValueError(f"regex_search: {text!r} is not a group; write \\\\1 or \\\\g<name>")
    return match[1] if match[1] else int(match[2])


def regex_escape(value: Any, re_type: str = "python") -> str:
    if re_type == "python":
        return re.escape(str(value))
    if re_type == "posix_basic":
        return re.sub(r"([].[^$*\\])", r"\\\1", str(value))
    raise ValueError(f"regex_escape: re_type is python or posix_basic, not {re_type!r}")


def quote(value: Any) -> str:
    """Quoted for a POSIX shell."""
    return render(Command(("" if value is None else str(value),)))


def comment(text: str, style: str = "plain", **options: Any) -> str:
    """`text` as a comment: a line of prefix above, each line decorated, a line of postfix below."""
    if style not in _COMMENTS:
        raise ValueError(f"comment: the style is one of {', '.join(_COMMENTS)}, not {style!r}")
    look: dict[str, Any] = {"newline": "\n", "beginning": "", "end": "", "prefix_count": 1, "postfix_count": 1}
    look.update(_COMMENTS[style])
    edge = str(options.get("decoration", look["decoration"])).rstrip()
    look.update({"prefix": edge, "postfix": edge, **options})
    return _decorated(text, look)


def _decorated(text: str, look: dict[str, Any]) -> str:
    newline, mark = look["newline"], look["decoration"]
    head = look["beginning"] + newline if look["beginning"] else ""
    above = (look["prefix"] if look["prefix"] != newline else "") + newline
    above = above * int(look["prefix_count"]) if look["prefix"] else ""
    body = (mark + text.replace(newline, newline + mark)).replace(mark + newline, mark.rstrip() + newline)
    below = (newline + look["postfix"]) * int(look["postfix_count"])
    return str(head + above + body + below + (newline + look["end"] if look["end"] else ""))


def url_split(value: str, query: str = "") -> Any:
    if not isinstance(value, str):
        raise TypeError(f"urlsplit wants a text, got a {type(value).__name__}")
    parts = urlsplit(value)
    found = {name: getattr(parts, name) for name in _URL_PARTS}
    if query and query not in found:
        raise ValueError(f"urlsplit: {query!r} is not a part of a URL; there are {', '.join(_URL_PARTS)}")
    return found[query] if query else found


def split(value: str, *args: Any) -> list[str]:
    return value.split(*args)


def pretty(value: Any) -> str:
    import pprint  # 5 ms that only who asks for it pays

    return pprint.pformat(value, sort_dicts=False)


def indented(value: Any, *args: Any, **kwargs: Any) -> Any:
    """Jinja's `indent`, which would change a list in place; it gets a copy."""
    return do_indent(list(value) if isinstance(value, list) else value, *args, **kwargs)  # type: ignore[arg-type]


FILTERS: dict[str, Callable[..., Any]] = {
    "pprint": pretty,
    "indent": indented,
    "regex_replace": regex_replace,
    "regex_findall": regex_findall,
    "regex_search": regex_search,
    "regex_escape": regex_escape,
    "quote": quote,
    "comment": comment,
    "urlsplit": url_split,
    "urldecode": unquote_plus,
    "split": split,
}
