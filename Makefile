# `make compare` and `make test` need Python >= 3.11 with its headers, a C
# compiler, make and the package index: they set up everything else, in a
# virtual environment for each interpreter (.venv-3.13, ...).
#
#   make PYTHON=python3.12 test ARGS="-k bus"
#
# ARGS goes to what the target runs.

find_python = for name in python3 python3.13 python3.12 python3.14 python3.15 python3.11; do \
	if $$name -c 'import os, sys, sysconfig as s; sys.exit(sys.version_info < (3, 11) or not \
os.path.exists(s.get_path("include") + "/Python.h"))' 2>/dev/null; then \
	echo $$name; break; fi; done
PYTHON ?= $(shell $(find_python))
ARGS ?=

ifeq ($(strip $(PYTHON)),)
$(error No Python >= 3.11 with its headers found: install one (python3-dev), or say PYTHON=...)
endif

# Makes or updates the environment and prints its Python.
environment = $(PYTHON) tools/environment.py --build --extras

.PHONY: compare test test-c test-python fuzz coverage leaks analyze lint format bench bench-all guard soak soak-fuzz soak-stress soak-differential soak-leaks dev sdist print-python clean

# The main job: the C core beside the Pydantic path and the undecorated run.
compare:
	@python=$$($(environment) compare) && $$python -m onex_events.cli compare $(ARGS)

test: test-c test-python

test-python:
	@python=$$($(environment) test) && $$python -m pytest $(ARGS)

test-c:
	@tools/c-tests

# Each structure and decoder fed with a fuzzer's inputs: make fuzz ARGS="600 ring from_json"
fuzz:
	@PYTHON=$(PYTHON) tools/fuzz $(ARGS)

# What a test leaves behind is a failure; with a debug Python references are counted too:
# make leaks PYTHON=python3.14-dbg
leaks:
	@python=$$($(environment) test) && $$python -m pytest -p tests.leak_check \
	--timeout=900 -o faulthandler_timeout=1000 $(ARGS)

# clang's and gcc's analyzers and cppcheck over csrc.
analyze:
	@tools/analyze $(PYTHON)

# Lines of csrc and onex_events that the tests run; needs Python >= 3.12.
coverage:
	@python=$$(ONEX_EVENTS_COVERAGE=1 $(environment) test,coverage) && tools/coverage $$python $(ARGS)

lint:
	@python=$$($(environment) dev) && tools/lint $$python

format:
	@python=$$($(environment) dev) && bin=$$(dirname $$python) && \
	$$bin/ruff format . && $$bin/ruff check --fix . && \
	git ls-files '*.c' '*.h' | xargs -r $$bin/clang-format -i

# One question a file, answered one after the other; then each target with its bound.
# A peer that can't be installed is named.
bench:
	@python=$$(ONEX_BEST_EFFORT=1 $(environment) bench) && $$python benchmarks/run.py $(ARGS)

# The same on every Python, and docs/performance.md with its charts from the results.
bench-all:
	@benchmarks/all $(ARGS)

# Fails when a core operation takes more instructions than benchmarks/guard.json says.
# The counts are of Python 3.13.0; after a change on purpose: make guard ARGS=--write
guard:
	@python=$$($(environment) "") && $$python benchmarks/guard.py $(ARGS)

# All that takes hours, at full size; each part prints a line of counts for what it shows.
# One after the other, or at once: make -j4 soak.  One of them: make soak-stress ARGS="-k fork".
soak: soak-fuzz soak-stress soak-differential soak-leaks

soak_extras = test,fuzz
soak_run = python=$$($(environment) $(soak_extras)) && ONEX_SOAK=1 \
	$$python -m pytest --hypothesis-profile=soak --timeout=0 -o faulthandler_timeout=0

# An hour, for all structures and decoders together.
soak-fuzz:
	@$(environment) $(soak_extras) >/dev/null && PYTHON=$(PYTHON) tools/fuzz 3600

soak-stress:
	@$(soak_run) tests/stress $(ARGS)

# 200,000 generated cases beside Pydantic: of Python values, half as many of JSON, a sixth
# as many event classes.
soak-differential:
	@export ONEX_DIFFERENTIAL_EXAMPLES=120000; $(soak_run) tests/conformance/test_differential.py $(ARGS)

# Where references are counted: a debug Python, here or in the tree of Debian sid.
DEBUG_PYTHON ?= $(shell command -v python3.14-dbg python3.11-dbg | head -1)
soak-leaks:
	@if [ -n "$(DEBUG_PYTHON)" ]; then \
	make --no-print-directory leaks PYTHON=$(DEBUG_PYTHON) ARGS='$(ARGS)'; \
	else .ci/run leaks; fi

dev:
	@python=$$($(environment) dev) && \
	echo "ready: . $$(dirname $$python)/activate"

sdist:
	@python=$$($(environment) dev) && $$python -m pip install -q build && $$python -m build $(ARGS)

# For .ci/run.
print-python:
	@echo $(PYTHON)

clean:
	rm -rf build dist *.egg-info onex_events/*.so .venv-* .mypy_cache .ruff_cache .pytest_cache
