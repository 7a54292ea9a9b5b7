"""Every command: where it lives and what `qcluster --help` says of it."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    module: str
    attribute: str
    help: str


COMMANDS = {
    "up": Entry("up", "up", "Bring a deployment up and prove that it serves."),
    "down": Entry("down", "down", "Stop what this tool started; prove the NPUs free."),
    "status": Entry("status", "status", "Instances, containers, milestones, health."),
    "logs": Entry("logs", "logs", "Show or follow an instance's log."),
    "verify-network": Entry("verify_network", "verify_network", "Probe the NPU fabric and the host network."),
    "plan": Entry("plan", "plan", "Show every process a deployment will have."),
    "check": Entry("check", "check", "Lint an inventory without touching a host."),
    "rules": Entry("rules", "rules", "List the lint rules with their sources."),
    "recipes": Entry("recipes", "recipes", "List the models this tool knows, or show one."),
    "init": Entry("init", "init", "Write a commented inventory."),
    "advise": Entry("advise", "advise", "Propose dp and tp for a model, with the arithmetic."),
    "smoke": Entry("smoke", "smoke", "Prove again that a running deployment serves."),
    "bench": Entry("bench", "bench", "Measure how fast a deployment answers."),
    "eval": Entry("eval", "eval_", "Measure how well a deployment answers."),
    "doctor": Entry("doctor", "doctor", "Read the logs and name the most likely cause."),
    "restart": Entry("restart", "restart", "Restart instances without losing requests."),
    "scale": Entry("scale", "scale", "Add or remove the hosts that an edited inventory names."),
    "supervise": Entry("supervise", "supervise", "Restart what dies, with backoff and a limit."),
    "inventory": Entry("inventory", "inventory", "List hosts; explain where a variable comes from."),
    "run": Entry("run", "run", "Run an Ansible-style playbook."),
    "exec": Entry("exec", "exec_", "Run one command on many hosts."),
    "docs": Entry("docs", "docs", "Print the arguments of a role or module."),
    "runs": Entry("runs", "runs", "List earlier runs and show their journal."),
    "export": Entry("export", "export", "The plan for Prometheus, Grafana, systemd, Kubernetes."),
    "report": Entry("report", "report", "Write the HTML page of a run."),
    "completion": Entry("completion", "completion", "Shell completion for bash, zsh and fish."),
    "lab": Entry("lab", "lab", "Simulated Ascend hosts behind a real SSH protocol."),
}
