.PHONY: demo test lint clean

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

demo: $(STAMP)
	$(VENV)/bin/inpaint-lens demo -o out/demo

test: $(STAMP)
	$(VENV)/bin/pytest

lint: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	@mkdir -p build/types && ln -sfn ../.. build/types/inpaint_lens # type checkers do not follow editable installs
	$(VENV)/bin/basedpyright

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make demo PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv is missing: sudo apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --editable '.[all,dev]'
	@touch $(STAMP)

clean:
	rm -rf build out $(VENV)
