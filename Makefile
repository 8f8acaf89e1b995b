# Every target sets itself up in .venv and needs only make, git and Python 3.11 or newer.
#   make test PYTHON=python3.12        uses that interpreter for a new .venv
#   make test PIP_ARGS="--retries 5"   passes options to every call of pip

PYTHON_CANDIDATES := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
PIP_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Keras and PyTorch are only what the tests of `make parity` compare with: they have an environment of their own.
PARITY_VENV := .venv-parity
PARITY_BIN := $(PARITY_VENV)/bin
PARITY_PIP := $(PARITY_BIN)/python -m pip --disable-pip-version-check
# What is measured beside us has one too; BENCH_ARGS goes to bench-training: BENCH_ARGS="--workloads lstm gru".
BENCH_VENV := .venv-bench
BENCH_BIN := $(BENCH_VENV)/bin
BENCH_PIP := $(BENCH_BIN)/python -m pip --disable-pip-version-check
BENCH_ARGS ?=
FUZZ_ARGS ?=
# These belong to `make check`, so `make test` leaves them out.
ARCHITECTURE_TESTS := tests/test_architecture.py
DOCS_TESTS := tests/test_docs.py tests/test_readme.py

# Strict mode makes a tree of links, file by file, that tools can follow. Links to files that are gone would stay in it.
install = rm -rf build/__editable__* && \
	$(PIP) install --quiet $(PIP_ARGS) --config-settings editable_mode=strict --editable '.[$(1)]'

.NOTPARALLEL:
.PHONY: help dev demo test parity fuzz check bench bench-dispatch bench-training bench-throughput bench-checkpoint format-check lint types architecture docs format wheel-test clean FORCE

help:
	@echo "make dev         set up .venv for work on eagerly"
	@echo "make demo        train on the built-in digits"
	@echo "make test        run the tests"
	@echo "make parity      compare with Keras and PyTorch, in an environment with both (a gigabyte)"
	@echo "make fuzz        restore damaged and forged checkpoints (2 minutes)"
	@echo "make check       format, lint, types, architecture, docs (each is a target too)"
	@echo "make bench       measure start-up, and what the following four do, in an environment with all peers (2 GB)"
	@echo "make bench-dispatch    the cost of a call, beside NumPy, PyTorch and TensorFlow"
	@echo "make bench-training    training steps, beside PyTorch, JAX and Keras on each of its backends (10 minutes)"
	@echo "make bench-throughput  convolution and matrix multiplication, beside PyTorch and the processor's ceiling"
	@echo "make bench-checkpoint  saving and restoring, beside PyTorch, safetensors, h5py, TensorFlow and Keras"
	@echo "make format      rewrite the files as format-check and lint want them"
	@echo "make wheel-test  build the wheel and try it in an environment of its own"
	@echo "make clean       remove everything that make has made"

dev: $(VENV)/dev-installed

demo: $(VENV)/demo-installed
	$(BIN)/python examples/digits_demo.py

test: dev
	$(BIN)/pytest -n 2 $(addprefix --ignore=,$(ARCHITECTURE_TESTS) $(DOCS_TESTS))

# These tests stand outside of what pytest finds by itself: they need Keras and PyTorch.
parity: $(PARITY_VENV)/installed
	$(PARITY_BIN)/pytest -n 2 tests/parity

# FUZZ_ARGS="--seconds 3600" for longer, "--seed 1" to see a failure again.
fuzz: dev
	$(BIN)/python tests/damages.py $(FUZZ_ARGS)

bench: dev bench-dispatch bench-training bench-throughput bench-checkpoint
	$(BIN)/python benchmarks/startup.py

bench-dispatch: $(BENCH_VENV)/installed
	$(BENCH_BIN)/python benchmarks/dispatch.py

bench-training: $(BENCH_VENV)/installed
	$(BENCH_BIN)/python benchmarks/train.py $(BENCH_ARGS)

bench-throughput: $(BENCH_VENV)/installed
	$(BENCH_BIN)/python benchmarks/throughput.py

bench-checkpoint: $(BENCH_VENV)/installed
	$(BENCH_BIN)/python benchmarks/checkpoint.py

check: format-check lint types architecture docs

format-check: dev
	$(BIN)/ruff format --check .

lint: dev
	$(BIN)/ruff check .

types: dev
	$(BIN)/mypy -p eagerly

architecture: dev
	$(BIN)/pytest -q $(ARCHITECTURE_TESTS)

docs: dev
	$(BIN)/pytest -q $(DOCS_TESTS)

format: dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# setuptools would pack whatever an earlier build has left in build/lib.
wheel-test: $(BIN)/python
	rm -rf build/lib build/bdist.* build/wheel
	$(PIP) wheel --quiet $(PIP_ARGS) --no-deps --wheel-dir build/wheel .
	$(BIN)/python -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip --disable-pip-version-check install --quiet $(PIP_ARGS) build/wheel/*.whl
	empty=$$(mktemp -d) && trap 'rm -rf "$$empty"' EXIT && cd "$$empty" && \
		"$(CURDIR)/build/wheel/venv/bin/python" -I "$(CURDIR)/tests/wheel_smoke.py"

clean:
	rm -rf $(VENV) $(PARITY_VENV) $(BENCH_VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(BIN)/python $(PARITY_BIN)/python $(BENCH_BIN)/python: %/bin/python:
	@for candidate in $(PYTHON_CANDIDATES); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "creating $* with $$("$$candidate" --version)"; \
			exec "$$candidate" -m venv --clear $*; \
		fi; \
	done; \
	echo "eagerly needs Python 3.11 or newer; none among: $(PYTHON_CANDIDATES). Name one with make PYTHON=..." >&2; \
	exit 1

# The list changes only when a file comes or goes; an edit reaches the installed package through its link.
$(VENV)/package-files: FORCE | $(BIN)/python
	@find $(dir $(wildcard */__init__.py)) -type f -not -name '.*' -not -name '*.pyc' | LC_ALL=C sort > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(VENV)/dev-installed: $(VENV)/package-files setup.cfg pyproject.toml
	$(call install,dev)
	@touch $@

$(VENV)/demo-installed: $(VENV)/package-files setup.cfg pyproject.toml
	$(call install,plot)
	@touch $@

# Not in strict mode, whose links are one tree for all environments: here the package is found without them.
$(PARITY_VENV)/installed: setup.cfg pyproject.toml | $(PARITY_BIN)/python
	$(PARITY_PIP) install --quiet $(PIP_ARGS) --editable '.[parity]'
	@touch $@

$(BENCH_VENV)/installed: setup.cfg pyproject.toml | $(BENCH_BIN)/python
	$(BENCH_PIP) install --quiet $(PIP_ARGS) --editable '.[bench]'
	@touch $@
