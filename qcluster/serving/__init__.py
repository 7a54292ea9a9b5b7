"""From an inventory to a plan: the arithmetic of a deployment, pure. `make_plan`, then `bind` with the hosts' facts."""

from qcluster.serving.binding import HostFacts, bind
from qcluster.serving.planner import make_plan

__all__ = ["HostFacts", "bind", "make_plan"]
