# The project's commands. Each provides what it needs: a virtual environment in .venv and, as root on Debian or Ubuntu,
# the Debian packages of tests/debian-packages.txt.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
PIP := .venv/bin/pip --disable-pip-version-check --quiet
PYTEST := .venv/bin/python -m pytest
COVERAGE := .venv/bin/python -m coverage
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint tests coverage-report bench soak clean packages-demo packages-test

help:  ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

demo: .venv/installed  ## the main job for real: three nodes and an attacker in private networks; under a minute
	.venv/bin/p2pfw demo

test: lint tests coverage-report  ## everything that CI runs: lint, types, import contracts, all tests, coverage

lint: .venv/installed-test  ## style, format, types, import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --config setup.cfg

# Real processes and kernels run at their own speed, without coverage; tests that measure time also one at a time.
# Exit status 5 of pytest: there are none.
tests: .venv/installed-test
	$(COVERAGE) erase
	$(COVERAGE) run -m pytest -n $(WORKERS) --dist worksteal -m 'not alone and not e2e and not kernel'
	$(PYTEST) -n $(WORKERS) --dist worksteal -m '(e2e or kernel) and not alone'
	$(PYTEST) -m alone || [ $$? -eq 5 ]

coverage-report: tests
	$(COVERAGE) combine --quiet
	$(COVERAGE) report --include='p2pfw/core/*' --fail-under=100
	$(COVERAGE) report --fail-under=90

bench: .venv/installed-test  ## the budgets of the design, as ratios beside other programs
	.venv/bin/python -m bench

soak: .venv/installed-test  ## the long form of the tests: full sweeps instead of samples; hours
	P2PFW_SOAK=1 $(PYTEST) --timeout=0 -o faulthandler_timeout=0 -n $(WORKERS) --dist worksteal -m 'not alone'
	P2PFW_SOAK=1 $(PYTEST) --timeout=0 -o faulthandler_timeout=0 -m alone

clean:  ## remove .venv and everything else that was made
	rm -rf .venv build dist *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python: | packages-demo
	@[ -n "$(PYTHON)" ] || { echo 'p2pfw needs Python 3.11 or later (Debian package python3)' >&2; exit 1; }
	"$(PYTHON)" -m venv .venv

.venv/installed: setup.cfg pyproject.toml | packages-demo .venv/bin/python
	$(PIP) install --editable .
	@touch $@

.venv/installed-test: setup.cfg pyproject.toml | packages-test .venv/bin/python
	$(PIP) install --editable '.[test]'
	@touch $@ .venv/installed

packages-demo packages-test: packages-%:
	@PYTHON='$(PYTHON)' tests/setup.sh $*
