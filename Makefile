# TraceTrack: every command of the project. `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := libs/common services/gateway services/scan-worker services/report-worker clients/device deploy/local
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
OWN := $(foreach name,common device gateway scan-worker report-worker,--no-emit-package tracetrack-$(name))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "TraceTrack needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock $(PACKAGES:%=%/pyproject.toml) | $(BIN)/python
	@echo "Installing the hash-pinned requirements"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the hash-pinned development tools"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.runtime ## make .venv with everything the system needs to run

.PHONY: install-dev
install-dev: $(VENV)/.dev ## the same, with the tools for tests and lint

.PHONY: run
run: $(VENV)/.runtime ## start the whole system on this machine; Ctrl-C stops it
	@exec $(BIN)/tracetrack up

.PHONY: demo
demo: $(VENV)/.runtime ## replay a warehouse day through the running system and check every figure
	@exec $(BIN)/tracetrack demo

.PHONY: test
test: $(VENV)/.dev ## unit, integration, end-to-end and short fault tests on real servers
	$(BIN)/python -m pytest tests/unit tests/integration tests/e2e tests/fault

.PHONY: fault
fault: $(VENV)/.dev ## the whole fault suite, about an hour, as root; writes build/fault.json (seed: make fault SEED=7)
	$(BIN)/python -m pytest tests/fault --fault-form=full $(if $(SEED),--fault-seed=$(SEED))

.PHONY: fault-report
fault-report: $(VENV)/.dev ## put the figures of the last make fault into docs/reliability.md
	$(BIN)/python -m tests.fault.report

.PHONY: fault-mutants
fault-mutants: $(VENV)/.dev ## take each support of the promise away, in turn, and see the fault suite fail
	$(BIN)/python -m tests.fault.mutants

.PHONY: soak
soak: $(VENV)/.dev ## an hour at 1.2 x the peak with faults; writes build/soak.json
	$(BIN)/python -m tests.fault.soak

.PHONY: lint
lint: $(VENV)/.dev audit ## ruff, mypy --strict, import-linter, deptry, and the audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@for package in $(PACKAGES); do echo "deptry $$package"; (cd $$package && $(CURDIR)/$(BIN)/deptry .) || exit 1; done

.PHONY: audit
audit: $(VENV)/.dev ## bandit, and what can be known of the dependencies without a network
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(foreach package,$(PACKAGES),$(package)/tracetrack_*)
	$(BIN)/python -m pytest --quiet tests/unit/test_lock_files.py

.PHONY: audit-online
audit-online: $(VENV)/.dev ## the locked versions against the advisories at PyPI; needs a network
	$(BIN)/pip-audit --strict --disable-pip --require-hashes $(foreach file,requirements.lock requirements-dev.lock,-r $(file))

.PHONY: schemathesis
schemathesis: $(VENV)/.dev ## fuzz every route as every role, five minutes each
	$(BIN)/python -m tests.support.fuzzing

.PHONY: format
format: $(VENV)/.dev ## put the code in its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/.dev ## this pipeline against plain Celery code, in one run
	$(BIN)/python -m tests.bench

.PHONY: bench-ledger
bench-ledger: $(VENV)/.dev ## this pipeline against the same without its ledger, in one run
	$(BIN)/python -m tests.bench --peer direct

.PHONY: bench-documents
bench-documents: $(VENV)/.dev ## the documents of 2,000 bills in every format, against the workbook
	$(BIN)/python -m tests.bench.documents

.PHONY: bench-reads
bench-reads: $(VENV)/.dev ## the hot read routes at a million bags against a bare FastAPI route
	$(BIN)/python -m tests.bench.reads

.PHONY: bench-exports
bench-exports: $(VENV)/.dev ## exports of a million rows against COPY, and what they cost those who scan
	$(BIN)/python -m tests.bench.exports

.PHONY: bench-imports
bench-imports: $(VENV)/.dev ## imports of 80,000 and 1,000,000 rows, and the scans beside them
	$(BIN)/python -m tests.bench.imports

.PHONY: bench-eod
bench-eod: $(VENV)/.dev ## the summary of a million scans against the bare SQL, and what it costs those who scan
	$(BIN)/python -m tests.bench.eod

.PHONY: profile
profile: $(VENV)/.dev ## the 50-device profile of the old system (129 s)
	$(BIN)/python -m tests.bench.profile

.PHONY: lock
lock: $(VENV)/.dev ## resolve the requirements anew into the lock files
	$(LOCK) $(PACKAGES:%=%/pyproject.toml) requirements.in $(OWN) -o requirements.lock
	$(LOCK) requirements-dev.in -c requirements.lock -o requirements-dev.lock
	$(LOCK) requirements.in -c requirements.lock -o deploy/docker/build.lock
	@for service in gateway scan-worker report-worker; do echo "locking services/$$service"; $(LOCK) services/$$service/pyproject.toml -c requirements.lock $(OWN) -o services/$$service/requirements.lock || exit 1; done

.PHONY: clean
clean: ## remove what was installed and built; the data in .tracetrack stays
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
