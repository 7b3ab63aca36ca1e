# Two commands do all the set-up: `make demo` and `make test`.
# PYTHON: the interpreter to build the environment with, 3.11 or newer.
PYTHON ?= $(shell sh tools/find-python)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test attacks gate check bench coverage-of-intervals soak agents-real schema lock system clean

demo: $(VENV)/core system
	$(BIN)/worktrial demo --out demo

# More workers than two cores: for much of their time tests wait, for containers and for what takes a while.
test: $(VENV)/dev system
	$(BIN)/pytest -n 3 --dist loadgroup

# The attacks on sandboxes and grader alone, on every tier that is present.
attacks: $(VENV)/dev system
	$(BIN)/pytest -n 3 --dist loadgroup tests/attacks

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The gate alone: runs that regressed, that did not, and too small to tell, and the templates for CI servers.
gate: $(VENV)/dev system
	$(BIN)/pytest tests/e2e/test_gate.py tests/e2e/test_ci_templates.py

# make bench NAME=mine REPO=PATH
bench: $(VENV)/dev system
	@$(BIN)/python -m benchmarks.$(NAME) $(if $(REPO),--repo $(REPO))

# How often the 95% intervals hold the truth: exact where it can be reckoned, else simulated. Some minutes.
coverage-of-intervals: $(VENV)/dev
	@$(BIN)/python -m benchmarks.coverage_of_intervals

# Hundreds of sandboxes in standby at once, ten thousand in a row: what do they leave? And all of the contract with
# podman. About an hour.
soak: $(VENV)/dev system
	WORKTRIAL_SOAK=full $(BIN)/pytest tests/sandboxes/test_soak.py tests/sandboxes/test_oci.py

# Every real agent that can be installed here does a task, each with a line. AGENTS="codex aider" for some of them.
agents-real: $(VENV)/dev system
	@$(BIN)/python -m tests.agents.real $(AGENTS)

# The JSON Schema of worktrial.toml, after a change of its shape.
schema: $(VENV)/dev
	$(BIN)/python -c "import json; from worktrial.formats.config import Configuration as C; \
		print(json.dumps(C.model_json_schema(), indent=1))" >src/worktrial/formats/worktrial.schema.json

lock: $(VENV)/dev
	$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header -o requirements/core.txt
	$(BIN)/uv pip compile -q pyproject.toml --group dev --extra ide --extra parquet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header -o requirements/dev.txt

# The program's own packages, pinned and checked by hash, and the checkout itself.
$(VENV)/core: requirements/core.txt pyproject.toml
	sh tools/make-venv $(PYTHON) $(VENV) requirements/core.txt
	touch $@

$(VENV)/dev: requirements/dev.txt pyproject.toml
	sh tools/make-venv $(PYTHON) $(VENV) requirements/dev.txt
	touch $@ $(VENV)/core

system:
	@sh tools/system-packages

clean:
	rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
