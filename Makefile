# Ponte's commands for people who work on it. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
# Each of a run's processes would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## make .venv with everything that the other commands need
	@$(PYTHON) infra/bootstrap.py

.PHONY: demo
demo: setup ## show an order travel from SGP to the API; ARGS="--once --json" for one object
	@$(BIN)/python -m infra.devstack demo $(ARGS)

.PHONY: up
up: setup ## run the dev stack until Ctrl-C
	@$(BIN)/python -m infra.devstack up

.PHONY: down
down: setup ## stop the dev stack; ARGS=--wipe deletes its data
	@$(BIN)/python -m infra.devstack down $(ARGS)

.PHONY: status
status: setup ## ask each part of the dev stack whether it runs
	@$(BIN)/python -m infra.devstack status

.PHONY: test
test: setup ## run the tests; PONTE_PG_BINDIR selects SGP's and the VPS's PostgreSQL, ARGS="-m server" what it can change
	@$(BIN)/python -m pytest -n auto --maxprocesses 6 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-unit
test-unit: setup ## run the tests that start no server
	@$(BIN)/python -m pytest tests/unit -n auto --maxprocesses 4 --dist worksteal $(ARGS)

.PHONY: test-windows
test-windows: setup ## run the intranet's programs on Windows' own Python, under Wine (`make tools ARGS=windows`)
	@$(BIN)/python -m pytest tests/windows -n 0 --durations=0 $(ARGS)

.PHONY: tools
tools: setup ## bring what tests need beside Python's packages, once for all clones; ARGS=s3 for one
	@$(BIN)/python -m infra.tools $(ARGS)

.PHONY: check
check: setup ## format, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.PHONY: bench
bench: setup ## measure ratios beside the peers; ARGS="--json --only NAME"
	@$(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: mutants
mutants: setup ## put small faults in and count those that a test notices (half an hour); ARGS=--json
	@$(PIP) --require-hashes --requirement infra/requirements/mutants.txt
	@$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: lock
lock: setup ## pin what is installed, with hashes; ARGS=--upgrade takes the newest
	@$(PIP) --require-hashes --requirement infra/requirements/release.txt
	@$(LOCK) --all-extras --group dev --output-file constraints.txt $(ARGS) > /dev/null
	@$(LOCK) --constraint constraints.txt --extra api --extra vitrine --output-file infra/requirements/vps.txt > /dev/null
	@$(LOCK) --constraint constraints.txt --extra worker --extra ops --extra vitrine --output-file infra/requirements/intranet.txt > /dev/null
	@$(LOCK) --constraint constraints.txt --group mutants --output-file infra/requirements/mutants.txt > /dev/null
	@$(LOCK) --constraint constraints.txt --group release --output-file infra/requirements/release.txt > /dev/null

.PHONY: audit
audit: setup ## ask the index for known faults of what is pinned; what can't be asked is named
	@$(PIP) --require-hashes --requirement infra/requirements/release.txt
	@$(BIN)/pip-audit --require-hashes --disable-pip --requirement constraints.txt $(ARGS)

.PHONY: release
release: setup ## build into dist/ what a shop gets: the wheel, its pinned requirements, its bill of materials
	@$(BIN)/python infra/release.py

.PHONY: clean
clean: ## delete .venv and the caches; the dev stack's data goes with 'make down ARGS=--wipe'
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
