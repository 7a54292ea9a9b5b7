"""An Ansible callback that prints what every host did, one JSON line each."""

import json

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "lines"

    def _line(self, status, result):
        told = result.result.get("msg")
        print(json.dumps([result.host.get_name(), result.task.get_name(), status, told], default=str), flush=True)

    def v2_runner_on_ok(self, result):
        self._line("changed" if result.is_changed() else "ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._line("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_skipped(self, result):
        if result.task.action != "meta":
            self._line("skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._line("unreachable", result)

    def v2_playbook_on_stats(self, stats):
        for host in sorted(stats.processed):
            print(json.dumps(["RECAP", host, stats.summarize(host)]))
