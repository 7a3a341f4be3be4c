# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.PHONY: help demo test lint setup clean

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup:  ## install what is missing and build the workspace (a minute; seconds when done)
	@scripts/setup.sh

demo: setup  ## collect episodes of SmolVLA, examine, show, train a predictor, judge it (three minutes)
	@. ./env.sh && scripts/demo.sh

lint:  ## ruff and mypy --strict
	@. ./env.sh && scripts/lint.sh

test:  ## install what is missing, build, lint, type-check, run every test (under 15 minutes)
	@scripts/setup.sh --for-tests
	@. ./env.sh && scripts/lint.sh && scripts/test.sh

clean:  ## remove what was built here; keeps collected data
	rm -rf build install log .venv .tools .mypy_cache .ruff_cache .pytest_cache
