"""One task on one host: what it sees, and the words of the task that are known only when it runs."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from qcluster.command import Become
from qcluster.engine import search
from qcluster.engine.dressed import Dress, DressedFleet
from qcluster.engine.keywords import number
from qcluster.engine.ready import Ready
from qcluster.engine.variables import Rendered, View
from qcluster.engine.world import World
from qcluster.errors import TaskFailed
from qcluster.modules import arguments
from qcluster.modules.base import Call, Reach
from qcluster.modules.convert import boolean
from qcluster.playbook.model import Task
from qcluster.secret import Secret
from qcluster.templating import OMIT, Templar, TemplateError
from qcluster.templating.compiled import Style
from qcluster.transport.base import Transport


@dataclass(frozen=True)
class Job:
    """A ready task for one host. `magic` are the play's own variables, `params` came with the includes around it."""

    world: World
    ready: Ready
    host: str
    play: str
    title: str
    play_hosts: tuple[str, ...]
    magic: Mapping[str, Any]
    params: Mapping[str, Any]

    @property
    def task(self) -> Task:
        return self.ready.task

    def view(self) -> View:
        """The variables of this task on this host, as written."""
        world, ready, memory = self.world, self.ready, self.world.recall(self.host)
        known = world.inventory.hosts.get(self.host)
        return View(
            self.magic,
            world.magic(self.host),
            world.options.extra_vars,
            self.params,
            ready.params,
            memory.registered,
            ready.variables,
            memory.facts,
            known.variables if known else {},
            ready.defaults,
            {"ansible_host": self.host},
        )

    def addressed(self, view: View) -> View:
        """`view` as a delegated task sees it: where the host itself does not say how it is reached, the target does."""
        if self.task.scope.get("delegate_to") is None:
            return view
        try:
            target = self.target(Templar(view))
        except TemplateError:
            return view  # told where the target is needed
        there = self.world.view_of(target)
        words = {name: there[name] for name in ("ansible_host", "ansible_port", "ansible_user") if name in there}
        return view.above({"ansible_host": target, **words, "ansible_delegated_vars": {target: Rendered(there)}})

    def flag(self, name: str, templar: Templar, default: bool = False) -> bool:
        """A keyword that is true or false, rendered."""
        value = self.task.scope.get(name, default)
        if isinstance(value, bool):
            return value
        rendered = templar.render(value)
        return default if rendered is None or rendered is OMIT else boolean(rendered)

    def number(self, name: str, templar: Templar) -> float | None:
        """A keyword that is a number, rendered; None where it is absent or 0."""
        value = templar.render(self.task.scope.get(name))
        return number(value, name) if value not in (None, OMIT, "") else None

    def target(self, templar: Templar) -> str:
        """The host to act on: `delegate_to`, else the task's own."""
        value = templar.render(self.task.scope.get("delegate_to"))
        return self.host if value in (None, "") or value is OMIT else str(value)

    def transport(self, target: str) -> Transport:
        try:
            return self.world.fleet[target]
        except KeyError:
            raise TaskFailed(f"delegate_to: no host named {target!r} in the inventory") from None

    def call(self, view: View, templar: Templar) -> Call:
        """What the module may look at."""
        options, ready = self.world.options, self.ready
        args = ready.typed
        if args is None:
            args = arguments.coerce(ready.spec, ready.args(templar))
        return Call(
            host=self.host,
            args=args,
            variables=Rendered(view),
            check=self.flag("check_mode", templar, options.check),
            diff=self.flag("diff", templar, options.diff),
            find=partial(search.find, self.ready.folders),
            template=templar.render,
            state_dir=self.state_dir(view, templar),
            evaluate=templar.evaluate,
            template_file=partial(template_file, view, self.ready.folders),
            verbosity=options.verbosity,
        )

    def state_dir(self, view: View, templar: Templar) -> str:
        """Where qcluster keeps its files on the host; `~` is the home of who runs the command."""
        told = view.get("qcluster_state_dir")
        if told:
            return str(templar.render(told))
        root = view.get("ansible_user", "root") == "root" or self._raised(view, templar)
        return ("/var/lib/qcluster/" if root else "~/.local/state/qcluster/") + self.world.options.deployment

    def dress(self, target: str, view: View, templar: Templar) -> Dress:
        """become, environment and deadline of this task's commands; become as the host says that is acted on."""
        there = view if target == self.host else self.world.view_of(target)
        return Dress(
            become=self._become(there, templar) if self._raised(there, templar) else None,
            env=self._environment(templar),
            timeout=self.number("timeout", templar),
            secret=self.flag("no_log", templar),
        )

    def _raised(self, view: View, templar: Templar) -> bool:
        told = view.get("ansible_become")
        return self.flag("become", templar) if told is None else boolean(templar.render(told))

    def _become(self, view: View, templar: Templar) -> Become:
        user = templar.render(view.get("ansible_become_user") or self.task.scope.get("become_user"))
        flags = templar.render(view.get("ansible_become_flags") or self.task.scope.get("become_flags"))
        password = view.get("ansible_become_password", view.get("ansible_become_pass"))
        secret = self.world.options.become_password if password is None else _secret(templar.render(password))
        said = {"user": user, "flags": flags}
        return Become(password=secret, **{name: str(one) for name, one in said.items() if one and one is not OMIT})

    def _environment(self, templar: Templar) -> Mapping[str, str]:
        merged: dict[str, Any] = {}
        for entry in map(templar.render, self.task.scope.environment):
            merged.update(entry if entry and entry is not OMIT else {})
        for name, value in merged.items():
            if isinstance(value, Secret):
                raise TaskFailed(f"environment: {name} is a secret; an environment can be seen by others, use a file")
        return {name: str(value) for name, value in merged.items() if value is not OMIT}

    def reach(self, transport: Transport) -> Reach:
        """What an action may touch. Every host's connection is dressed with that host's own words."""
        world, view = self.world, self.view()
        templar = Templar(view)
        return Reach(
            transport=transport,
            fleet=DressedFleet(world.fleet, lambda host: self.dress(host, view, templar)),
            variables_of=lambda host: Rendered(world.view_of(host)),
            play_hosts=self.play_hosts,
            emit=world.emit,
            sleep=world.options.sleep,
            clock=world.clock,
            cancelled=world.options.cancelled.is_set,
            lost=dict(world.lost),
        )


MANAGED = "Ansible managed"
"""What `ansible_managed` says in a template where no variable of that name does."""


def template_file(view: View, folders: tuple[Path, ...], path: Path, settings: Mapping[str, Any]) -> str:
    """A whole template file for this host, as Ansible's `template` renders it. Raises TemplateError."""
    options = {name: value for name, value in settings.items() if name != "variables"}
    search_in = tuple(str(place) for folder in (*folders, path.parent) for place in (folder / "templates", folder))
    told = _told_of_template(path, view.get("ansible_managed", MANAGED)) | settings.get("variables", {})
    text = Templar(view.over(told)).text(path.read_bytes().decode(), Style(search_in, **options))
    return text.reveal() if isinstance(text, Secret) else text


def _told_of_template(path: Path, managed: Any) -> dict[str, Any]:
    known = path.stat()
    try:
        owner: Any = pwd.getpwuid(known.st_uid).pw_name
    except KeyError:
        owner = known.st_uid
    return {
        "ansible_managed": managed,
        "template_host": os.uname().nodename,
        "template_uid": owner,
        "template_path": str(path),
        "template_fullpath": str(path.resolve()),
        "template_mtime": datetime.fromtimestamp(known.st_mtime),
        "template_run_date": datetime.now(),
    }


def _secret(value: Any) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value))
