# make run        set everything up, start a model server and the assistant, and talk with it
# make test       set everything up and run every test, the live ones included
# make test-vllm  run the live suite against a real vLLM, where the kit that sets one up is there
# make check      format, lint, types, imports and size limits
# make install    the set-up alone; the command is then .venv/bin/garra

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

VLLM_KIT ?= ../shared/vllm
GARRA_VLLM_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/garra/vllm

.PHONY: run test test-vllm check install format

run: $(STAMP)
	@$(VENV)/bin/garra up

install: $(STAMP)

test: $(DEV_STAMP)
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

test-vllm: $(DEV_STAMP)
	@$(VENV)/bin/python -m tests.live.vllm.run --kit $(VLLM_KIT) --dir $(GARRA_VLLM_DIR) $(VLLM_ARGS)

check: $(DEV_STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python tests/sizes.py

format: $(DEV_STAMP)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Garra needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Garra into $(VENV) (once; a minute or two)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[serve]'
	@touch $(STAMP)

$(DEV_STAMP): $(STAMP)
	@echo "Installing what the tests need into $(VENV) (once)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[serve,dev]'
	@touch $(DEV_STAMP)
