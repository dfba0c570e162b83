# Everything a developer types. Needs Python 3.11 or newer and make; `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo dev test lint benchmark format clean lock

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(READY) ## The whole pipeline on sample data, in an embedded PostgreSQL
	@$(BIN)/loyalty demo

dev: $(READY) ## Dagster's UI and daemon
	@$(BIN)/loyalty dev

test: $(READY) ## Every test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(READY) ## ruff, mypy --strict, sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar models tests/dbt

benchmark: $(READY) ## The sync, the marts, segments and activation, measured (two and a half hours)
	$(BIN)/python -m benchmarks.sync
	$(BIN)/python -m benchmarks.marts
	$(BIN)/python -m benchmarks.segments
	$(BIN)/python -m benchmarks.activation

format: $(READY) ## Rewrite Python in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Stop the embedded server, and remove it, its data and the environment
	@if [ -x $(BIN)/loyalty ]; then $(BIN)/loyalty db stop --remove-data --yes; fi
	rm -rf $(VENV) .loyalty target logs .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: ## Resolve the dependencies anew (needs uv)
	uv pip compile pyproject.toml --group dev --group sqlfluff --universal --python-version 3.11 \
		--no-header --no-annotate --no-strip-extras --generate-hashes --upgrade --quiet -o requirements.lock
