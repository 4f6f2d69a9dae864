# Every target sets up what it needs in $(VENV), a folder that belongs to make alone: it is wiped when
# pyproject.toml changes. Needed beforehand: Python 3.11 or newer.

SHELL = /bin/bash
PYTHON ?= python3
VENV ?= .make
BIN = $(VENV)/bin

MAKEFLAGS += --no-print-directory
# Versions of tools change when somebody changes them here: `make constraints`.
export PIP_CONSTRAINT = $(abspath constraints.txt)
.NOTPARALLEL:
.PHONY: help demo test test-core test-slow test-all proof proof-figures rivals live mutants nightly pyodide \
	coverage benchmark docs check constraints dist clean

help:
	@echo "make demo         destroy the sessions of a fake service, with the real command"
	@echo "make test         run what a changed line needs, in about a minute; TESTS=tests/core: some"
	@echo "make test-all     run the rest, too: pages, packages, PostgreSQL, the proof"
	@echo "make test-core    run the tests of core alone, in an environment that is made in seconds"
	@echo "make coverage     show what the tests of core leave of core unrun"
	@echo "make check        lint, types, import rules, wheel"
	@echo "make proof        check that no outcome can be wrong; MINUTES=30 goes on fuzzing for so long"
	@echo "make rivals       let other clients meet the same failures, and write what they say into the page"
	@echo "make live         compare the real service with docs/service.md, with FIRECRAWL_API_KEY; SCRAPE=1: a scrape, too"
	@echo "make mutants      change what ships in thousands of small ways: do the tests notice? MODULES=\"wire retry\", SAMPLE=60: some"
	@echo "make nightly      all mutants, Python 3.14 under Node, what .ci/run leaves out, half an hour of fuzzing"
	@echo "make benchmark    measure"
	@echo "make docs         build the documentation into docs/_build"
	@echo "make constraints  take the newest versions of the tools"
	@echo "make dist         build what is published, into dist"
	@echo "Another Python: make test PYTHON=python3.12 VENV=.make-3.12"

demo: $(VENV)/.demo
	@PATH="$(abspath $(BIN)):$$PATH" python docs/examples/demo.py

PYTEST = $(BIN)/python -m pytest --quiet
SHARED_OUT = --numprocesses 4 --dist worksteal
IN_PARALLEL = $(PYTEST) $(SHARED_OUT)
SLOW = tests/docs tests/packaging tests/proof
TESTS ?= tests $(addprefix --ignore=,$(SLOW))

test: $(VENV)/.test
	@$(IN_PARALLEL) --hypothesis-profile=quick -m "not slow" $(TESTS)
	@echo "Left out: pages, packages, PostgreSQL, the proof, and tests marked slow. make test-all runs them, too."

test-core: $(VENV)/.core
	@$(IN_PARALLEL) tests/core tests/packaging/test_imports.py

# GATE=1: without what takes longest, which is played each night.
test-slow: $(VENV)/.pages
	@$(IN_PARALLEL) --numprocesses 6 -m "slow $(if $(GATE),and not nightly)" tests --ignore=tests/proof

test-all: test test-slow proof

proof: $(VENV)/.test
	@PROOF_MINUTES=$(MINUTES) $(IN_PARALLEL) $(if $(GATE),-m "not nightly") tests/proof

# One process: the tests write into one page.
proof-figures: $(VENV)/.test
	@PROOF_FIGURES=write $(PYTEST) tests/proof
	@$(BIN)/python -m tests.docs.figures

# The next Python, where Node is: Pyodide is Python 3.14 for WebAssembly. It has no threads, so that
# blocking runs are left out, and no trio, which three files need. Its number names its wheels.
PYODIDE = build/pyodide
PYODIDE_WHEELS = --only-binary=:all: --python-version 3.14 --implementation cp --abi cp314 --abi none \
	--platform pyemscripten_2026_0_wasm32 --platform any
PYODIDE_TESTS = $(filter-out %_on_event_loops.py %_ways_to_end.py %_blocks.py, $(wildcard tests/core/test_*.py \
	$(addprefix tests/adapters/test_,fake*.py rate_limit.py)))

