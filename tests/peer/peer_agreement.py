"""What two runs of the same playbook must agree on, and what they may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from peer_programs import Told

TIMES = {"start", "end", "stop", "delta", "elapsed", "atime", "mtime", "ctime"}
NUMBERS_OF_THE_KERNEL = {"inode", "dev", "blocks", "block_size", "device_type"}
OF_THE_IMPLEMENTATION = {
    "invocation", "exception", "warnings", "deprecations", "module_stdout", "module_stderr", "ansible_facts",
    "src", "md5sum", "secontext", "diff", "_ansible_no_log", "ansible_job_id", "results_file", "child_pid",
    "failed_when_suppressed_exception", "tmp_src",
}  # fmt: skip
NEEDS_MORE_TOOLS = {"mimetype", "charset", "version", "attributes", "attr_flags"}
OF_A_FAILURE = {
    "rc", "stdout", "stderr", "stdout_lines", "stderr_lines", "cmd", "changed", "results", "status", "attempts",
    "assertion", "evaluated_to", "censored", "ansible_loop_var", "item", "ansible_index_var", "skipped", "finished",
}  # fmt: skip
"""All that is compared of what failed or was skipped: the reason's text, and what else is known by then, is each
program's own."""
EXITS = {0: {0}, 1: {1, 2}, 2: {1, 2}, 3: {4}, 4: {1}}
"""An exit code of ours → Ansible's that mean the same (Ansible: 2 failed, 4 unreachable)."""
UNCOMPARED = TIMES | NUMBERS_OF_THE_KERNEL | OF_THE_IMPLEMENTATION | NEEDS_MORE_TOOLS


def differences(peer: Told, own: Told, uncompared: set[str]) -> list[str]:
    found = [*_exit(peer, own), *_recaps(peer, own), *_files(peer, own)]
    for host in sorted({*peer.tasks, *own.tasks}):
        found += _tasks(host, peer.tasks.get(host, []), own.tasks.get(host, []), uncompared)
    return found


def _exit(peer: Told, own: Told) -> Iterator[str]:
    if peer.exit not in EXITS.get(own.exit, set()):
        yield f"exit: ansible {peer.exit}, qcluster {own.exit}"


def _recaps(peer: Told, own: Told) -> Iterator[str]:
    for host in sorted({*peer.recap, *own.recap}):
        theirs, ours = peer.recap.get(host), own.recap.get(host)
        if theirs != ours and (any((theirs or {}).values()) or any((ours or {}).values())):
            yield f"recap of {host}: ansible {_counted(theirs)}, qcluster {_counted(ours)}"


def _counted(recap: dict[str, int] | None) -> str:
    return " ".join(f"{name}={count}" for name, count in (recap or {}).items() if count) or "nothing"


def _files(peer: Told, own: Told) -> Iterator[str]:
    for path in sorted({*peer.files, *own.files}):
        if peer.files.get(path) != own.files.get(path):
            yield f"file {path}: ansible {peer.files.get(path)}, qcluster {own.files.get(path)}"


def _tasks(host: str, theirs: list[Any], ours: list[Any], uncompared: set[str]) -> Iterator[str]:
    short = [(name, status, ignored) for name, status, ignored, _ in theirs]
    own = [(name, status, ignored) for name, status, ignored, _ in ours]
    if short != own:
        yield f"tasks of {host}:\n    ansible  {short}\n    qcluster {own}"
        return
    for (name, status, _, peer), (_, _, _, mine) in zip(theirs, ours, strict=True):
        # What an exception ended has no `failed` of its own among Ansible's values.
        told = {**peer, status: True}
        for path, what in _values(told, {**mine, status: True}, UNCOMPARED | uncompared):
            yield f"{host}, {name!r}, {path}: {what}"


def _compared(peer: dict[str, Any], skip: set[str]) -> list[str]:
    if any(peer.get(word) for word in ("failed", "unreachable", "skipped")):
        return [name for name in peer if name in OF_A_FAILURE and name not in skip]
    return [name for name in peer if name not in skip and not name.startswith("_ansible") and name != "failed"]


def _values(peer: Any, own: Any, skip: set[str], path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(peer, dict) and isinstance(own, dict):
        for name in _compared(peer, skip):
            if name in own:
                yield from _values(peer[name], own[name], skip, f"{path}.{name}")
            else:
                yield f"{path}.{name}", f"ansible {peer[name]!r}, qcluster has none"
    elif isinstance(peer, list) and isinstance(own, list) and len(peer) == len(own):
        for at, (one, other) in enumerate(zip(peer, own, strict=True)):
            yield from _values(one, other, skip, f"{path}[{at}]")
    elif peer != own or type(peer) is not type(own):
        yield path, f"ansible {peer!r}, qcluster {own!r}"
