"""Run as a script: what ansible-core makes of inventories, patterns and vaults, as JSON.

Arguments: the file of patterns, then the inventories.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml


def main(patterns: str, sources: list[str]) -> None:
    """Prints {"list": {source: document}, "graph": {source: text}, "hosts": {source: {pattern: [names]}}}."""
    from ansible.cli.inventory import InventoryCLI
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader

    def asked(source: str, *flags: str) -> str:
        """What the command prints. A child process each: ansible-core can be set up only once in a process."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writing, 1)
            with contextlib.suppress(SystemExit):
                cli = InventoryCLI(["ansible-inventory", "-i", source, *flags])
                cli.parse()
                cli.run()
            sys.stdout.flush()
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as output:
            text = output.read()
        os.waitpid(child, 0)
        return text

    def hosts(manager: Any, pattern: str) -> list[str]:
        return [host.name for host in manager.get_hosts(pattern)]

    found: dict[str, Any] = {"list": {}, "graph": {}, "hosts": {}}
    for source in sources:
        found["list"][source] = json.loads(asked(source, "--list"))
        found["graph"][source] = asked(source, "--graph")
    folder = Path(patterns).parent / "beside"
    found["play"] = json.loads(asked(str(folder / "hosts.yaml"), "--list", "--playbook-dir", str(folder / "play")))
    for name, asked_for in yaml.safe_load(Path(patterns).read_text(encoding="utf-8")).items():
        manager = InventoryManager(loader=DataLoader(), sources=[str(Path(patterns).with_name(name))])
        found["hosts"][name] = {pattern: hosts(manager, pattern) for pattern in asked_for}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
