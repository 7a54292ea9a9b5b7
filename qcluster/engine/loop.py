"""`loop` and `loop_control`: the items, and the variables that each of them brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qcluster.engine.act import Raw
from qcluster.engine.conditions import all_hold
from qcluster.engine.variables import View
from qcluster.modules.convert import boolean
from qcluster.playbook.model import LoopControl, Task
from qcluster.templating import Templar, TemplateError


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TemplateError(f"loop_control.pause: {value!r} is not a number") from None


@dataclass(frozen=True)
class Loop:
    """The items of one task on one host, and how it goes through them."""

    control: LoopControl
    values: list[Any]
    loop_var: str
    index_var: str
    extended: bool
    pause: float

    @classmethod
    def of(cls, task: Task, templar: Templar) -> Loop:
        """Raises TemplateError where the items are no list."""
        values = templar.render(task.loop)
        if not isinstance(values, list):
            kind = type(values).__name__
            raise TemplateError(f"The `loop` value must resolve to a 'list', not '{kind}'.", task.loop)
        control = task.loop_control
        render = templar.render
        return cls(
            control,
            values,
            str(render(control.loop_var)),
            str(render(control.index_var)),
            boolean(render(control.extended)),
            _seconds(render(control.pause)),
        )

    def items(self, sleep: Callable[[float], None]) -> Iterator[dict[str, Any]]:
        """The variables that each item brings; its registered result tells them, too."""
        for number, value in enumerate(self.values):
            if number and self.pause:
                sleep(self.pause)
            yield self._variables(number, value)

    def _variables(self, number: int, value: Any) -> dict[str, Any]:
        brought = {"ansible_loop_var": self.loop_var, self.loop_var: value}
        if self.index_var:
            brought |= {"ansible_index_var": self.index_var, self.index_var: number}
        if self.extended:
            brought["ansible_loop"] = self._position(number)
        return brought

    def _position(self, number: int) -> dict[str, Any]:
        length = len(self.values)
        position: dict[str, Any] = {
            "index": number + 1,
            "index0": number,
            "first": number == 0,
            "last": number + 1 == length,
            "length": length,
            "revindex": length - number,
            "revindex0": length - number - 1,
        }
        if self.control.extended_allitems:
            position["allitems"] = self.values
        if number + 1 < length:
            position["nextitem"] = self.values[number + 1]
        if number:
            position["previtem"] = self.values[number - 1]
        return position

    def label(self, view: View, brought: Mapping[str, Any], raw: Raw) -> str:
        """What reports call an item; a label that cannot be rendered fails it."""
        if self.control.label is None:
            return str(brought[self.loop_var])
        try:
            return str(Templar(view).render(self.control.label))
        except TemplateError as error:
            raw.values.update(failed=True, msg=f"Failed to template loop_control.label: {error}")
            return ""

    def ends(self, view: View) -> bool:
        """Whether `break_when` ends the loop after this item."""
        return bool(self.control.break_when) and all_hold(self.control.break_when, Templar(view))
