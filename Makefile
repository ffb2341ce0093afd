# Backburner: `make help` lists what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SPEECH := .venv-speech
SITE   := python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
PYTEST := $(BIN)/python -m pytest
LOCK   := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help setup setup-speech setup-system demo test test-speech faults check format lock bench sheets clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Make .venv with everything Python needs, as locked

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Backburner needs Python 3.11 or newer; '$(PYTHON)' is older. Use: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing what Backburner needs into $(VENV) (about a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup-speech: $(SPEECH)/.ready  ## Make .venv-speech: what is in .venv, and what hears recordings

# It looks into .venv for all that is there, and holds only what is not.
$(SPEECH)/.ready: $(READY) requirements-speech.txt
	@$(PYTHON) -m venv --without-pip $(SPEECH)
	@echo "import site; site.addsitedir('$$($(BIN)/$(SITE))')" > "$$($(SPEECH)/bin/$(SITE))/backburner-venv.pth"
	@echo "Installing what hears recordings into $(SPEECH) (about a minute) …"
	@$(BIN)/python -m pip --python $(SPEECH)/bin/python install --quiet --disable-pip-version-check --require-hashes -r requirements-speech.txt
	@touch $@

setup-system:  ## Install system packages that only tests need (as root): LibreOffice, Chromium, fonts, voices
	@sh tests/system-packages install

demo: setup  ## Set up everything and run the main job; stays up (ONCE=1 exits)
	@$(BIN)/backburner demo $(if $(ONCE),--once)

# The storm is timed: it has the machine for itself.
test: setup  ## Set up everything and run every test, those with real speech last
	@sh tests/system-packages check
	@$(PYTEST) -n 2 --dist worksteal --ignore tests/faults/test_storm.py
	@$(PYTEST) tests/faults/test_storm.py
	@$(MAKE) --no-print-directory test-speech

test-speech: setup-speech  ## Only the tests with real speech, in .venv-speech
	@sh tests/system-packages check
	@$(SPEECH)/bin/python -m pytest -n 2 --dist worksteal -m "speech and not long"

faults: setup-speech  ## Hurt an installation of its own in every way and count what is lost (about half an hour; SHORT=1: 12 min; SEED=n again)
	@$(PYTEST) -m "long and not speech" tests/faults
	@$(SPEECH)/bin/python -m pytest -m "long and speech" tests/faults
	@PYTHONPATH=tests/faults $(BIN)/python -m storm $(if $(SHORT),--short) $(if $(SEED),--seed $(SEED))

check: setup  ## Format, lint, types, import contract, locked names
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python tests/names_owned.py

format: setup  ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup  ## Lock the newest versions that pyproject.toml allows
	@$(LOCK) --upgrade --extra dev --extra scrape pyproject.toml -o requirements.txt
	@$(LOCK) --constraint requirements.txt --upgrade --extra dev --extra scrape --extra media --extra whisper --extra whisper-tiny-en pyproject.toml -o requirements-speech.txt

sheets: setup  ## Draw all layouts in all themes for docs/decks.md
	@$(BIN)/python tests/decks/contact_sheets.py docs/decks

bench: setup  ## Measure submit and drain beside a bare INSERT and stock arq, submit over MCP, and decks
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.doors
	@$(BIN)/python -m bench.decks

clean:  ## Remove what setup and tests made
	@rm -rf $(VENV) $(SPEECH) .pytest_cache .mypy_cache .ruff_cache .hypothesis
