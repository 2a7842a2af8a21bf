# make demo: the whole loop on real images.  make test: everything that CI checks.
# Both do all set-up on a fresh machine that has Python >= 3.11, pip and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# one process per core, each of them with one thread: small networks gain nothing from more
WORKERS ?= logical
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# where pip is told of local wheels, uv looks there too
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
SYSTEM := xvfb xauth libegl1 libgl1 libgl1-mesa-dri libopengl0 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 \
	libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 \
	libxcb-xinerama0 libxcb-xkb1 libglib2.0-0 fonts-dejavu-core

.PHONY: help setup system demo test test-long fast lint bench kill images docs dist-check test-lowest simulate base clean

help:
	@echo "make demo      the whole loop on real nuclei images; leaves demo-output/"
	@echo "make test      set-up, lint, types, import contracts, tests"
	@echo "make test-long the longest tests, which make test leaves out"
	@echo "make fast      tests only, without the slow ones"
	@echo "make simulate  the 10-minute curve of docs/benchmarks.md (needs ../shared/data)"
	@echo "make base      trains the base model that ships with the package (hours; needs ../shared/data)"
	@echo "make kill      the 50-kill run of docs/benchmarks.md"
	@echo "make dist-check  wheel and sdist, built, looked into and used in clean environments (PYTHONS=\"3.11 3.13\")"
	@echo "make test-lowest  the tests with the oldest versions that we promise, in .venv-lowest"
	@echo "make bench     speed ratios     make images  docs/images     make docs  the site"

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --constraints constraints.txt --editable ".[all]" \
		--group test --group lint
	touch $@

setup: $(VENV)/.installed system

system:
	@PYTHON=$(BIN)/python sh .ci/system-libraries $(SYSTEM)

demo: setup
	$(BIN)/napari-cellseg demo --out demo-output

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src tests benchmarks docs .ci
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari-cellseg

test: lint
	$(TESTS) -n $(WORKERS) --dist loadfile -m "not long"

test-long: setup
	$(TESTS) -n $(WORKERS) --dist load -m long

fast: setup
	$(TESTS) -n $(WORKERS) --dist loadfile -m "not slow and not long"

bench: setup
	$(BIN)/python -m pytest tests/bench --benchmark-only

simulate: setup
	$(BIN)/python benchmarks/simulate_nuclei.py --out benchmarks/results

base: setup
	$(BIN)/python benchmarks/base_size.py
	$(BIN)/python benchmarks/base.py --out src/napari_cellseg/base/cells
	$(BIN)/python benchmarks/base_clicks.py

kill: setup
	$(BIN)/python benchmarks/kill.py --kills 50

images: setup
	$(BIN)/python docs/scripts/screenshots.py

docs: setup
	$(UV) pip install --quiet --python $(BIN)/python --group docs
	$(BIN)/mkdocs build --strict

dist-check: $(VENV)/.installed
	$(BIN)/python .ci/dist_check.py $(PYTHONS:%=--python %)

test-lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct \
		--editable ".[all,parquet]" --group test
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not long"

clean:
	rm -rf $(VENV) .venv-lowest demo-output dist site
