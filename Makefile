# What to do here. Everything is installed below .venv and var; nothing else on the machine is touched.
.DEFAULT_GOAL := help
.PHONY: help run test bench lint demo-reset lock clean

# A Python that really runs and is new enough: the name python3 may be a pyenv shim that points nowhere.
PYTHON_FOUND = $(shell for candidate in "$(PYTHON)" python3.13 python3.14 python3.12 python3 python \
	$$(ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 2>/dev/null | sort -rV); do \
	[ -n "$$candidate" ] && "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null \
	&& { command -v "$$candidate"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: $(VENV)/.installed ## Start everything here; Ctrl-C stops it. PORT, HOST, LASTGOOD_VAR, PRACTICE=0 are honoured
	@exec $(BIN)/python manage.py workbench

test: $(VENV)/.installed-dev ## Every test that needs no program of the system (two at a time)
	@exec $(BIN)/pytest -n 2 --dist worksteal

bench: $(VENV)/.installed-dev ## Measure, and print the README's table
	@exec $(BIN)/python -m benchmarks.run

lint: $(VENV)/.installed-dev ## Style, types, contracts, migrations, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	find templates -name '*.html' -print0 | xargs -0 -r $(BIN)/djade --check --target-version 6.1
	$(BIN)/pytest -q tests/test_architecture.py tests/test_migrations.py tests/test_templates.py

demo-reset: $(VENV)/.installed ## Remove practice data and start practice anew; what is not practice stays
	@exec $(BIN)/python -m workbench.reset

lock: $(VENV)/.installed-dev ## Resolve pyproject.toml into the two lock files (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/"; exit 1; }
	uv pip compile --quiet --universal --python $(BIN)/python --generate-hashes pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python $(BIN)/python --generate-hashes pyproject.toml --group dev -o requirements-dev.lock

clean: ## Remove what was built (not the data in var)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python="$(PYTHON_FOUND)"; \
	if [ -z "$$python" ]; then \
		echo "Lastgood needs Python 3.12 or newer, and this is $$(python3 --version 2>&1 | head -1)."; \
		echo "Install one (Debian: apt install python3-venv; macOS: brew install python@3.13; any: uv python install 3.13)"; \
		echo "or name it: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)"; exit 1; fi; \
	"$$python" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$$python has no venv module. Debian and Ubuntu: apt install python3-venv"; exit 1; }; \
	rm -rf $(VENV); "$$python" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: requirements.lock | $(BIN)/python
	@echo "Installing (once) …"
	@$(PIP) -r requirements.lock
	@[ ! -x lastgood ] || ln -sf ../../lastgood $(BIN)/lastgood
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock | $(BIN)/python
	@echo "Installing, with what tests need (once) …"
	@$(PIP) -r requirements-dev.lock
	@[ ! -x lastgood ] || ln -sf ../../lastgood $(BIN)/lastgood
	@touch $@ $(VENV)/.installed
