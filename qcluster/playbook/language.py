"""The language as a table: every keyword, where it is allowed, what it means, and where it differs from Ansible.

The loader checks playbooks against it and the reference in docs/ is made from it.
Meanings are those of ansible-core 2.19.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PLAY, BLOCK, TASK, HANDLER, ROLE, INCLUDE, IMPORT = "play", "block", "task", "handler", "role", "include", "import"
PLACES = (PLAY, BLOCK, TASK, HANDLER, ROLE, INCLUDE, IMPORT)
EVERYWHERE = frozenset(PLACES)
LEAVES = frozenset({TASK, HANDLER})
INHERITED = frozenset({PLAY, BLOCK, TASK, HANDLER, ROLE, IMPORT})
BELOW_PLAY = INHERITED - {PLAY}
WITH_INCLUDE = INHERITED | {INCLUDE}


@dataclass(frozen=True)
class Keyword:
    """One word of the language.

    `kind` is the type of its value: bool, int, float, text, list (or one value), tags, mapping, conditions,
    environment, sudo, any.
    `templated`: it may hold Jinja, rendered when the task runs. `difference` from Ansible: "" where there is none.
    """

    name: str
    where: frozenset[str]
    kind: str
    meaning: str
    difference: str = ""
    templated: bool = True


def _play(name: str, kind: str, meaning: str, difference: str = "", templated: bool = False) -> Keyword:
    return Keyword(name, frozenset({PLAY}), kind, meaning, difference, templated)


def _leaf(name: str, kind: str, meaning: str, difference: str = "", where: frozenset[str] = LEAVES) -> Keyword:
    return Keyword(name, where, kind, meaning, difference)


_LOOPING = LEAVES | {INCLUDE}

_PLAY_WORDS = (
    _play("hosts", "list", "Pattern of hosts: names, groups, ranges, `a:&b:!c`.", templated=True),
    _play("vars_files", "list", "YAML files with variables of the play.", "Read before the first connection.", True),
    _play("roles", "any", "Roles to run after pre_tasks: names, or mappings with `role:` and parameters."),
    _play("pre_tasks", "any", "Tasks before the roles; handlers are flushed after them."),
    _play("tasks", "any", "Tasks after the roles; handlers are flushed after them."),
    _play("post_tasks", "any", "Tasks after tasks; handlers are flushed after them."),
    _play("handlers", "any", "Tasks that run once when something notified them has changed."),
    _play("strategy", "text", "linear: all hosts finish a task before the next begins. free: no host waits."),
    _play("serial", "any", "Hosts at the same time: a number, a percentage, or a list of those."),
    _play("max_fail_percentage", "float", "End the play when more than this share of the batch has failed."),
    _play("gather_facts", "bool", "Run `setup` first (the default).", "A small set of facts, read without Python."),
    _play("order", "text", "inventory, reverse_inventory, sorted, reverse_sorted or shuffle."),
    _play("force_handlers", "bool", "Run notified handlers on hosts that failed, too."),
    _play("import_playbook", "text", "Put the plays of another playbook here; the path is known before the run."),
)

_INHERITED_WORDS = (
    Keyword("name", EVERYWHERE, "text", "What reports call it; handlers are notified by it."),
    Keyword("vars", EVERYWHERE, "mapping", "Variables that hold inside."),
    Keyword("tags", EVERYWHERE, "tags", "Names for --tags and --skip-tags; also always, never.", templated=False),
    Keyword("become", INHERITED, "bool", "Run as another user through sudo."),
    Keyword("become_user", INHERITED, "text", "That user (root)."),
    Keyword("become_method", INHERITED, "sudo", "How.", "Only `sudo`."),
    Keyword("become_flags", INHERITED, "text", "Options for sudo."),
    Keyword("environment", INHERITED, "environment", "Environment of the commands; inner entries win."),
    Keyword("check_mode", INHERITED, "bool", "true: never change anything. false: act even under --check."),
    Keyword("diff", INHERITED, "bool", "Show differences of this task, or do not, whatever --diff says."),
    Keyword("ignore_errors", WITH_INCLUDE, "bool", "A failure is reported and the host goes on."),
    Keyword("ignore_unreachable", INHERITED, "bool", "An unreachable host stays in the play."),
    Keyword("any_errors_fatal", INHERITED, "bool", "One host's failure ends the play for all hosts."),
    Keyword("run_once", WITH_INCLUDE, "bool", "Run on the first host of the batch; the result counts for all."),
    Keyword("no_log", WITH_INCLUDE, "bool", "Hide arguments and results in every output."),
    Keyword("timeout", WITH_INCLUDE, "int", "Seconds until the task fails; the host ends its command."),
    Keyword("throttle", INHERITED, "int", "At most so many hosts at the same time."),
    Keyword("when", WITH_INCLUDE - {PLAY}, "conditions", "Expressions that must all hold, else it is skipped."),
    Keyword("delegate_to", BELOW_PLAY, "text", "Act on that host instead, for this one."),
    Keyword("delegate_facts", BELOW_PLAY, "bool", "Facts belong to the host that was delegated to."),
)

_TASK_WORDS = (
    _leaf("args", "mapping", "More arguments for the module."),
    _leaf("loop", "any", "A list: the task runs once for each item.", where=_LOOPING),
    _leaf("loop_control", "mapping", "loop_var, index_var, label, pause, extended, break_when.", where=_LOOPING),
    _leaf("register", "text", "Keep the result in this variable.", where=_LOOPING),
    _leaf("until", "conditions", "Repeat until these hold."),
    _leaf("retries", "int", "How often to repeat (3)."),
    _leaf("delay", "float", "Seconds between attempts (5)."),
    _leaf("changed_when", "conditions", "What counts as a change."),
    _leaf("failed_when", "conditions", "What counts as a failure."),
    _leaf("notify", "list", "Handlers to run if this changed something."),
    _leaf("listen", "list", "Topics that notify this handler.", where=frozenset({HANDLER, INCLUDE})),
    _leaf("async", "int", "Seconds that a detached job may take.", "For modules that run commands, as `command`."),
    _leaf("poll", "int", "Seconds between looks at the job (10); 0 goes on at once."),
    Keyword("block", frozenset({BLOCK}), "any", "Tasks that belong together."),
    Keyword("rescue", frozenset({BLOCK}), "any", "Tasks to run if the block failed."),
    Keyword("always", frozenset({BLOCK}), "any", "Tasks to run in any case."),
    Keyword("role", frozenset({ROLE}), "text", "The role's name."),
)

KEYWORDS: tuple[Keyword, ...] = (*_PLAY_WORDS, *_INHERITED_WORDS, *_TASK_WORDS)

REFUSED = {
    "vars_prompt": "pass the value with -e",
    "connection": "set ansible_connection in the inventory",
    "remote_user": "set ansible_user in the inventory",
    "user": "set ansible_user in the inventory",
    "port": "set ansible_port in the inventory",
    "collections": "write the module's name",
    "module_defaults": "write the arguments at the task",
    "debugger": "use --step",
    "local_action": "use delegate_to: localhost",
    "action": "write the module as the key",
    "gather_subset": "call the module setup",
    "gather_timeout": "call the module setup with timeout:",
    "fact_path": "call the module setup",
    "become_exe": "only sudo is known",
    "include": "use include_tasks or import_tasks",
    "validate_argspec": "a role's meta/argument_specs.yml is always checked",
}
"""Words that Ansible knows and this language does not, with what to do instead."""

METAS = {
    "flush_handlers": "Run the notified handlers now.",
    "end_host": "This host is done with the play.",
    "end_play": "All hosts are done with the play.",
    "end_batch": "All hosts of this batch are done; the next batch goes on.",
    "noop": "Nothing.",
}
"""What `meta:` knows."""

INCLUDES = ("include_tasks", "include_role")
IMPORTS = ("import_tasks", "import_role")
ROLE_FILES = ("tasks_from", "vars_from", "defaults_from", "handlers_from")
ROLE_ARGS = ("name", *ROLE_FILES, "public", "allow_duplicates", "rolespec_validate", "apply")
CALLS = {
    "import_playbook": ((), "The plays of that file, read before the run."),
    "import_tasks": (
        ("file",),
        "The tasks of that file, read before the run: its tags and `when` fall on each of them.",
    ),
    "include_tasks": (
        ("file", "apply"),
        "The tasks of that file, when the run gets there; the name may be a template.",
    ),
    "import_role": (
        ROLE_ARGS[:-1],
        "A role's tasks, read before the run; its variables count for the whole play, unless `public: false`.",
    ),
    "include_role": (ROLE_ARGS, "A role's tasks, when the run gets there; `public` shares its variables afterwards."),
}
"""What brings tasks from elsewhere: arguments and meaning."""
MAGIC = {
    "inventory_hostname": "The host's name in the inventory; `inventory_hostname_short` ends before the first dot.",
    "groups": "Group → names of its hosts; `group_names` are the groups of this host.",
    "hostvars": "Host → its variables and facts.",
    "ansible_facts": "What modules found out about this host.",
    "ansible_play_hosts": "The play's hosts that have not failed (`ansible_play_hosts_all`: every one).",
    "ansible_play_batch": "The hosts of this batch of `serial`; also `play_hosts`.",
    "ansible_play_name": "The play's name; `ansible_play_role_names` its roles.",
    "playbook_dir": "The playbook's folder; `inventory_dir` and `inventory_file` tell of the inventory.",
    "ansible_check_mode": "Whether --check was given; likewise `ansible_diff_mode`, `ansible_verbosity`.",
    "ansible_run_tags": "The tags of --tags; `ansible_skip_tags` those of --skip-tags.",
    "ansible_version": "The ansible-core whose meaning is followed; `qcluster_version` is this program's.",
    "omit": "As an argument's value: as if the argument were not there.",
}
"""Variables that every task has. The meaning names their near relatives, in backquotes."""
LOOP_CONTROL = ("loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when")
ORDERS = ("inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle")
STRATEGIES = ("linear", "free")


def allowed(where: str) -> dict[str, Keyword]:
    """The words that may stand in a play, block, task, handler, role, include or import."""
    return {word.name: word for word in KEYWORDS if where in word.where}


def rows() -> Iterator[tuple[str, str, str, str]]:
    """(keyword, where, meaning, difference) for the reference."""
    for word in KEYWORDS:
        yield word.name, ", ".join(place for place in PLACES if place in word.where), word.meaning, word.difference
