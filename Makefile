# make demo   the whole thing live in a browser          make test   everything that is tested
# make setup  the environment only                       make lab    JupyterLab on the notebooks
# make check  format, lint, types                        make bench  the measured figures (ONLY=name for one)
# Nothing but Python 3.11+ and make has to be there first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=
ONLY   ?=

# Some machines switch the writing of bytecode off; every process would then compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup system demo test lab check format bench lock docs clean

help:
	@sed -n 's/^# //p' Makefile

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml .ci/setup
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh .ci/setup
	@touch $(STAMP)

# What tests need from the system (a browser, a broker, protocol peers from npm); installed where we may.
system:
	@sh .ci/system

demo: setup
	@$(BIN)/workbench demo $(ARGS)

test: setup system
	@sh .ci/test $(BIN)/python $(ARGS)

lab: setup
	@$(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup
	@$(BIN)/python -m benchmarks $(ONLY)

# The lock names no download address: it installs from whatever index the machine is set up for.
lock: setup
	@$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --annotation-style line \
	    --extra dev pyproject.toml -o requirements.lock

docs: setup
	@$(BIN)/workbench vocabulary page --out docs/vocabulary.md
	@$(BIN)/workbench catalog page --out docs/catalog-keys.md

clean:
	rm -rf $(VENV) data out dist build .pytest_cache .mypy_cache .ruff_cache