# A process for each file: Pyodide can end when it collects the garbage of many, and does with that
# of the tests of blocks.
pyodide: $(VENV)/.pages
	@rm -rf $(PYODIDE) && mkdir -p $(PYODIDE)
	@npm install --silent --no-fund --no-audit --prefix $(PYODIDE) pyodide@314
	@$(BIN)/python -m build --no-isolation --outdir $(PYODIDE) . >$(PYODIDE)/log 2>&1 || { cat $(PYODIDE)/log; false; }
	@PIP_CONSTRAINT= $(INSTALL) --target $(PYODIDE)/packages $(PYODIDE_WHEELS) $(PYODIDE)/*.whl anyio hypothesis pytest pytest-asyncio pytest-socket
	@for tests in $(PYODIDE_TESTS); do \
		node tests/pyodide/run.mjs $(PYODIDE)/node_modules/pyodide $(PYODIDE)/packages \
			--quiet -p no:cacheprovider --hypothesis-profile=quick $$tests || exit 1; \
	done

# Other clients, as pinned, in an environment of their own.
RIVALS = build/rivals
rivals:
	@test -d $(RIVALS) || $(PYTHON) -m venv $(RIVALS)
	@$(RIVALS)/bin/python -m pip install -qq --disable-pip-version-check \
		--requirement tests/rivals/requirements.txt --editable .
	@$(RIVALS)/bin/python -m tests.rivals
	@$(RIVALS)/bin/python -m tests.docs.figures

# For whoever has a key: it asks before it sends anything.
live: $(VENV)/.test
	@SCRAPE=$(SCRAPE) $(BIN)/python -m tests.live

# A sample is one of what the newest ten commits changed in a room, or of MODULES, and another one for
# each commit.
mutants: $(VENV)/.test
	@$(BIN)/python -m tests.mutants $(MODULES) $(if $(SAMPLE),--sample $(SAMPLE))

# What a gate of ten minutes leaves out.
nightly: mutants pyodide
	@$(IN_PARALLEL) -m nightly tests/core tests/docs tests/conformance
	@$(MAKE) proof MINUTES=30

coverage: $(VENV)/.core
	@$(BIN)/python -m coverage run -m pytest --quiet --hypothesis-profile=quick -m "not slow" $(SHARED_OUT) tests/core
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

benchmark: $(VENV)/.pages
	@PYTHONPATH=. $(BIN)/python tests/benchmarks

docs: $(VENV)/.docs
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --builder html docs docs/_build
	@echo "docs/_build/index.html"

WHEEL = build/wheel
PAGES = build/pages

# Import rules and types are checked on the unpacked wheel: it is what users get.
check: $(VENV)/.lint
	@echo "lint"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@echo "workflows"
	@$(BIN)/zizmor --offline --quiet .github/workflows >$(VENV)/zizmor.log 2>&1 || { cat $(VENV)/zizmor.log; false; }
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
	@echo "types of the pages' code"
	@$(BIN)/python -m tests.typing.code_of_pages $(PAGES) $(WHEEL)/unpacked
	@MYPYPATH=$(WHEEL)/unpacked $(BIN)/mypy --config-file $(PAGES)/mypy.ini $(PAGES)
	@PATH="$(abspath $(BIN)):$$PATH" pyright --project $(PAGES) >$(PAGES)/log || \
		{ cat $(PAGES)/log; false; }

# Versions that the oldest Python has, too: run it there.
constraints: $(VENV)/.pip
	@mkdir -p build
	@PIP_CONSTRAINT= $(INSTALL) --dry-run --ignore-installed --report build/versions.json \
		pip '.[cli,conformance,postgres]' --group lint
	@$(BIN)/python .ci/write_constraints.py <build/versions.json >constraints.txt

# The files in the wheel are as old as the commit: whoever builds it from there gets the same bytes.
DIST = dist
dist: $(VENV)/.pip
	@rm -rf $(DIST)
	@$(INSTALL) build
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) \
		$(BIN)/python -m build --outdir $(DIST) . >$(VENV)/dist.log 2>&1 || { cat $(VENV)/dist.log; false; }

clean:
	rm -rf .make .make-* build dist docs/_build *.egg-info .*_cache .coverage .hypothesis

# A change of pyproject.toml makes the environment anew: nothing in it is ever out of date.
$(VENV)/.pip: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/it"; false; }
	@echo "Setting up $(VENV), once ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check

comma = ,

# The same with a dot for each package, since it takes a while; with all that pip said if it fails.
define install
@printf "Installing "; set -o pipefail; \
	$(BIN)/python -m pip install --disable-pip-version-check $(1) 2>&1 | tee $(VENV)/pip.log | \
	awk '/^(Collecting|Installing)/ { printf "."; fflush() } END { print "" }' || \
	{ cat $(VENV)/pip.log; false; }
@touch $@
endef

$(VENV)/.demo: $(VENV)/.pip
	$(call install,--editable '.[cli]')

$(VENV)/.core: $(VENV)/.pip
	$(call install,--editable . --group core)

$(VENV)/.test $(VENV)/.pages $(VENV)/.lint $(VENV)/.docs: $(VENV)/.%: $(VENV)/.pip
	$(call install,--editable '.[cli$(comma)conformance$(comma)postgres]' --group $*)
