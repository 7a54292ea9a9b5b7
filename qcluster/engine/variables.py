"""A host's variables, in Ansible's order of precedence, without ever merging them.

Highest first: loop variables, magic variables, -e, include and role parameters, set_fact and register,
task < block < role vars < vars_files < play vars (one layer), facts, inventory, role defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qcluster.templating import Templar


class View(Mapping[str, Any]):
    """Several mappings read as one; the first that has a name wins. Values are as written."""

    __slots__ = ("layers",)

    def __init__(self, *layers: Mapping[str, Any]):
        self.layers = tuple(layer for layer in layers if layer)

    def __getitem__(self, name: str) -> Any:
        for layer in self.layers:
            if name in layer:
                return layer[name]
        if name == "vars":
            return Rendered(self)
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        for layer in self.layers:
            if name in layer:
                return layer[name]
        return Rendered(self) if name == "vars" else default

    def __contains__(self, name: object) -> bool:
        return any(name in layer for layer in self.layers)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for layer in reversed(self.layers) for name in layer))

    def __len__(self) -> int:
        return len(set().union(*self.layers))

    def over(self, layer: Mapping[str, Any]) -> View:
        """This view with another layer on top."""
        return View(layer, *self.layers)

    def above(self, layer: Mapping[str, Any]) -> View:
        """This view with another lowest layer."""
        return View(*self.layers[:-1], layer)


class Rendered(Mapping[str, Any]):
    """Variables as modules and other hosts see them: each rendered when it is read."""

    __slots__ = ("_templar", "_view")

    def __init__(self, view: Mapping[str, Any]):
        self._view, self._templar = view, Templar(view)

    def __getitem__(self, name: str) -> Any:
        return self._templar.render(self._view[name])

    def __contains__(self, name: object) -> bool:
        return name in self._view

    def __iter__(self) -> Iterator[str]:
        return iter(self._view)

    def __len__(self) -> int:
        return len(self._view)

    def __repr__(self) -> str:
        return f"<variables: {len(self)}>"


class HostMemory:
    """What a run has learned of one host. Mappings are replaced, never changed, so that other threads may read them.

    `facts` lie below play variables, `registered` (register, set_fact) above task variables.
    """

    __slots__ = ("facts", "registered")

    def __init__(self, facts: Mapping[str, Any]):
        self.facts: Mapping[str, Any] = {"ansible_facts": {}}
        self.registered: Mapping[str, Any] = {}
        self.learn(facts)

    def learn(self, facts: Mapping[str, Any]) -> None:
        """Facts of a module: also in `ansible_facts`, there without `ansible_` in front."""
        if facts:
            known = {**self.facts["ansible_facts"], **{name.removeprefix("ansible_"): facts[name] for name in facts}}
            self.facts = {**self.facts, **facts, "ansible_facts": known}

    def register(self, values: Mapping[str, Any]) -> None:
        if values:
            self.registered = {**self.registered, **values}
