# One thread per process: two spinning OpenMP threads on two busy cores run 100 times slower.
export OMP_NUM_THREADS := 1
export OMP_WAIT_POLICY := PASSIVE

VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
IS_RECENT := import sys; sys.exit(sys.version_info < (3, 11))

# The first of python3.11 and python3 that is recent enough; `make PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for p in python3.11 python3; do \
	if $$p -c '$(IS_RECENT)' >/dev/null 2>&1; then echo $$p; exit; fi; done; echo python3)

.PHONY: help setup dft study test test-slow test-slurm bench docs notebooks clean

help:
	@echo "make study      set up the core, run the main job on examples/li-lpscl-lco.yaml"
	@echo "make test       set up everything, lint, type-check and run the fast tests"
	@echo "make test-slow  run the tests marked slow"
	@echo "make docs       build the documentation into site/"
	@echo "make notebooks  write notebooks/*.ipynb from the scripts"
	@echo "make bench      run the speed benchmarks"
	@echo "make setup      only set up .venv with the extras ml and dev"
	@echo "make dft        add GPAW to .venv (needs a compiler, BLAS and libxc: see docs/dft.md)"
	@echo "make clean      remove .venv and the tools' caches"

study: $(VENV)/.core
	$(BIN)/interlith assess examples/li-lpscl-lco.yaml

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "slow $(NOT_SLURM)"

# They need a Slurm (scripts/slurm-test.sh), and mostly wait for walltimes.
test-slurm: $(VENV)/.dev
	$(BIN)/python -m pytest -m "slow and slurm"

bench: $(VENV)/.dev
	$(BIN)/python -m pytest benchmarks

# The API pages are read from the docstrings; a warning is an error.
docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict --quiet

notebooks: $(VENV)/.docs
	$(BIN)/jupytext --to ipynb notebooks/*.py

setup: $(VENV)/.dev

dft: $(VENV)/.dft

clean:
	rm -rf $(VENV) .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache

# A stamp file says that a step is done; the next call skips it until its inputs change.
$(VENV)/.created:
	@$(PYTHON) -c '$(IS_RECENT)' || { \
		echo "interlith needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
			"Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "'$(PYTHON) -m venv' failed: on Debian and Ubuntu install python3-venv." >&2; exit 1; }
	@touch $@

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Setting up the core in $(VENV) (once, a minute or two) ..."
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

# torch by itself first: a resolver that sees it beside the rest may fetch a CUDA build of several GB.
$(VENV)/.dev: $(VENV)/.core
	@echo "Setting up the extras ml and dev in $(VENV) (once, a few minutes) ..."
	@$(BIN)/python -m pip install --quiet torch==$(TORCH)
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[ml,dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.core
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	@touch $@

# GPAW is compiled here; its messages name what is missing.
$(VENV)/.dft: $(VENV)/.core
	@echo "Compiling GPAW into $(VENV) (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dft]" || { \
		echo "GPAW needs: apt-get install g++ libopenblas-dev libxc-dev libopenmpi-dev openmpi-bin" >&2; \
		exit 1; }
	@touch $@
