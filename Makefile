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

.PHONY: compare test test-c test-python lint format bench soak dev sdist print-python clean

# The main job: the C core beside the Pydantic path and the undecorated run.
compare:
	@python=$$($(environment) compare) && $$python -m onex_events.cli compare $(ARGS)

test: test-c test-python

test-python:
	@python=$$($(environment) test) && $$python -m pytest $(ARGS)

test-c:
	@tools/c-tests

lint:
	@python=$$($(environment) dev) && tools/lint $$python

format:
	@python=$$($(environment) dev) && bin=$$(dirname $$python) && \
	$$bin/ruff format . && $$bin/ruff check --fix . && \
	git ls-files '*.c' '*.h' | xargs -r $$bin/clang-format -i

# One question a file, answered one after the other.
bench:
	@python=$$($(environment) bench) && for file in benchmarks/s[0-9]*.py; do \
	echo "== $$file"; $$python $$file $(ARGS) || exit 1; done

# The differential and stress tests at full length (hours).
soak:
	@python=$$($(environment) test) && ONEX_SOAK=1 ONEX_DIFFERENTIAL_EXAMPLES=200000 \
	$$python -m pytest --hypothesis-profile=soak --timeout=0 $(ARGS)

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
