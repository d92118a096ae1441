# Two commands on a fresh machine with Python 3.11+ and make: `make up` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: up test lint bench lock contracts clean
$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages (once; hashes are checked)…"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

up: $(READY)
	@$(BIN)/vongtay up $(ARGS)

# Two at once, each with a Kafka and a PostgreSQL of its own; the tests of one file follow each other.
AT_ONCE ?= 2
test: $(READY)
	@$(BIN)/python -m pytest --numprocesses $(AT_ONCE) --dist loadfile $(ARGS)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(READY)
	@$(BIN)/python -m bench $(ARGS)

bench-%: $(READY)
	@$(BIN)/python -m bench $* $(ARGS)

contracts: $(READY)
	@$(BIN)/vongtay contracts export

# For whoever changes a dependency in pyproject.toml: pin everything again, with hashes.
lock:
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --all-extras --quiet -o requirements.lock pyproject.toml .ci/build-requirements.in

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
