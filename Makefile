PYTHON ?= python3
BIN := .venv/bin
ENVIRONMENTS := $(basename $(notdir $(wildcard tests/installed/environments/*.txt)))
FRAMEWORKS := KERAS_BACKEND=jax .cache/frameworks/bin
POINTS ?= 12000
hunt: POINTS := $(if $(filter file,$(origin POINTS)),1e7,$(POINTS))
SEED ?= 1
MUTANTS ?= 400
NUMBER ?= 20
CALLS ?= 1000000
XDIST := -n auto --dist worksteal
unexport PYTHONDONTWRITEBYTECODE  # tests start sixty interpreters: the first compiles for all

.DEFAULT_GOAL := help
.PHONY: help verify test check lint types sweep hunt mutants navigation mutate-pages fuzz verdicts quiz bare accuracy frameworks atlas coverage portrait portraits figures bench vectors consumers site test-site wheel clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 21

verify: .venv/verify  ## certify every loss and check SciPy and scikit-learn against it (under two minutes)
	$(BIN)/reflosses verify

test: .venv/test  ## run the test suite (under two minutes on two cores)
	$(BIN)/python -m pytest $(XDIST)

check: lint types test  ## lint, formatting, types, tests

lint: .venv/check  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/check  ## mypy --strict on the package
	$(BIN)/mypy

sweep: .venv/test  ## hold every loss to its accuracy promise on the default, AVX2 and baseline code paths of NumPy
	$(BIN)/python tests/measuring/code_paths.py $(POINTS)

hunt: .venv/test  ## search for the worst input of every loss, on each code path (POINTS=1e7 SEED=1 LOSS= KEEP=)
	$(BIN)/python tests/measuring/hunt.py --points $(POINTS) --seed $(SEED) $(if $(LOSS),--loss $(LOSS)) $(if $(KEEP),--keep)
	REFLOSSES_SLIPS=1 $(BIN)/python -m pytest -q tests/comparison/test_worst_inputs.py

mutants: .venv/test  ## change the package in MUTANTS places (SEED=…) and count what no test notices
	$(BIN)/python tests/measuring/mutants.py --number $(MUTANTS) --seed $(SEED)

navigation: .venv/test  ## write the last line of every page: before, after, related, in the order of the index
	$(BIN)/python -m reflosses.teaching.navigation

mutate-pages: .venv/test  ## change formulas of the pages (NUMBER=20 a page, SEED=1) and count what nobody notices
	$(BIN)/python tests/measuring/page_mutants.py --number $(NUMBER) --seed $(SEED)

fuzz: .venv/test  ## a million calls with arguments of every kind: no stray error, warning or changed input (ten minutes)
	$(BIN)/python tests/measuring/fuzz.py $(CALLS)

verdicts: .venv/test  ## what `check` says of 75 right and 176 wrong functions in NumPy: alarms, misses, names, false sentences
	$(BIN)/python tests/measuring/verdicts.py --framework numpy

quiz: .venv/test  ## judge every wrong answer of the quiz's table with the diagnosis, too (half a minute)
	REFLOSSES_QUIZ=all $(BIN)/python -m pytest -q tests/teaching/test_quiz.py

bare: .cache/bare.stamp  ## run the tests with nothing but numpy, scipy and pytest installed
	.cache/bare/bin/python -m pytest -q

frameworks: $(ENVIRONMENTS:%=.cache/%.stamp)  ## check PyTorch, JAX, Keras, MONAI and the others, each really run
	for name in $(ENVIRONMENTS); do KERAS_BACKEND=jax .cache/$$name/bin/python -m pytest -q $(XDIST) tests/installed || exit; done

atlas: $(ENVIRONMENTS:%=.cache/%.stamp)  ## write derivations/atlas.md: every function of every framework, and what it does wrong
	for name in $(ENVIRONMENTS); do KERAS_BACKEND=jax .cache/$$name/bin/python tests/installed/atlas.py .cache/atlas-$$name.json || exit; done

coverage: $(ENVIRONMENTS:%=.cache/%.stamp)  ## write derivations/coverage.md: the losses that frameworks offer, and which have a row
	for name in $(ENVIRONMENTS); do KERAS_BACKEND=jax .cache/$$name/bin/python tests/installed/coverage_page.py || exit; done

portraits: $(ENVIRONMENTS:%=.cache/%.stamp)  ## draw the error of every function at every number into derivations/portraits/ (minutes)
	for name in $(ENVIRONMENTS); do KERAS_BACKEND=jax .cache/$$name/bin/python tests/installed/portraits.py || exit; done

portrait: .cache/frameworks.stamp  ## draw the figure of the README: four libraries at every number of bfloat16
	$(FRAMEWORKS)/python tests/installed/portraits.py readme

figures: .venv/test  ## draw the figures of the pages into derivations/figures/ (seconds)
	$(BIN)/python tests/measuring/write_figures.py

bench: .cache/frameworks.stamp  ## write derivations/speed.md: what a loss costs, here and elsewhere (15 minutes)
	$(FRAMEWORKS)/python tests/measuring/bench.py .cache/speed.json

accuracy: .venv/verify  ## write derivations/accuracy.md: the largest known errors, and what `make verify` finds
	$(BIN)/python tests/measuring/accuracy_page.py

vectors: .venv/test  ## write reflosses/data/vectors: certified tests for any language, and their page
	$(BIN)/python tests/measuring/write_vectors.py

consumers: .venv/test  ## prove all vectors again; compile and run their readers in C, C++, Rust, JavaScript and Java
	$(BIN)/python tests/measuring/write_vectors.py --check
	REFLOSSES_VECTORS=all $(BIN)/python -m pytest -q tests/test_vectors.py tests/consumers

site: .venv/site .cache/web/stamp  ## build the pages as a site into .cache/site; it opens from there (needs node and npm)
	$(BIN)/python -m reflosses.teaching.web .cache/site --modules .cache/web/node_modules

test-site: site  ## drive the site in Chromium: errors, formulas, figures against the library, contrast, size, phones
	@for name in "$$CHROMIUM" chromium chromium-browser google-chrome; do command -v "$$name" >/dev/null && exit 0; done; \
	    [ "$$(id -u)" = 0 ] && apt-get install -y -q --no-install-recommends chromium && exit 0; \
	    echo 'no Chromium: apt-get install chromium as root, or set CHROMIUM to the path of one' >&2; exit 1
	$(BIN)/python -m pytest -q tests/web/test_site.py

wheel: .venv/check  ## build the wheel into .cache/wheel
	$(BIN)/python -m build --wheel --outdir .cache/wheel

clean:  ## remove environments and caches
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("reflosses needs Python 3.11 or newer: make PYTHON=…")'
	$(PYTHON) -m venv .venv

.venv/verify: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -e '.[truth,cli,sklearn]'
	@touch $@

.venv/test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -e '.[test]'
	@touch $@ .venv/verify

.venv/check: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -e '.[test,check]'
	@touch $@ .venv/test .venv/verify

.venv/site: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -e '.[test,site]'
	@touch $@ .venv/test .venv/verify

.cache/web/stamp: tests/web/package.json tests/web/package-lock.json
	@command -v npm >/dev/null || { echo 'npm is not on the PATH: the site needs node 18 or newer' >&2; exit 1; }
	mkdir -p .cache/web
	cp tests/web/package.json tests/web/package-lock.json .cache/web
	npm ci --prefix .cache/web --no-audit --no-fund
	@touch $@

$(ENVIRONMENTS:%=.cache/%.stamp): .cache/%.stamp: pyproject.toml tests/installed/checkers.txt tests/installed/environments/%.txt
	$(PYTHON) tests/installed/environments.py $*
	@touch $@

.cache/bare.stamp: pyproject.toml
	rm -rf .cache/bare
	$(PYTHON) -m venv .cache/bare
	.cache/bare/bin/python -m pip install -q numpy scipy pytest
	.cache/bare/bin/python -m pip install -q --no-deps -e .
	@touch $@
