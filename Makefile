# Every command a person or a machine needs. Asks for Python 3.11, 3.12 or 3.13 with pip; brings the rest.

UV_VERSION := 0.13.9
UV := .tools/bin/uv
BIN := .venv/bin

export UV_PYTHON_DOWNLOADS := never
# Without compiled bytecode every process takes seconds to start.
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV

# Much of a test is waiting: for a process to start, for a page to come.
SIDE_BY_SIDE := -n 2 --dist loadfile

# Of `make mutants`: the share of each module's mutants to try, which ones, and of what modules.
SHARE := 1
SEED := 1
ONLY :=

FIND_PYTHON = for candidate in python3 python3.13 python3.12 python3.11; do \
	"$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& "$$candidate" -c 'import sys; print(sys.executable)' && break; done
PYTHON = $(shell $(FIND_PYTHON))

.DEFAULT_GOAL := help
.PHONY: help run demo test check lint types layers deps fmt documents bench mutants browser clients clean

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 16

run: .venv/installed engine/.venv/installed ## Start Mission Control on this machine
	@$(BIN)/mission-control up

demo: .venv/installed engine/.venv/installed ## Show the main job, while `make run` runs in another terminal
	@$(BIN)/mission-control demo

test: .venv/installed-dev engine/.venv/installed browser clients ## Everything that is checked before a release
	@$(MAKE) --no-print-directory lint types layers deps
	$(BIN)/pytest $(SIDE_BY_SIDE)

check: .venv/installed-dev engine/.venv/installed ## The quick part: style, types, layers, unit tests
	@$(MAKE) --no-print-directory lint types layers deps
	$(BIN)/pytest $(SIDE_BY_SIDE) tests/unit tests/architecture -m "not slow"

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/installed-dev engine/.venv/installed
	$(BIN)/basedpyright
	$(BIN)/basedpyright --project engine

layers: .venv/installed-dev
	PYTHONPATH=src:protocol/src:engine/src $(BIN)/lint-imports

deps: .venv/installed-dev
	$(UV) lock --check
	$(UV) lock --check --project engine
	$(BIN)/deptry src

fmt: .venv/installed-dev ## Format the code and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

documents: .venv/installed-dev ## Write docs/openapi.json and docs/asyncapi.json from the code
	$(BIN)/python -m tests.documents

bench: .venv/installed-dev engine/.venv/installed ## Measure, and print tables
	$(BIN)/python -m benchmarks

mutants: .venv/installed-mutants engine/.venv/installed ## Change the code that decides bit by bit: does a test notice? Hours
	$(BIN)/python -m tests.mutants --share $(SHARE) --seed $(SEED) --only "$(ONLY)"

browser: .venv/installed-dev
	@$(BIN)/python -m tests.install_browser

clients: .venv/installed-dev
	@$(BIN)/python -m tests.install_vendor_clients

clean: ## Remove what was installed and built; your ./data stays
	rm -rf .venv engine/.venv .tools dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .mutants
	find src protocol engine tests -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- installing, once

$(UV):
	@test -n "$(PYTHON)" || { echo "Mission Control needs Python 3.11, 3.12 or 3.13; this machine has $$(python3 --version 2>/dev/null || echo none)." >&2; exit 1; }
	@"$(PYTHON)" -m pip --version >/dev/null 2>&1 || { echo "Mission Control needs pip: $(PYTHON) -m pip does not work. Install it (Debian: apt install python3-pip)." >&2; exit 1; }
	"$(PYTHON)" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --upgrade --target .tools uv==$(UV_VERSION)

# --inexact: starting the product does not remove what the tests have installed.
.venv/installed: pyproject.toml uv.lock protocol/pyproject.toml | $(UV)
	$(UV) sync --quiet --frozen --no-dev --inexact --compile-bytecode --python "$(PYTHON)"
	@$(BIN)/python -m compileall -q src protocol/src
	@touch $@

.venv/installed-dev: pyproject.toml uv.lock protocol/pyproject.toml | $(UV)
	$(UV) sync --quiet --frozen --compile-bytecode --python "$(PYTHON)"
	@$(BIN)/python -m compileall -q src protocol/src
	@touch .venv/installed $@

.venv/installed-mutants: .venv/installed-dev
	$(UV) sync --quiet --frozen --group mutants --compile-bytecode --python "$(PYTHON)"
	@touch $@

engine/.venv/installed: engine/pyproject.toml engine/uv.lock protocol/pyproject.toml | $(UV)
	$(UV) sync --quiet --frozen --no-dev --compile-bytecode --project engine --python "$(PYTHON)"
	@engine/.venv/bin/python -m compileall -q engine/src protocol/src
	@touch $@
