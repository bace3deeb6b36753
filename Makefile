# The tasks of this project. `make quickstart` and `make test` work on a fresh checkout with Python 3.10+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := check
.PHONY: check quickstart test lint format bench clean

check: lint test  ## lint and test

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "error: Python 3.10 or newer is needed, got $$($(PYTHON) --version); set PYTHON=..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP_INSTALL) --editable '.[test]'
	@touch $@

quickstart: $(VENV)/.installed  ## run the first study and write its report
	$(BIN)/stability-sweep run studies/quickstart.toml --workers $(WORKERS) --report reports/quickstart.html

test: $(VENV)/.installed-test  ## run all tests
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

lint: $(VENV)/.installed-test  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if [ -x $(BIN)/lint-imports ]; then $(BIN)/lint-imports --no-cache; fi  # it needs Python 3.11

format: $(VENV)/.installed-test  ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-test  ## time a training step beside pythae, telemetry, workers, storage, surface, sampler and report
	$(BIN)/python -m benchmarks.step
	$(BIN)/python -m benchmarks.telemetry
	$(BIN)/python -m benchmarks.workers
	$(BIN)/python -m benchmarks.storage
	$(BIN)/python -m benchmarks.surface
	$(BIN)/python -m benchmarks.sampler --seeds 3 --samplers boundary qmc
	$(BIN)/python -m benchmarks.report

clean:  ## remove what make built
	rm -rf $(VENV) build dist *.egg-info
