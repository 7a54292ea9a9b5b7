"""template: a Jinja file of the controller, rendered for this host, at a path on the host."""

from __future__ import annotations

from typing import Any

from qcluster.command import Command
from qcluster.errors import QclusterError, TaskFailed
from qcluster.modules import content
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.copy import page_at, preserved, seen
from qcluster.result import Outcome

_DELIMITERS = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string",
    "comment_start_string", "comment_end_string",
)  # fmt: skip
_NEWLINES = {"\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n"}


class Template:
    """Ansible's `template`: `trim_blocks` on, `lstrip_blocks` off, the last newline kept."""

    spec = Spec(
        {
            "src": Option("path", required=True, help="Looked up in `templates/` of the role and the playbook."),
            "dest": Option("path", required=True),
            "force": Option("bool", default=True),
            "follow": Option("bool", default=False),
            "trim_blocks": Option("bool", default=True),
            "lstrip_blocks": Option("bool", default=False),
            "newline_sequence": Option(default="\n", choices=("\n", "\r", "\r\n", *_NEWLINES)),
            "output_encoding": Option(default="utf-8"),
            **{name: Option() for name in _DELIMITERS},
            **content.OPTIONS,
        },
        help="Render a template to a file on the host. It sees ansible_managed and template_path (host, uid, …), too.",
    )

    def probe(self, call: Call) -> Command:
        return seen(call, call.args["src"].rpartition("/")[2]).command

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        try:
            path = call.find("templates", call.args["src"])
            data = call.template_file(path, _settings(call.args)).encode(call.args["output_encoding"])
            return page_at(call, data, path.name, found, preserved(call.args, path))
        except TaskFailed as error:
            return Decision(failed=str(error))
        except QclusterError as error:
            return Decision(failed=f"{call.args['src']}: {error}")


def _settings(args: Any) -> dict[str, Any]:
    given = {name: args[name] for name in _DELIMITERS if args[name] is not None}
    newline = _NEWLINES.get(args["newline_sequence"], args["newline_sequence"])
    flags = {name: args[name] for name in ("trim_blocks", "lstrip_blocks")}
    told = {"template_path": args["src"], "template_destpath": args["dest"]}
    return {**given, **flags, "newline_sequence": newline, "variables": told}


template = Template()
