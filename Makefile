# `make demo` shows the whole line at work, `make test` proves it, `make bench` says what it costs. All set themselves up.

PYTHON ?= $(shell command -v python3.11 || command -v python3)

.PHONY: demo test bench clean

demo:
	@$(PYTHON) scripts/environment.py .venv
	@.venv/bin/python scripts/demo.py

test:
	@$(PYTHON) scripts/run_tests.py

bench:
	@$(PYTHON) scripts/environment.py .venv-bench bench
	@.venv-bench/bin/python -m bench.run

clean:
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage example/data example/planning
