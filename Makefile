# Two commands do all the set-up on a fresh machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
READY  := $(VENV)/.compiled

# The demo: `make demo`, or `make demo SCALE=small`. A folder holds one scale.
SCALE  ?= full
OUT    ?= $(if $(filter full,$(SCALE)),out,out-$(SCALE))

# Compiled modules are kept, whatever the machine is set to: hundreds of children import them.
export PYTHONDONTWRITEBYTECODE =

.PHONY: setup demo test early check lint types bench soak lock wheel clean

setup: $(READY)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"wxcore needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Compiled here, not in the first cycle.
$(READY): $(STAMP)
	$(BIN)/wx compile
	@touch $@

demo: setup
	$(BIN)/wx demo --direct --scale $(SCALE) --out $(OUT)

# Three workers on two cores: a fifth of the time tests wait for children and clocks.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) \* 3 / 2)

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(DONE:%=--ignore=%)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# Tests that call no kernel (a browser would, on a real run): they keep one core busy while the kernels are compiled on the other.
EARLY  := tests/test_architecture.py tests/desk

early: lint types
	$(BIN)/python -m pytest -n0 $(EARLY)

check: $(STAMP)
	$(MAKE) --jobs=2 --output-sync early $(READY)
	$(MAKE) test DONE="$(EARLY)"

bench: setup
	$(BIN)/wx bench radar

# Faults injected by the thousand: a table fault -> tried -> held. Hours; SOAK="--only B1" for a part.
soak: setup
	$(BIN)/python -m tests.faults $(SOAK)

wheel: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

# Needs uv on the PATH. The lock holds hashes and no address: any package index serves it.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate pyproject.toml --group dev -o requirements.lock
	! grep -n '://' requirements.lock

clean:
	rm -rf $(VENV) dist build out out-small .mypy_cache .ruff_cache .pytest_cache
