"""Every module by name. A module's file is imported only when a task uses it."""

from __future__ import annotations

from importlib import import_module
from typing import TypeGuard

from qcluster.errors import InputError
from qcluster.modules.base import Action, Module
from qcluster.spelling import nearest

BUILTIN = ("ansible.builtin.", "ansible.legacy.")

GENERIC = {
    "assert": "qcluster.modules.assert_:assert_",
    "async_status": "qcluster.modules.async_status:async_status",
    "blockinfile": "qcluster.modules.blockinfile:blockinfile",
    "command": "qcluster.modules.command:command",
    "copy": "qcluster.modules.copy:copy",
    "debug": "qcluster.modules.debug:debug",
    "fail": "qcluster.modules.fail:fail",
    "fetch": "qcluster.modules.fetch:fetch",
    "file": "qcluster.modules.file:file",
    "get_url": "qcluster.modules.get_url:get_url",
    "lineinfile": "qcluster.modules.lineinfile:lineinfile",
    "pause": "qcluster.modules.pause:pause",
    "ping": "qcluster.modules.ping:ping",
    "raw": "qcluster.modules.command:raw",
    "replace": "qcluster.modules.replace:replace",
    "script": "qcluster.modules.script:script",
    "set_fact": "qcluster.modules.set_fact:set_fact",
    "setup": "qcluster.modules.setup:setup",
    "shell": "qcluster.modules.command:shell",
    "slurp": "qcluster.modules.slurp:slurp",
    "stat": "qcluster.modules.stat:stat",
    "tempfile": "qcluster.modules.tempfile:tempfile",
    "template": "qcluster.modules.template:template",
    "uri": "qcluster.modules.uri:uri",
    "wait_for": "qcluster.modules.wait_for:wait_for",
}
"""Ansible's own names; each is also known as `ansible.builtin.NAME`."""

PROJECT: dict[str, str] = {
    "bind_plan": "qcluster.modules.bind_plan:bind_plan",
    "deployment_lock": "qcluster.modules.deployment_lock:deployment_lock",
    "deployment_record": "qcluster.modules.deployment_record:deployment_record",
    "deployment_stopped": "qcluster.modules.deployment_stopped:deployment_stopped",
    "docker_image": "qcluster.modules.docker_image:docker_image",
    "end_run": "qcluster.modules.end_run:end_run",
    "engine_back": "qcluster.modules.engine_back:engine_back",
    "engine_container": "qcluster.modules.engine_container:engine_container",
    "engine_drained": "qcluster.modules.engine_drained:engine_drained",
    "engine_previous": "qcluster.modules.engine_previous:engine_previous",
    "engine_restart": "qcluster.modules.engine_restart:engine_restart",
    "engine_watch": "qcluster.modules.engine_watch:engine_watch",
    "evaluation_point": "qcluster.modules.evaluation_point:evaluation_point",
    "evaluation_verdict": "qcluster.modules.evaluation_verdict:evaluation_verdict",
    "host_facts": "qcluster.modules.host_facts:host_facts",
    "image_agree": "qcluster.modules.image_agree:image_agree",
    "image_found": "qcluster.modules.image_found:image_found",
    "image_holds": "qcluster.modules.image_holds:image_holds",
    "image_room": "qcluster.modules.image_room:image_room",
    "image_route": "qcluster.modules.image_route:image_route",
    "npus_free": "qcluster.modules.npus_free:npus_free",
    "preflight": "qcluster.modules.preflight:preflight",
    "proxy_members": "qcluster.modules.proxy_members:proxy_members",
    "python_import": "qcluster.modules.python_import:python_import",
    "python_package": "qcluster.modules.python_package:python_package",
    "smoke": "qcluster.modules.smoke:smoke",
    "source_tree": "qcluster.modules.source_tree:source_tree",
    "verify_network": "qcluster.modules.verify_network:verify_network",
    "weights": "qcluster.modules.weights:weights",
    "weights_agree": "qcluster.modules.weights_agree:weights_agree",
    "weights_found": "qcluster.modules.weights_found:weights_found",
    "weights_route": "qcluster.modules.weights_route:weights_route",
}  # fmt: skip
"""This project's modules: name → where its instance lives. One line each, in alphabetical order."""


def names() -> tuple[str, ...]:
    """The short names, sorted."""
    return tuple(sorted({**GENERIC, **PROJECT}))


def known(name: str) -> bool:
    return _place(name) is not None


def lookup(name: str) -> Module | Action:
    """The module called `name`, imported on first use. Raises `InputError` where there is none."""
    place = _place(name)
    if place is None:
        close = nearest(name.rpartition(".")[2], names())
        raise InputError(f"{name}: no such module" + (f" (did you mean {close}?)" if close else ""))
    file, _, attribute = place.partition(":")
    found: Module | Action = getattr(import_module(file), attribute)
    return found


def is_action(module: Module | Action) -> TypeGuard[Action]:
    """Whether it runs on the controller instead of yielding commands."""
    return hasattr(module, "run")


def _place(name: str) -> str | None:
    for prefix in BUILTIN:
        if name.startswith(prefix):
            return GENERIC.get(name.removeprefix(prefix))
    return GENERIC.get(name) or PROJECT.get(name)
