# Every target sets up what it needs in $(VENV). Needed beforehand: Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.PHONY: help demo test proof proof-figures mutants pyodide coverage benchmark docs check dist clean

help:
	@echo "make demo       destroy the sessions of a fake service, with the real command"
	@echo "make test       run the tests; choose some with TESTS=tests/core"
	@echo "make proof      check that no outcome can be wrong; MINUTES=30 goes on fuzzing for so long"
	@echo "make mutants    change core in thousands of small ways: do the tests notice? MODULES=\"wire retry\", SAMPLE=200: some"
	@echo "make pyodide    run the tests of core and of the fakes on Python 3.14, under Node"
	@echo "make coverage   show what the pure tests leave of core unrun"
	@echo "make benchmark  measure"
	@echo "make docs       build the documentation into docs/_build"
	@echo "make check      lint, types, import rules, wheel"
	@echo "make dist       build what is published, into dist"
	@echo "Another Python: make test PYTHON=python3.12 VENV=.venv-3.12"

demo: $(VENV)/.demo
	@PATH="$(abspath $(BIN)):$$PATH" python docs/examples/demo.py

PYTEST = $(BIN)/python -m pytest --quiet
TESTS ?= tests --ignore=tests/proof

test: $(VENV)/.test
	@$(PYTEST) --numprocesses 2 --dist worksteal $(TESTS)

proof: $(VENV)/.test
	@PROOF_MINUTES=$(MINUTES) $(PYTEST) --numprocesses 2 --dist worksteal tests/proof

# One process: the tests write into one page.
proof-figures: $(VENV)/.test
	@PROOF_FIGURES=write $(PYTEST) tests/proof

# The next Python, where Node is: Pyodide is Python 3.14 for WebAssembly. It has no threads, so that
# blocking runs are left out, and no trio, which two files need. Its number names its wheels.
PYODIDE = build/pyodide
PYODIDE_WHEELS = --only-binary=:all: --python-version 3.14 --implementation cp --abi cp314 --abi none \
	--platform pyemscripten_2026_0_wasm32 --platform any
PYODIDE_TESTS = tests/core $(wildcard $(addprefix tests/adapters/test_,fake*.py fault*.py in_memory*.py rate_limit.py))

pyodide: $(VENV)/.test
	@rm -rf $(PYODIDE) && mkdir -p $(PYODIDE)
	@npm install --silent --no-fund --no-audit --prefix $(PYODIDE) pyodide@314
	@$(BIN)/python -m build --no-isolation --outdir $(PYODIDE) . >$(PYODIDE)/log 2>&1 || { cat $(PYODIDE)/log; false; }
	@$(INSTALL) --target $(PYODIDE)/packages $(PYODIDE_WHEELS) $(PYODIDE)/*.whl hypothesis pytest pytest-asyncio pytest-socket
	@node tests/pyodide/run.mjs $(PYODIDE)/node_modules/pyodide $(PYODIDE)/packages \
		--quiet -p no:cacheprovider --hypothesis-profile=quick \
		--ignore=tests/core/test_on_exit_cancelled.py --ignore=tests/core/test_opening.py $(PYODIDE_TESTS)

# Which of them a sample takes changes with the commit.
mutants: $(VENV)/.test
	@$(BIN)/python -m tests.proof.mutants $(MODULES) \
		$(if $(SAMPLE),--sample $(SAMPLE) --seed "$$(git rev-parse HEAD 2>&1)")

coverage: $(VENV)/.test
	@$(BIN)/python -m coverage run -m pytest --quiet tests/core
	@$(BIN)/python -m coverage report

benchmark: $(VENV)/.test
	@PYTHONPATH=. $(BIN)/python tests/benchmarks

docs: $(VENV)/.docs
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --builder html docs docs/_build
	@echo "docs/_build/index.html"

WHEEL = build/wheel

# Import rules and types are checked on the unpacked wheel: it is what users get.
check: $(VENV)/.lint
	@echo "lint"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@echo "wheel"
	@rm -rf $(WHEEL) && mkdir -p $(WHEEL)
	@$(BIN)/python -m build --no-isolation --outdir $(WHEEL) . >$(WHEEL)/log 2>&1 || { cat $(WHEEL)/log; false; }
	@$(BIN)/python -m zipfile --extract $(WHEEL)/*.whl $(WHEEL)/unpacked
	@echo "import rules"
	@PYTHONPATH=$(WHEEL)/unpacked $(BIN)/lint-imports --no-logo --no-cache
	@echo "types"
	@MYPYPATH=$(WHEEL)/unpacked $(BIN)/mypy core adapters docs tests
	@for package in core adapters; do \
		PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=$(WHEEL)/unpacked \
			pyright --verifytypes firecrawl_interact.$$package --ignoreexternal >$(WHEEL)/log || \
			{ cat $(WHEEL)/log; exit 1; }; \
	done

# The files in the wheel are as old as the commit: whoever builds it from there gets the same bytes.
DIST = dist
dist: $(VENV)/.pip
	@rm -rf $(DIST)
	@$(INSTALL) build
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) \
		$(BIN)/python -m build --outdir $(DIST) . >$(VENV)/dist.log 2>&1 || { cat $(VENV)/dist.log; false; }

clean:
	rm -rf .venv .venv-* build dist docs/_build *.egg-info .*_cache .coverage .hypothesis

# A change of pyproject.toml makes the environment anew: nothing in it is ever out of date.
$(VENV)/.pip: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/it"; false; }
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check

$(VENV)/.demo: $(VENV)/.pip
	@$(INSTALL) --editable '.[cli]'
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.docs: $(VENV)/.%: $(VENV)/.pip
	@$(INSTALL) --editable '.[cli,conformance,postgres]' --group $*
	@touch $@
