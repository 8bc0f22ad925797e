# Everything starts from nothing: each target makes .venv and installs what it needs, once per pyproject.toml.

VENV ?= .venv
BIN := $(VENV)/bin
# Arguments for pytest, for instance: make test ARGS="tests/unit -x"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-emitters provision lint format clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## The main job in one minute: a sample app, its costs, its budgets
	@VENV=$(VENV) .ci/bootstrap demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/otel-cost demo $(ARGS)

provision: ## The real parts that the tests run: Prometheus, promtool, a Collector built from collector_config/builder.yaml
	@VENV=$(VENV) .ci/bootstrap all,test
	@$(BIN)/python -m tests.support.provision

test: provision ## All tests but the emitter matrix (ARGS="tests/unit -x" goes to pytest)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(ARGS)

test-emitters: ## Other people's instrumentation and the oldest SDKs, one cached environment a set
	@VENV=$(VENV) .ci/bootstrap all,test
	@$(BIN)/python -m tests.emitters.environments
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m emitters tests/emitters tests/versions $(ARGS)

lint: ## ruff, mypy, pyright, import-linter
	@VENV=$(VENV) .ci/bootstrap dev
	@VENV=$(VENV) .ci/lint

format: ## Let ruff rewrite what it can
	@VENV=$(VENV) .ci/bootstrap dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## Remove .venv, builds and caches of this checkout (what is cached in ~/.cache/otel-cost stays)
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
