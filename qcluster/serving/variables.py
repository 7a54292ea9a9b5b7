"""This project's inventory variables, as the inventory's schema has them (`qcluster.inventory.settings`)."""

from __future__ import annotations

from qcluster.inventory.kinds import Setting as Variable
from qcluster.inventory.kinds import WrongValue
from qcluster.inventory.settings import GROUPS, ROLES, convert, near_miss
from qcluster.inventory.settings import SETTINGS as VARIABLES

__all__ = ["GROUPS", "ROLES", "VARIABLES", "Variable", "WrongValue", "convert", "near_miss"]
