# skyloom: everything from an empty checkout. Needs Python 3.11 or newer and nothing else.
#
#   make install   .venv with skyloom in it
#   make demo      one video of the bundled model and its contact sheet, in out/
#   make test      every test (ARGS="-m 'not slow'" and the like go to pytest)
#   make lint      ruff and mypy
#   make format    what ruff can put right by itself
#   make clean     removes .venv, caches and build folders; out/ stays

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq -c constraints.txt
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
PROMPT ?= a red ball rolls across the snow at sunset, the camera orbits left

.DEFAULT_GOAL := install
.PHONY: install demo test lint format clean

install: $(INSTALLED)

demo: $(INSTALLED)
	@mkdir -p out
	@$(BIN)/skyloom generate "$(PROMPT)" -o out/demo.mp4 --size 128x128 --seconds 4 --seed 0 --sheet

test: $(INSTALLED_DEV)
	@$(BIN)/python -m pytest $(ARGS)

lint: $(INSTALLED_DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(INSTALLED_DEV)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find skyloom tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "skyloom needs Python 3.11 or newer: 'make PYTHON=/path/to/python3.11' names one." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python could not make a virtual environment: on Debian and Ubuntu 'apt install python3-venv' adds what is missing." >&2; exit 1; }

# Stamps, so that a second make starts at once; a changed dependency installs again.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing skyloom into $(VENV) (a few minutes the first time) ..."
	@$(PIP) -e '.[world,serve]'
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) -e '.[world,text,footage,ingest,serve,tensorboard,dev]'
	@touch $@
