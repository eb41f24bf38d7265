# `make demo` shows the app at work, `make test` runs all tests, `make bench` measures the costs. All install what they need.
# `make bench-admin` measures the admin's pages with a million error logs, on SQLite and PostgreSQL.
# `make docs` builds the documentation in build/docs; LINKS=1 also checks external links.
# `make check` is for each commit: lints, types and a part of the suite, in less than three minutes.
# `make matrix` runs the suite with each Python, Django and database, and writes the results into the documentation.
# They use Python 3.11 or newer. Set PYTHON=/path/to/python to choose one.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python || echo python3)

.PHONY: demo check test matrix docs bench bench-admin clean

demo check test matrix docs bench bench-admin:
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON): name Python 3.11 or newer with make $@ PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) scripts/start.py $@

clean:
	rm -rf build .nox .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage example/data example/planning
