# Trivet's tasks. `make` lists them.
.DEFAULT_GOAL := help
PY := .venv/bin/python
BUILD ?= build
export TRIVET_TEST_GUEST := $(CURDIR)/$(BUILD)/guest/trivet-guest.qcow2
export TRIVET_NOVNC := $(CURDIR)/$(BUILD)/novnc
export TRIVET_TEST_RACK := $(CURDIR)/$(BUILD)/rack
export TRIVET_TEST_RAMDISK := $(CURDIR)/$(BUILD)/ramdisk-virtual
export TRIVET_TEST_CONTAINER := $(CURDIR)/$(BUILD)/container/trivet-container.oci.tar

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup images ## bring the cloud up with real engines and show a VM and a container on one network
	@tools/first-light.sh $(BUILD)

metal: setup-rack images rack ## a rack of emulated machines, and one of them deployed beside a VM and a container
	@tools/metal-light.sh $(BUILD)

test: setup-test images check ## set up and pass every test, those with real engines included
	@TRIVET_REQUIRE_ENGINES=1 tools/run-tests.sh

test-rack: setup-rack images rack ## the test with a rack of emulated machines; some minutes, and what it needs is large
	@TRIVET_REQUIRE_ENGINES=1 $(PY) -m pytest -v --timeout=3600 -m rack tests

unit: venv ## the tests that need no engine, nor minutes each
	@$(PY) -m pytest -q -m "not dataplane and not contract and not pages" tests

check: venv ## types and style
	@$(PY) -m ruff check src tests tools bench
	@$(PY) -m ruff format --check src tests tools bench
	@$(PY) -m mypy

fix: venv ## mend the style
	@$(PY) -m ruff check --fix src tests tools bench
	@$(PY) -m ruff format src tests tools bench

sim: venv ## one history of the simulation: make sim SEED=8841
	@PYTHONHASHSEED=0 $(PY) -m pytest -q tests/simulation --seed $(or $(SEED),1)

docs: venv ## make the generated pages again
	@$(PY) -m trivet.docs

bench: venv ## measure speed and size, and write docs/performance.md's figures
	@bench/run.sh

hosts: setup images ## several real hosts on this machine: make hosts N=3; then trivet lab --help
	@$(PY) -m trivet.cli.main lab up --hosts $(or $(N),3)

failover: setup images ## three real hosts, one loses its power, and the screen shows what follows
	@$(PY) tools/fail_over.py $(BUILD)

causes: venv ## measure how well root causes are found, and write the figures into their decision: some minutes
	@$(PY) -m bench.causes.run

soak: venv ## a cloud under steady load: make soak MINUTES=20; figures go into docs/reliability.md
	@$(PY) -m bench.soak.steady --minutes $(or $(MINUTES),20)

soak-kills: venv ## a cloud that is killed all the time: make soak-kills SECONDS=300
	@$(PY) -m bench.soak.kills --seconds $(or $(SECONDS),300)

soak-upgrade: venv ## an earlier commit, brought up to date side by side: make soak-upgrade FROM=COMMIT
	@$(PY) -m bench.soak.upgrade $(if $(FROM),--from $(FROM))

dist: ## a wheel and a source archive, in dist/
	@tools/build-dist.sh

deb: dist ## a Debian package, in dist/
	@tools/build-deb.sh

test-deb: deb ## install the packages on a bare Debian, run a cloud from each, and take them off again (root)
	@tools/test-packages.sh

# By name, and never a folder with what somebody else put there: data is nobody's to clean.
clean: ## remove what the tasks built; never a cloud
	@rm -rf $(BUILD)/guest $(BUILD)/container $(BUILD)/novnc $(BUILD)/ramdisk $(BUILD)/ramdisk-virtual $(BUILD)/rack $(BUILD)/packages $(BUILD)/lib $(BUILD)/bdist.*
	@rm -rf dist .mypy_cache .ruff_cache .pytest_cache
	@rmdir --ignore-fail-on-non-empty $(BUILD) 2>/dev/null || true

setup: system venv
setup-test: system-test venv
setup-rack: system-rack venv

system:
	@tools/setup-system.sh run
system-test:
	@tools/setup-system.sh run test

system-rack:
	@tools/setup-system.sh run test rack

venv: .venv/.ready
.venv/.ready: pyproject.toml
	@test -x $(PY) || /usr/bin/python3 -m venv .venv || python3 -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev,metal]'
	@touch $@

images:
	@tools/build-guest.sh $(BUILD)/guest
	@tools/build-container.sh $(BUILD)/container
	@tools/build-novnc.sh $(BUILD)/novnc

rack:
	@tools/build-rack.sh $(BUILD)
	@tools/build-ramdisk.sh $(BUILD)/ramdisk-virtual virtual

ramdisk: ## what physical machines boot to be inspected, deployed and erased, in build/ramdisk
	@tools/build-ramdisk.sh $(BUILD)/ramdisk

.PHONY: help run metal rack ramdisk hosts failover test unit check fix sim docs bench causes soak soak-kills soak-upgrade dist deb test-deb clean setup setup-test setup-rack system system-test system-rack test-rack venv images
