# `make run` and `make test` set up everything they need; nothing else has to be prepared.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export SAM_CLI_TELEMETRY := 0
VENVS := .venvs
UV := $(VENVS)/uv/bin/uv
PY := .venv/bin/python

.PHONY: help setup run test unit integration e2e invoke test-sam-local test-sdk notebooks lab lint format lock clean test-browser faults test-privileges lint-security fuzz sbom audit test-another-domain bench alarm-quality environments

help: ## Show this list.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 28

run: setup ## Run the whole lifecycle on this machine: robots, alarms, training, promotion, drift, recovery.
	$(PY) -m dwell run

# Most tests of AWS wait most of the time, so there are more workers than processors.
WORKERS ?= 4

test: setup ## Run every test, WORKERS=4 side by side.
	$(PY) -m pytest -n $(WORKERS)

unit: setup ## Run the tests that touch no network.
	$(PY) -m pytest -n auto tests/unit local_aws/tests/unit

integration: setup ## Run the tests that use the local AWS.
	$(PY) -m pytest -n $(WORKERS) tests/integration local_aws/tests/integration

e2e: setup ## Run a short lifecycle and check its report.
	$(PY) -m pytest -n 2 tests/e2e

faults: setup ## Inject faults into calls to AWS, and check that no sample is lost (LONG=1: 300,000 samples).
	$(PY) -m tests.faults $(if $(LONG),--long)

invoke: setup $(VENVS)/sam-local/.ready ## Invoke a function in a container: FUNCTION=validator EVENT=firehose-packed.
	$(PY) tests/sam_local/invoke.py "$(FUNCTION)" "$(EVENT)"

test-sam-local: setup $(VENVS)/sam-local/.ready ## Invoke every function with every event in containers.
	$(PY) -m pytest tests/sam_local

test-privileges: setup ## Remove each granted action in turn, and check that it is needed.
	$(PY) -m pytest tests/privileges

test-another-domain: setup ## Replace the schema by another domain's, and run the whole loop with real data.
	$(PY) -m pytest tests/another_domain

test-sdk: setup $(VENVS)/sdk/.ready ## Use the SageMaker SDK on the local AWS, and compare with its toolkits (1 GB).
	$(VENVS)/sdk/bin/python -m pytest -W default tests/sdk  # the SDK warns about itself

notebooks: setup $(VENVS)/sdk/.ready ## Execute the notebooks on the local AWS; copies and pictures go to build/notebooks.
	$(VENVS)/sdk/bin/python -m pytest -W default tests/notebooks

# By default JupyterLab fetches news, updates and extensions from the internet.
lab: setup $(VENVS)/sdk/.ready ## Open the notebooks in JupyterLab, with the AWS environment of this shell.
	cd notebooks && PYTHONPATH=$(CURDIR):$(CURDIR)/layers/feature_schema/python:$(CURDIR)/layers/rounds/python ../$(VENVS)/sdk/bin/jupyter lab \
	  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --LabApp.extension_manager=readonly $(OPTIONS)

test-browser: setup $(VENVS)/browser/.ready ## Check the leaderboard's page in Chromium (Debian: chromium, chromium-driver).
	$(VENVS)/browser/bin/python -m pytest tests/browser

bench: setup $(VENVS)/sam-local/.ready build/run/report.json ## Measure speed and cost; ROWS="validator cost_single" for some rows.
	PYTHONPATH=.:layers/feature_schema/python:layers/rounds/python:functions $(PY) -m benchmarks $(ROWS)

alarm-quality: setup $(VENVS)/peers/.ready ## Simulate years of the alarm ModelError beside River's detectors (SHORT=1: without them).
	PYTHONPATH=.:layers/feature_schema/python:layers/rounds/python:functions $(VENVS)/peers/bin/python -m benchmarks.alarm_quality $(if $(SHORT),--short)

# The time until recovery is read from the report of the newest run.
build/run/report.json: | setup
	$(PY) -m dwell run

lint: setup ## Run the linters and the type checker.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(VENVS)/sam/bin/cfn-lint template.yaml
	$(VENVS)/sam/bin/sam validate --lint

lint-security: $(VENVS)/checkov/.ready ## Check the template's policies with checkov (no network needed).
	$(VENVS)/checkov/bin/checkov --file template.yaml --framework cloudformation --skip-download --compact --quiet

SECONDS ?= 60

fuzz: $(VENVS)/fuzz/.ready ## Fuzz lines, messages, requests and handlers for SECONDS=60.
	PYTHONPATH=layers/feature_schema/python:layers/rounds/python:functions $(VENVS)/fuzz/bin/python -m tests.fuzz $(SECONDS)

# The packages of the functions, and those of training and serving.
DEPLOYED := layers/dependencies/requirements.txt requirements/image.txt
SBOM = $(VENVS)/supply/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --validate

sbom: $(VENVS)/supply/.ready ## Write the deployed and the training packages as CycloneDX into build/sbom/.
	mkdir -p build/sbom
	$(SBOM) --output-file build/sbom/functions.json layers/dependencies/requirements.txt
	$(SBOM) --output-file build/sbom/training.json requirements/image.txt

audit: $(VENVS)/supply/.ready ## Ask PyPI for known vulnerabilities; without a response it fails.
	for list in $(DEPLOYED); do $(VENVS)/supply/bin/pip-audit --strict --disable-pip --require-hashes -r $$list; done

format: setup ## Format the code.
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# --- environments: one each where botocore pins differ -------------------------------------------------------

environments: setup $(foreach name,browser checkov fuzz sam-local sdk supply,$(VENVS)/$(name)/.ready) ## Make every environment that a target here needs (2 GB).

setup: .venv/.dwell $(VENVS)/sam/.ready $(VENVS)/local_aws/.ready $(VENVS)/image/.ready ## Make the environments.

$(UV): requirements/uv.txt
	python3 -m venv --clear $(VENVS)/uv
	$(VENVS)/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	touch $@

# `--compile-bytecode`: a cold start without it costs three times as much (imports are compiled each time).
define environment
	$(UV) venv --quiet --clear --python 3.12 $(1)
	$(UV) pip install --quiet --python $(1)/bin/python --require-hashes --compile-bytecode -r $(2)
	touch $(1)/.ready
endef

.venv/.ready: requirements/dev.txt $(UV)
	$(call environment,.venv,$<)

.venv/.dwell: pyproject.toml .venv/.ready
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	touch $@

$(VENVS)/local_aws/.ready: local_aws/requirements.txt $(UV)
	$(call environment,$(@D),$<)

$(VENVS)/%/.ready: requirements/%.txt $(UV)
	$(call environment,$(@D),$<)

LOCK = $(UV) pip compile --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --allow-unsafe --python-version 3.12

lock: $(UV) ## Pin the requirements again (versions and hashes only).
	cd requirements && for name in $(basename $(notdir $(wildcard requirements/*.in))); do $(abspath $(UV)) $(wordlist 2,99,$(LOCK)) $$name.in -o $$name.txt; done
	cd local_aws && $(abspath $(UV)) $(wordlist 2,99,$(LOCK)) requirements.in -o requirements.txt
	cd layers/dependencies && $(abspath $(UV)) $(wordlist 2,99,$(LOCK)) requirements.in -o requirements.txt

clean: ## Remove environments and outputs.
	rm -rf .venv $(VENVS) .aws-sam build
