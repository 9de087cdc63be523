# make demo | test | prove | docs | results | lint | format | clean. Every target first installs what it needs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PROVERS := $(VENV)/.installed-provers
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

# Python keeps what it has compiled, whatever the environment says: tests start hundreds of interpreters.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test prove docs results lint format clean check-compiler
.DELETE_ON_ERROR:

demo: $(STAMP) check-compiler
	@$(BIN)/shiftbook demo

test: $(STAMP) check-compiler
	$(BIN)/python -m pytest -q --numprocesses auto --dist worksteal

prove: $(PROVERS)
	$(BIN)/python -m pytest -q -m formal --numprocesses auto --dist worksteal tests/formal

docs: $(STAMP)
	$(BIN)/mkdocs build

results: $(STAMP)
	$(BIN)/python -m benchmarks.results

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) demo-out build dist .shiftbook-cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Verilator translates to C++ and builds that with the system's compiler and make.
check-compiler:
	@command -v $(CXX) >/dev/null || { echo "error: no C++ compiler ($(CXX)): install g++ (Debian: apt install g++) or set CXX" >&2; exit 2; }

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON) on PATH: install Python 3.11 or newer, or say make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("error: Python must be 3.11 or newer, not %d.%d: say make PYTHON=python3.11" % v[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) has no venv module: install it (Debian: apt install python3-venv)" >&2; exit 2; }
	@echo "installing into $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) hatchling
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

$(PROVERS): $(STAMP)
	@$(PIP) --no-build-isolation --editable '.[dev,formal]'
	@touch $@
