"""Lint: what experience says about a plan, before a host is touched. `check(drafted)` applies `RULES`.

The hundreds of an id are the file: QC1xx `releases`, 2xx `pairing` and `transfer`, 3xx `ports` and `together`,
4xx `sizes`, 5xx `environment`, 6xx `flags`. `qcluster rules` lists them.
"""
