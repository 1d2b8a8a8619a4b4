# `make run` and `make test` set up everything they need; nothing else has to be prepared.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export SAM_CLI_TELEMETRY := 0
VENVS := .venvs
UV := $(VENVS)/uv/bin/uv
PY := .venv/bin/python

.PHONY: help setup run test unit integration e2e invoke test-sam-local test-another-domain test-sdk lint format lock clean

help: ## Show this list.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 28

run: setup ## Play the whole lifecycle on this machine: robots, alarms, training, promotion, drift, recovery.
	$(PY) -m dwell run

test: setup ## Run every test.
	$(PY) -m pytest

unit: setup ## Run the tests that touch no network.
	$(PY) -m pytest tests/unit

integration: setup ## Run the tests that use the embedded AWS.
	$(PY) -m pytest tests/integration

e2e: setup ## Play a short loop and check its report.
	$(PY) -m pytest tests/e2e

invoke: setup $(VENVS)/sam-local/.ready ## Invoke a function in a container: FUNCTION=validator EVENT=firehose-packed.
	$(PY) tests/sam_local/invoke.py "$(FUNCTION)" "$(EVENT)"

test-sam-local: setup $(VENVS)/sam-local/.ready ## Invoke every function with every event in containers.
	$(PY) -m pytest tests/sam_local

test-another-domain: setup ## Swap the schema for another domain's, and go round the whole loop with real data.
	$(PY) -m pytest tests/another_domain

test-sdk: setup $(VENVS)/sdk/.ready ## Use the SageMaker SDK on the embedded AWS, and compare with its toolkits (1 GB).
	$(VENVS)/sdk/bin/python -m pytest -W default tests/sdk  # the SDK warns about itself

lint: setup ## Run the linters and the type checker.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(VENVS)/sam/bin/cfn-lint template.yaml
	$(VENVS)/sam/bin/sam validate --lint

format: setup ## Format the code.
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# --- environments: one each where botocore pins differ -------------------------------------------------------

setup: .venv/.dwell $(VENVS)/sam/.ready $(VENVS)/emulator/.ready $(VENVS)/image/.ready ## Make the environments.

$(UV): requirements/uv.txt
	python3 -m venv --clear $(VENVS)/uv
	$(VENVS)/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	touch $@

# `--compile-bytecode`: a cold start without it costs three times as much (imports are compiled each time).
define environment
	$(UV) venv --quiet --clear --python 3.12 $(1)
	$(UV) pip install --quiet --python $(1)/bin/python --require-hashes --compile-bytecode -r requirements/$(2).txt
	touch $(1)/.ready
endef

.venv/.ready: requirements/dev.txt $(UV)
	$(call environment,.venv,dev)

.venv/.dwell: pyproject.toml .venv/.ready
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	touch $@

$(VENVS)/%/.ready: requirements/%.txt $(UV)
	$(call environment,$(VENVS)/$*,$*)

LOCK = $(UV) pip compile --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --allow-unsafe --python-version 3.12

lock: $(UV) ## Pin the requirements again (versions and hashes only).
	cd requirements && for name in uv image emulator sam dev sdk; do $(abspath $(UV)) $(wordlist 2,99,$(LOCK)) $$name.in -o $$name.txt; done
	cd layers/dependencies && $(abspath $(UV)) $(wordlist 2,99,$(LOCK)) requirements.in -o requirements.txt

clean: ## Remove environments and outputs.
	rm -rf .venv $(VENVS) .aws-sam build
