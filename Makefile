# Each target sets up what it needs in $(VENV), a folder that belongs to make alone: another version
# of Python makes it anew. Needed beforehand: Python 3.11 or newer.

SHELL = /bin/bash
PYTHON ?= python3
VENV ?= .make
BIN = $(VENV)/bin
DIST ?= dist
MAKEFLAGS += --no-print-directory
# The tests start hundreds of processes, and none should compile again what another did.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX = $(abspath $(VENV))/bytecode
.NOTPARALLEL:
.PHONY: help demo test test-all test-windows check docs pictures pace live benchmark mutants dist

help:
	@echo "make demo       delete sessions of a fake of Firecrawl while things go wrong, in half a minute"
	@echo "make test       run the quick tests; TESTS=tests/proof: those of this folder"
	@echo "make test-all   run all of them, and show which branches of core the tests of core leave out;"
	@echo "                MARKED='not exhaustive': some of them"
	@echo "make test-windows  run what Windows can run of them, under wine"
	@echo "make check      lint, import rules, types"
	@echo "make docs       build the documentation into docs/_build"
	@echo "make pictures   draw the pictures of the documentation anew"
	@echo "make pace       play lists against the rules of a run, beside the committed figures; WRITE=1 writes new ones"
	@echo "make live       compare the real service with docs/service.md; it asks before it sends anything"
	@echo "make benchmark  measure"
	@echo "make mutants    break what decides, line by line, and show what no test sees"
	@echo "make dist       build what is published, into dist"
	@echo "Another Python: make test PYTHON=python3.12 VENV=.make-3.12"

demo: $(VENV)/.demo
	@PATH="$(abspath $(BIN)):$$PATH" python docs/examples/demo.py

# Six processes, whatever the cores: most tests of transports wait, and those of core do not.
IN_PARALLEL = --quiet --numprocesses 6 --dist worksteal
PYTEST = $(BIN)/python -m pytest $(IN_PARALLEL)
TESTS ?= tests $(addprefix --ignore=tests/,docs packaging proof)

# The examples of the pages need more libraries than the other tests.
test: $(VENV)/$(if $(filter tests/docs%,$(TESTS)),.docs,.dev)
	@$(PYTEST) --hypothesis-profile=quick -m "not (slow or exhaustive)" $(TESTS)

# It plays each test once, those of core under coverage.
test-all: $(VENV)/.docs
	@$(BIN)/python -m coverage run -m pytest $(IN_PARALLEL) --numprocesses auto -m "$(MARKED)" tests/core
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report
	@$(PYTEST) -m "$(MARKED)" --ignore=tests/core tests

# Left out: what forks or builds (the proof, packages, pages), the tests of the suite itself, and
# the official client. Each other test that Windows skips says why.
WINDOWS = $(addprefix tests/,core adapters transports service cli conformance) \
	--ignore=tests/conformance/test_kit.py --ignore=tests/service/test_official_client.py

test-windows:
	@.ci/test-windows build/windows $(WINDOWS)

# Every tool runs, whichever fails.
check: $(VENV)/.docs
	@status=0; PATH="$(abspath $(BIN)):$$PATH"; \
	ruff check --quiet . || status=1; \
	ruff format --check . >$(VENV)/format.txt || { cat $(VENV)/format.txt; status=1; }; \
	lint-imports --no-logo --no-cache || status=1; \
	MYPYPATH=$(VENV)/tree mypy $(TREE) docs tests || status=1; \
	pyright --verifytypes firecrawl_interact --ignoreexternal >$(VENV)/types.txt \
		|| { cat $(VENV)/types.txt; status=1; }; \
	pyright tests/typing/mistakes.py >$(VENV)/types.txt || { cat $(VENV)/types.txt; status=1; }; \
	exit $$status

docs: $(VENV)/.docs
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --builder html docs docs/_build && echo docs/_build/index.html

pictures: $(VENV)/.dev
	@$(BIN)/python -m docs.pictures

pace: $(VENV)/.dev
	@$(BIN)/python -m tests.simulation.pace $(if $(WRITE),write)

live: $(VENV)/.dev
	@SCRAPE=$(SCRAPE) $(BIN)/python -m tests.live

# It changes the files in place, one line at a time, so commit before. It takes hours.
MUTANTS = $(VENV)/mutants.sqlite
mutants: $(VENV)/.dev
	@$(INSTALL) --group mutants
	@rm -f $(MUTANTS)
	@PATH="$(abspath $(BIN)):$$PATH"; cosmic-ray init tests/mutants.toml $(MUTANTS) \
		&& cosmic-ray exec tests/mutants.toml $(MUTANTS) \
		&& cr-report $(MUTANTS) --show-diff --surviving-only

benchmark: $(VENV)/.dev
	@$(BIN)/python -m tests.benchmarks

# The files in the wheel are as old as the commit: whoever builds it from there gets the same bytes.
dist: $(VENV)/.dev
	@rm -rf $(DIST)
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) \
		$(BIN)/python -m build --no-isolation --outdir $(DIST) . >/dev/null

INSTALL = $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check

NEW := $(VENV)/.python-$(shell $(PYTHON) -c 'import platform; print(platform.python_version())')
$(NEW):
	@echo "Setting up $(VENV): a virtual environment with the library and what it needs ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) --upgrade 'pip>=25.1'
	@touch $@

# The two folders are one package where they are installed, and so they are here: links on Python's
# path show it to editors and type checkers, which do not run setuptools' finder.
TREE = $(VENV)/tree/firecrawl_interact
FACADE = $(notdir $(wildcard adapters/facade/*.py adapters/facade/py.typed))
PACKAGE = $(addprefix $(TREE)/,core adapters $(FACADE))
$(TREE): $(NEW)
	@mkdir -p $@
	@cd $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
		echo $(abspath $(VENV)/tree) >firecrawl_interact_tree.pth
$(TREE)/core $(TREE)/adapters: | $(TREE)
	@ln -s $(CURDIR)/$(notdir $@) $@
$(addprefix $(TREE)/,$(FACADE)): | $(TREE)
	@ln -s $(CURDIR)/adapters/facade/$(notdir $@) $@

$(VENV)/.demo: WHAT = --editable '.[cli]'
$(VENV)/.dev: WHAT = --editable '.[cli,conformance,httpx,postgres]' --group dev
$(VENV)/.docs: WHAT = --group docs --group types
$(VENV)/.docs: $(VENV)/.dev
$(VENV)/.demo $(VENV)/.dev $(VENV)/.docs: $(NEW) pyproject.toml | $(PACKAGE)
	@$(INSTALL) $(WHAT)
	@touch $@
