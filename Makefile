# Everything runs in a virtual environment of its own; nothing outside this folder is changed,
# but for `system-deps`, which as root installs the Debian packages that the tests drive.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
QC     := $(BIN)/qcluster
# Tests drive real servers on a machine that may be busy: CI asks a failed one again, and its log says so.
RERUNS := $(if $(CI),--reruns 2 --reruns-delay 3)
# Most tests wait for servers, so three share two cores; a file's tests stay together: many share what its first one started.
JOBS   ?= 3
SCRIPTS := $(shell git ls-files '*.sh' 2>/dev/null)

.PHONY: help setup demo check test judge e2e-vllm hosts bench docs clean system-deps

help:            ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(BIN)/qcluster: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[lab]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/qcluster
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

setup: $(VENV)/.dev  ## virtual environment with everything a developer needs

demo: $(BIN)/qcluster  ## two simulated A3 hosts behind real SSH: up, status, down
	$(QC) up inventories/lab-1p1d.yaml --yes
	$(QC) status inventories/lab-1p1d.yaml
	$(QC) down inventories/lab-1p1d.yaml --yes
	$(QC) lab stop inventories/lab-1p1d.yaml

check: setup     ## linters, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict playbooks roles inventories .yamllint.yaml
	$(BIN)/ansible-lint --offline -q playbooks roles
	$(if $(SCRIPTS),$(BIN)/shellcheck $(SCRIPTS))

system-deps:     ## as root: the services that the tests drive
	tests/system-deps.sh

test: check system-deps  ## checks and all tests that need no docker engine and no vLLM
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m 'not hosts and not vllm' $(RERUNS)

judge: setup     ## every planned command line before the real vLLM's parser (installs it under ~/.cache)
	$(BIN)/python tests/judge/run.py

e2e-vllm: setup  ## up, faults and down with real vLLM engines on this CPU, a tiny model and the real proxy
	PYTHON=$(PYTHON) QCLUSTER_TEST_VLLM=1 tests/system-deps.sh
	$(BIN)/python -m pytest -q -m vllm $(RERUNS) tests/vllm

hosts: setup     ## as root: real Docker engines and a registry on hosts in network namespaces
	QCLUSTER_TEST_DOCKER=1 tests/system-deps.sh
	$(BIN)/python -m pytest -q -m hosts $(RERUNS) tests/hosts

bench: setup     ## compare with ansible, mitogen, pyinfra and the bare channel
	$(BIN)/python benchmarks/run.py

docs: setup      ## the documentation as a site in site/ that opens from disk, every link checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:           ## remove what this file made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist site .qcluster
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
