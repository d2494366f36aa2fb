# `make help` lists the targets. All of them work from a fresh clone.

PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && command -v $$p && break; done)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# DVC and Prefect need a writable home folder and a user name; a container may have neither.
export HOME := $(shell test -w "$$HOME" && printf %s "$$HOME" || $(PYTHON) -m tasks.common.host)
export USER := $(shell printf %s "$${USER:-$$(id -un 2>/dev/null || echo "uid-$$(id -u)")}")

.DEFAULT_GOAL := help
.PHONY: help demo test acceptance docs up down status lock format

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/installed: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found on the PATH."; exit 1; }
	@echo "Creating .venv with $(PYTHON); the first time takes minutes ..."
	@$(PYTHON) -m venv .venv
	@# requirements.txt is complete but for what [tool.uv] of pyproject.toml leaves out, so pip is to add nothing to it.
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.txt
	@# The command `faces`; nothing is downloaded. The build backend warns that the current folder takes precedence,
	@# which is intended: `python -m flows` runs the code of the checkout that it is called in.
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/installed ## Run all stages on the synthetic sample faces and show the results
	@$(BIN)/python -m flows demo

test: .venv/installed ## Check format, lint and types, and run the test suite (under 25 minutes)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

acceptance: .venv/installed ## Run the slow tests: a fresh clone, real faces, kills, schedules, the UI in Chromium, PostgreSQL, S3, a million faces, the documentation's commands
	$(BIN)/python -m pytest tests/acceptance --override-ini addopts=

docs: .venv/installed ## Write the generated pages and build the documentation, site/index.html
	@$(BIN)/python -m docs.generate
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean
	@echo "Open site/index.html"

up: .venv/installed ## Start server and worker, with the scheduled deployments of prefect.yaml
	@$(BIN)/python -m flows up

down: .venv/installed ## Stop the server and the worker that `make demo` or `make up` started
	@$(BIN)/python -m flows down

status: .venv/installed ## Show whether server and worker run, the scheduled runs, and what DVC would run
	@$(BIN)/python -m flows status || true
	@$(BIN)/dvc status

lock: .venv/installed ## Recompile requirements.txt from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group dev --group servers --universal --python-version 3.11 --generate-hashes --no-strip-extras --upgrade \
		--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.txt
	@# Older versions of pip treat a dependency on `name[extra]` as another package than `name`, so both are pinned.
	awk '/^[^ ]/ { printf "%s", twice; twice = "" } { print } \
		/^[a-z0-9-]+\[/ { line = $$0; sub(/\[[^]]*\]/, "", line); twice = line "\n"; next } \
		twice { twice = twice $$0 "\n" } END { printf "%s", twice }' requirements.txt > .requirements.txt
	mv .requirements.txt requirements.txt

format: .venv/installed ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

