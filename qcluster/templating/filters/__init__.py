"""Every filter of templates that Jinja itself does not have, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qcluster.templating.filters import addresses, codecs, containers, numbers, paths, texts

FILTERS: dict[str, Callable[..., Any]] = {
    **codecs.FILTERS,
    **containers.FILTERS,
    **texts.FILTERS,
    **paths.FILTERS,
    **numbers.FILTERS,
    **addresses.FILTERS,
}
