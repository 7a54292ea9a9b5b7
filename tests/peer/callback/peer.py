"""Writes what ansible-playbook did as JSON lines: one a host and task, and the recap."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "peer"

    def _write(self, **record):
        with Path(os.environ["PEER_LOG"]).open("a") as log:
            log.write(json.dumps(record, default=str) + "\n")

    def _told(self, result, status, ignored=False):
        values = result._result
        if status == "ok" and values.get("changed"):
            status = "changed"
        self._write(
            host=result._host.get_name(), task=result._task.get_name(), status=status, ignored=ignored, values=values
        )

    def v2_runner_on_ok(self, result):
        self._told(result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._told(result, "failed", ignore_errors)

    def v2_runner_on_skipped(self, result):
        self._told(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._told(result, "unreachable", bool(result._task.ignore_unreachable))

    def v2_playbook_on_stats(self, stats):
        words = {"failed": "failures", "unreachable": "dark", "skipped": "skipped"}
        names = ("ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored")
        hosts = sorted(stats.processed)
        recap = {host: {name: getattr(stats, words.get(name, name)).get(host, 0) for name in names} for host in hosts}
        self._write(recap=recap)
