"""The reference pages of the documentation, made from the tables that the code itself runs on.

`python -m qcluster.report.pages docs/reference` writes them; a test holds the files against the tables.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from qcluster.diagnose import catalogue
from qcluster.inventory.connection import CONNECTION
from qcluster.inventory.settings import GROUP_MEANINGS, SETTINGS
from qcluster.modules import table as modules
from qcluster.network import findings
from qcluster.playbook.language import CALLS, KEYWORDS, LOOP_CONTROL, MAGIC, METAS, REFUSED
from qcluster.serving.lint.check import RULES
from qcluster.serving.models import MEANINGS

NOTICE = "<!-- Made by `python -m qcluster.report.pages docs/reference`; edit the tables in the code instead. -->\n"

ALSO_THERE = """
In a role there are `role_name` and `role_path` besides, in a loop `item` and `ansible_loop_var`, in a `rescue`
`ansible_failed_task` and `ansible_failed_result`. The playbooks of `up` see the plan: `qcluster_plan`, and each host
its part, `qcluster_instances`."""
_ROLES = Path(__file__).parents[2] / "roles"
"""Those of the checkout: the pages are made there."""


def pages() -> dict[str, str]:
    """File name → text."""
    return {
        "inventory.md": inventory(),
        "playbooks.md": playbooks(),
        "modules.md": module_pages(),
        "rules.md": rules(),
        "findings.md": network_findings(),
        "diagnosis.md": diagnosis(),
    }


def grid(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; `|` and line breaks in cells are kept from breaking it."""
    lines = [heads, ["---"] * len(heads), *([cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def cell(value: object) -> str:
    return str(value).replace("\n", " ").replace("|", "\\|").strip()


def code(value: object) -> str:
    """Inline code, or nothing for an empty value."""
    text = str(value).replace("\r", "\\r").replace("\n", "\\n")
    return f"`{text}`" if value not in ("", None, (), {}, []) else ""


def inventory() -> str:
    parts = [
        NOTICE,
        "# Inventory variables\n",
        "Hosts, groups and `ansible_*` variables mean what they mean in Ansible. First come this tool's own, then",
        "those of [roles](#roles) and [connections](#connections); any other variable is yours. *Level* says where a",
        "value may differ: `deployment` is one value for all hosts, `host` may be set for a host or a group.",
        "`qcluster inventory show HOST --explain` says where a value comes from.\n",
        _groups(),
    ]
    for group, members in groupby(SETTINGS.items(), key=lambda entry: entry[1].group):
        rows = [
            (code(name), one.kind, code(one.default), one.level, one.help + _choices(one.choices))
            for name, one in members
        ]
        parts += [f"\n## {group}\n", grid(("variable", "type", "default", "level", "meaning"), rows)]
    return "\n".join([*parts, _model(), _role_variables(), _connections()])


def _groups() -> str:
    rows = [(code(name), meaning) for name, meaning in GROUP_MEANINGS.items()]
    return "\n## Groups\n\n" + grid(("group", "hosts"), rows)


def _model() -> str:
    """The keys of a `model` that is a mapping."""
    rows = [(code(name), meaning) for name, meaning in MEANINGS.items()]
    example = "`model: {weights: org/name, shape: moe}`, or `model: {recipe: Qwen3.5-27B, weights: /data/own}`"
    return f"\n## A model of your own\n\nA mapping in `model`: {example}.\n\n" + grid(("key", "meaning"), rows)


def _role_variables() -> str:
    """What the shipped roles say of their variables, but for those of the plan's schema, which stand above."""
    parts = [
        "\n## Roles\n",
        "Set for a host, a group, or with `-e`; `qcluster docs ROLE` shows one role. What a command itself fills in is",
        "marked as required.\n",
    ]
    for path in sorted(_ROLES.glob("*/meta/argument_specs.yml")):
        options: dict[str, Any] = {}
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            options |= entry.get("options", {})
        rows = [_option(name, one) for name, one in options.items() if name not in SETTINGS]
        head = ("variable", "type", "required", "default", "meaning")
        parts += [f"\n### {path.parents[1].name}\n", grid(head, rows)] if rows else []
    return "\n".join(parts)


def _option(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    required = "yes" if one.get("required") else ""
    text = str(one["description"]) + _choices(one.get("choices", ()))
    return code(name), str(one.get("type", "str")), required, code(one.get("default")), text


def _connections() -> str:
    rows = [(code(one.name), ", ".join(map(code, one.aliases)), one.meaning) for one in CONNECTION]
    return "\n## Connections\n\n" + grid(("variable", "also", "meaning"), rows)


def _choices(choices: Sequence[str]) -> str:
    return f" ({', '.join(code(choice) for choice in choices)})" if choices else ""


def playbooks() -> str:
    rows = [
        (code(word.name), ", ".join(sorted(word.where)), word.kind, word.meaning, word.difference) for word in KEYWORDS
    ]
    refused = [(code(name), why) for name, why in REFUSED.items()]
    refused.append(("`with_…`", "use loop"))
    calls = [(code(name), ", ".join(map(code, words)), meaning) for name, (words, meaning) in CALLS.items()]
    metas = [(code(name), meaning) for name, meaning in _pairs(METAS)]
    return "\n".join(
        [
            NOTICE,
            "# Playbook language\n",
            "A strict subset of Ansible's: a keyword in this table means what it means in ansible-core 2.19, any other",
            "is an error that names file, line and keyword before any host is touched.\n",
            grid(("keyword", "where", "type", "meaning", "difference from Ansible"), rows),
            "\n## Tasks and roles from elsewhere\n",
            grid(("task", "arguments", "meaning"), calls),
            "\n`loop_control` has " + ", ".join(map(code, LOOP_CONTROL)) + ".",
            "\n## Variables that are always there\n",
            grid(("variable", "meaning"), [(code(name), meaning) for name, meaning in MAGIC.items()]),
            ALSO_THERE,
            "\n## `meta` actions\n",
            grid(("action", "meaning"), metas),
            "\n## Refused on purpose\n",
            grid(("keyword", "instead"), refused),
        ]
    )


def _pairs(found: Mapping[str, str] | Iterable[str]) -> list[tuple[str, str]]:
    return list(found.items()) if isinstance(found, Mapping) else [(name, "") for name in found]


def module_pages() -> str:
    parts = [NOTICE, "# Modules\n", "Also under `ansible.builtin.` where Ansible has them.\n"]
    for name in sorted(name for name in modules.names() if "." not in name):
        spec = modules.lookup(name).spec
        rows = [
            (code(option), one.type, "yes" if one.required else "", code(one.default), one.help + _choices(one.choices))
            for option, one in spec.options.items()
        ]
        parts += [f"\n## {name}\n", spec.help or "As Ansible's.", ""]
        parts += [grid(("option", "type", "required", "default", "meaning"), rows)] if rows else []
    return "\n".join(parts)


def rules() -> str:
    parts = [
        NOTICE,
        "# Lint rules\n",
        "`qcluster check INVENTORY` judges a plan by these before a host is touched; errors stop `plan` and `up` too.",
        "`# qcluster: ignore QC123 REASON` in the inventory silences one rule; the reason is required.\n",
    ]
    return "\n".join([*parts, *(f"\n#{page}" for page in rule_pages().values())])


def rule_pages() -> dict[str, str]:
    """Rule's id → its page."""
    return {
        rule.id: f"# {rule.id} {rule.title}\n\n*{rule.severity}* · source: {rule.source}\n"
        + (f"\n```yaml\n{rule.example}\n```\n" if rule.example else "")
        for rule in RULES
    }


def network_findings() -> str:
    parts = [
        NOTICE,
        "# Findings of verify-network\n",
        "Verdicts: `fail` and `unknown` stop `up`; `advisory` alone leaves the run a pass.",
        "Words in braces are filled in.\n",
    ]
    return "\n".join([*parts, *(f"\n#{page}" for page in finding_pages().values())])


def finding_pages() -> dict[str, str]:
    """Finding's id → its page."""
    return {
        name: f"# {name}\n\n*{entry.verdict}* · cause `{entry.cause}`\n\n{entry.summary}\n\n"
        f"What mends it (printed, never run): {entry.remedy}\n\nSource: {entry.source}\n"
        for name, entry in findings.catalogue().items()
    }


def diagnosis() -> str:
    parts = [NOTICE, "# Diagnosis catalogue\n", "What `qcluster doctor` and the start watcher know to explain.\n"]
    return "\n".join([*parts, *(f"\n#{page}" for page in diagnosis_pages().values())])


def diagnosis_pages() -> dict[str, str]:
    """Catalogue entry's id → its page."""
    return {
        entry.id: f"# {entry.id}\n\n*{entry.kind}* · in: {', '.join(entry.where)}\n\n"
        f"```text\n{entry.example.strip()}\n```\n\nCause: {entry.cause}\n\nRemedy: {entry.remedy}\n\n"
        f"Source: {entry.source}\n"
        for entry in catalogue.entries()
    }


def entry_pages() -> dict[str, str]:
    """Path below `reference/` → the page of one rule, finding or catalogue entry."""
    kinds = {"rules": rule_pages(), "findings": finding_pages(), "diagnosis": diagnosis_pages()}
    return {f"{kind}/{name}.md": text for kind, pages in kinds.items() for name, text in pages.items()}


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
