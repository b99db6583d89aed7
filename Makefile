# Two commands matter: `make portrait` and `make test`. `make` alone lists the rest.
# Both start from nothing but Python 3.11, git and make; a second call installs nothing.

PYTHON ?= python3.11
WORDS ?= byzantine emperor
FACE ?=
ifndef OUT
OUT := portraits/$(shell date +%Y-%m-%d-%H%M%S)
endif

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A file at a time on each processor, and torch on one; more than four at once need more memory than they save time.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile
HOUSE := pyproject.toml constraints.txt

# Through the environment, so that the shell sees an apostrophe as a letter.
export WORDS FACE OUT

.DEFAULT_GOAL := help
.PHONY: help portrait test check lab up bench fullsize clean constraints

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

portrait: $(VENV)/installed ## paint a portrait and show it: make portrait WORDS="corporate confidence" FACE=photo.jpg
	@$(BIN)/narcis portrait "$$WORDS" $${FACE:+--face "$$FACE"} --out "$$OUT"
	@if [ "$$(uname)" = Darwin ]; then open "$$OUT/images/1.png"; \
	elif [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] && command -v xdg-open >/dev/null; then xdg-open "$$OUT/images/1.png"; \
	fi >/dev/null 2>&1 || true # without a desktop, the path above is the answer

test: $(VENV)/installed-test ## run every test, warnings as errors
	@$(TESTS)

check: $(VENV)/installed-test ## lint, format, layers, types, jobs, then every test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/narcis jobs check
	$(TESTS)

up: $(VENV)/installed ## database, worker and web on this machine, until Ctrl-C: http://localhost:8080
	$(BIN)/narcis up

bench: $(VENV)/installed-test ## measure the queue and the notebooks, as ratios in one run each
	$(BIN)/python benchmarks/queueing.py
	$(BIN)/python benchmarks/notebooks.py

fullsize: $(VENV)/installed-test ## SDXL and PhotoMaker in full size, random weights, 256 px on this machine: 8 GB of disk, 10 of memory
	$(BIN)/python benchmarks/fullsize.py runs/fullsize-model --set steps=8 --set detail_steps=4

lab: $(VENV)/installed ## open JupyterLab on the notebooks
	@$(BIN)/narcis lab

clean: ## remove the environment and the caches; portraits stay
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find narcis tests -name __pycache__ -type d -prune -exec rm -rf {} +

constraints: ## pin every package anew, from a fresh install of what pyproject.toml allows
	@rm -rf $(VENV)-fresh && $(PYTHON) -m venv $(VENV)-fresh
	@sed '/^[^#]/d' constraints.txt > $(VENV)-fresh/header
	@grep '^torch==' constraints.txt > $(VENV)-fresh/torch
	$(VENV)-fresh/bin/pip install -q -c $(VENV)-fresh/torch -e '.[test,insightface]'
	@{ cat $(VENV)-fresh/header; $(VENV)-fresh/bin/pip freeze --all --exclude pip --exclude wheel --exclude-editable | sed 's/+cpu$$//'; } > constraints.new
	@mv constraints.new constraints.txt && rm -rf $(VENV)-fresh

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: no $(PYTHON) on this machine; install Python 3.11, or name yours: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || { \
	  echo "make: $(PYTHON) is $$($(PYTHON) --version 2>&1), narcis needs 3.11 or 3.12: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(HOUSE) | $(VENV)/bin/python
	@echo "Installing narcis and the packages of constraints.txt into $(VENV), some minutes the first time."
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/installed-test: $(HOUSE) | $(VENV)/bin/python
	@echo "Installing narcis, its packages and the test tools into $(VENV), some minutes the first time."
	@$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/installed
