"""Lint: what experience says about a plan, before a host is touched. `check(draft, text)`, `RULES`."""
