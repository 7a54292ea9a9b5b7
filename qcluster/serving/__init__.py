"""From an inventory to a plan: the arithmetic of a deployment, pure. `make_plan`, then `bind` with the hosts' facts.

Read in the order in which a plan comes about:

1. `catalogue`, `models`, `versions`, `situation`: what is known of models, hardware and releases (`recipes/`).
2. `placement`: one host in one role, its variables read; `deployment`: the whole, every default filled in.
3. `topology`: which process runs where: replicas of a dense model, ranks of a MoE group, on which NPUs and ports.
4. `launch`: each process's flags and environment, from `layers` of recipe, release and inventory, and its `connector`.
5. `hosts`, `proxy`: containers, mounts, and the process that clients talk to; `ports`, `claims`: who listens on what.
6. `planner`: all of it as one `plan`, named by its `digest`; `binding` puts in what only the hosts know.
7. `lint/` judges it, `notes` tells where it departs from the seed document, `memory` and `sizing` reckon with HBM.
8. `show`, `picture` and `scripts` show it, `difference` compares it with what runs, `record` is kept on the hosts.

`new_inventory` is the other way round: what `qcluster init` writes.
"""

from qcluster.serving.binding import HostFacts, bind
from qcluster.serving.planner import make_plan

__all__ = ["HostFacts", "bind", "make_plan"]
