# Everything a person types. Needs Python 3.11 or newer with pip, and make; the tests also node, npm and Chromium.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOR ?= 0
PEERS := tests/interop/node

.PHONY: help demo test lint bench maps lock clean

help: ## Show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(VENV)/.run: requirements/run.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(PEERS)/node_modules/.package-lock.json: $(PEERS)/package.json $(PEERS)/package-lock.json
	npm --prefix $(PEERS) ci --silent
	@touch $@

demo: $(VENV)/.run ## Sort pieces on an emulated line (make demo FOR=60 ends by itself)
	$(BIN)/sorter demo --state build/demo --for $(FOR)

test: $(VENV)/.dev $(PEERS)/node_modules/.package-lock.json ## Run every test, kernels compiled and then as plain Python
	$(BIN)/pytest
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest tests/unit/assignment tests/unit/line tests/unit/mailbox tests/golden

lint: $(VENV)/.dev ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev $(PEERS)/node_modules/.package-lock.json ## Measure: ratios against references in the same run
	$(BIN)/python -m bench

maps: $(VENV)/.run ## Print register map and timing diagrams anew after the mailbox has changed
	$(BIN)/sorter plc export --format md --output plc_adapters/mailbox/REGISTERS.md
	$(BIN)/sorter plc export --format csv --output plc_adapters/mailbox/registers.csv
	for diagram in answer watchdog takeover restart; do \
	    $(BIN)/sorter plc export --format svg --diagram $$diagram --output docs/timing/$$diagram.svg || exit; \
	done

lock: ## Resolve the versions in requirements/ anew
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate --python-version 3.11 pyproject.toml requirements/build.in -o requirements/run.txt
	$(VENV)/lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate --python-version 3.11 --extra dev pyproject.toml requirements/build.in -c requirements/run.txt -o requirements/dev.txt

clean: ## Remove what the targets above made
	rm -rf $(VENV) build $(PEERS)/node_modules
