"""All hosts of a deployment have the same image under the same name, layer for layer (run_once). Issue 6, Image.

A tag may move between two pulls, and a mirror may lag behind: then two hosts would serve with different code.
"""

from __future__ import annotations

from qcluster.modules.base import Call, Reach, Report, Spec


class ImageAgree:
    spec = Spec({}, help="Fail unless the hosts that have the same image name have the same image (run_once).")
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        facts = {host: reach.variables_of(host).get("qcluster_image") for host in reach.play_hosts}
        groups: dict[tuple[str, str], dict[str, list[str]]] = {}
        for host, fact in facts.items():
            if fact and fact["layers"]:
                kinds = groups.setdefault((fact["name"], fact["architecture"]), {})
                kinds.setdefault(" ".join(fact["layers"]), []).append(host)
        apart = {name: list(kinds.values()) for (name, _), kinds in groups.items() if len(kinds) > 1}
        lines = [f"{name} is not the same on {' and '.join(map(', '.join, hosts))}" for name, hosts in apart.items()]
        if not lines:
            return Report(values={"hosts": [host for host, fact in facts.items() if fact]})
        remedy = "the tag has moved: remove the older one (docker rmi), or pin `image_digest`, and run again"
        return Report(failed="\n".join([*lines, remedy]))


image_agree = ImageAgree()
