# One command each. `make` alone lists them.

PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --no-input
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
# Every extra but mlflow, whose client brings along what the rest of the world should not be pinned by.
LOCKED = lab web estimators xlsx s3 signing embedded bench dev
# Fast tests start nothing heavier than the embedded servers.
FAST = not (kafka or chaos or slow or long or data or browser)

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /|/' | awk -F'|' '{ printf "  make %-11s %s\n", $$1, $$2 }'

setup: .venv/ready ## make .venv with everything in it

demo: .venv/ready ## run the main job; EVENTS=log.jsonl.gz PROBLEM=problem.toml SPEED=max or N
	@$(BIN)/noisegate demo $${EVENTS:+--events "$$EVENTS"} $${PROBLEM:+--problem "$$PROBLEM"} $${SPEED:+--speed "$$SPEED"}

format: .venv/ready ## rewrite the code in the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

lint: .venv/ready ## check the format and the rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: .venv/ready ## mypy --strict on the package and the tests
	@$(BIN)/mypy --strict

fast: .venv/ready ## the fast tests, on all cores
	@$(BIN)/pytest -m '$(FAST)' --numprocesses auto

check: lint types fast ## lint, types and the fast tests

test: fast ## every test but the long ones; REQUIRE_SERVERS=1 fails what would be skipped
	@$(BIN)/pytest -m '(hypothesis or not ($(FAST))) and not (chaos or long)' --hypothesis-profile thorough --numprocesses auto --dist loadfile
	@$(BIN)/pytest -m 'chaos and not long' --numprocesses 2 --dist loadfile

fuzz: .venv/ready ## the property tests with new examples, a hundred times as many
	@$(BIN)/pytest -m 'hypothesis and $(FAST)' --hypothesis-profile fuzz --numprocesses auto --timeout 1800

chaos: .venv/ready ## the long tests: minutes of kills, freezes and losses on real servers
	@$(BIN)/pytest -m long

bench: .venv/ready ## measure, side by side with peers
	@$(BIN)/python -m benchmarks

bench-page: .venv/ready ## measure the triage page in Chromium
	@$(BIN)/python -m benchmarks.page

screenshots: .venv/ready ## draw the README's pictures of the triage page again
	@$(BIN)/python -m tools.screenshots

vendor: .venv/ready ## take the page's JavaScript libraries from npm; UPGRADE=1 takes newer versions
	@UPGRADE=$(UPGRADE) $(BIN)/python -m tools.vendor

lock: .venv/ready ## make the locks again; UPGRADE=--upgrade takes newer versions
	@$(COMPILE) $(UPGRADE) $(LOCKED:%=--extra %) --output-file requirements.lock pyproject.toml
	@$(COMPILE) --extra web --constraint requirements.lock --no-annotate --output-file requirements-runtime.lock pyproject.toml
	@$(COMPILE) --constraint requirements.lock --no-annotate --output-file requirements-build.lock --group image

clean: ## remove everything that make made
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "noisegate needs Python 3.11 or newer, and $(PYTHON) is not: install one and say 'make setup PYTHON=python3.11'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module: install it (on Debian and Ubuntu 'apt-get install python3-venv') and say 'make setup' again." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what requirements.lock names into .venv: about a minute, once." >&2
	@$(PIP) install --quiet --require-hashes --requirement requirements.lock >&2
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable . >&2
	@touch .venv/ready

.PHONY: help setup demo format lint types fast check test fuzz chaos bench bench-page screenshots vendor lock clean
