# One environment, .venv in the checkout; every target sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check guard bench layouts docs notebook traces clean browser compiler

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/.ready: pyproject.toml constraints.txt $(wildcard native/*) | compiler
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python >= 3.11 is needed, found $$($(PYTHON) --version)"; echo "hint: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[record,dashboard,cluster,agents,dev]'
	@touch $@

setup: .venv/.ready ## create .venv with everything in it

demo: .venv/.ready ## record TP and TP+SP on this machine, compare, write the report
	$(BIN)/commscope demo --output runs/demo --force

compiler: # for the compiled core, from the distribution's packages; without one everything works in Python
	@if ! command -v $(CC) >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		headers=$$($(PYTHON) -c 'import os, sysconfig; print("" if os.path.exists(sysconfig.get_paths()["include"] + "/Python.h") else "python3-dev")'); \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev $$headers >/dev/null \
			|| echo "no compiler could be installed: the core in Python is used"; fi

browser: # chromium for the dashboard's tests, from the distribution's packages
	@if [ -z "$(CHROMIUM)" ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; fi

test: .venv/.ready browser ## run all tests
	$(BIN)/python -m pytest -q $(PYTEST_ARGS)
	COMMSCOPE_PURE=1 $(BIN)/python -m pytest -q tests/readers

check: .venv/.ready ## format, lint, types, import floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

guard: .venv/.ready ## re-analyze the saved runs and hold them against what is expected
	$(BIN)/commscope check --baseline traces

bench: .venv/.ready ## measure; peers in an environment of their own
	$(BIN)/python -m benchmarks.readers --events 100000 1000000 --repeat 5
	$(BIN)/python -m benchmarks.commands
	$(BIN)/python -m benchmarks.analysis
	$(BIN)/python -m benchmarks.critical_path
	$(BIN)/python -m benchmarks.recording
	$(BIN)/python -m benchmarks.whatif_delay
	$(BIN)/python -m benchmarks.dashboard
	$(BIN)/python -m benchmarks.check_power
	$(BIN)/python -m benchmarks.endurance
	$(MAKE) battery

BATTERY := .battery-venv/bin/python
.battery-venv/.ready: .venv/.ready benchmarks/battery/requirements.txt
	$(PYTHON) -m venv .battery-venv
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$($(BATTERY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/checkout.pth"
	$(BATTERY) -m pip install --quiet --disable-pip-version-check setuptools wheel ninja py-cpuinfo hjson # deepspeed builds by them
	DS_BUILD_OPS=0 $(BATTERY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -r benchmarks/battery/requirements.txt
	@touch $@

battery: .battery-venv/.ready ## programs that know nothing of the recorder, plain and recorded in turn
	PYTHONPATH=.:workloads $(BATTERY) -m benchmarks.battery --pairs $(or $(PAIRS),5)

docs: .venv/.ready ## the documentation as a site in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --site-dir build/site

notebook: .venv/.ready ## run docs/notebook.ipynb anew, after a change of what it shows
	cd docs && ../$(BIN)/jupyter-execute --inplace --kernel_name=python3 notebook.ipynb

layouts: .venv/.ready ## every layout: gradients against one process, counts and bytes against the closed form
	$(BIN)/python -m commscope_workloads.table

# name: options of record; small models, so that each saved run stays far below 500 kB
SMALL := --hidden 128 --seq 64 --batch 2 --vocab 512 --steps 3 --warmup 2 --backend gloo
SAVED := gpt-tp2 gpt-tp2-unfused gpt-tp2-sp gpt-tp2-sp-kept gpt-tp2-recompute-full gpt-tp2-recompute-selective gpt-tp2-sp-dtensor gpt-dp2-ddp
OPTIONS_gpt-tp2 := --tp 2
OPTIONS_gpt-tp2-sp := --tp 2 --sp
OPTIONS_gpt-tp2-sp-kept := --tp 2 --sp-keep-gathered
OPTIONS_gpt-tp2-unfused := --tp 2 --unfused
OPTIONS_gpt-tp2-recompute-full := --tp 2 --recompute full
OPTIONS_gpt-tp2-recompute-selective := --tp 2 --recompute selective
OPTIONS_gpt-tp2-sp-dtensor := --tp 2 --sp --impl dtensor
OPTIONS_gpt-dp2-ddp := --dp 2 --dp-kind ddp

traces: $(SAVED:%=traces/%) ## record anew the saved runs that guard the analyzer, and what is expected of them
	CI= $(BIN)/commscope check $(SAVED:%=traces/%) --baseline traces --update-baseline

.PHONY: $(SAVED:%=traces/%)
$(SAVED:%=traces/%): traces/%: .venv/.ready
	$(BIN)/commscope record gpt $(OPTIONS_$*) $(SMALL) -o runs/traces/$* --force
	rm -f $@/expected.json
	$(BIN)/commscope slim runs/traces/$* -o $@ --force

clean: ## remove what the targets made
	rm -rf .venv .bench-venv .battery-venv runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
