# `make demo` shows the whole line at work, `make test` proves it, `make bench` says what it costs. All set themselves up.
# `make bench-admin` says what the admin's pages cost with a million error logs, on SQLite and PostgreSQL.
# `make docs` builds the documentation in build/docs; LINKS=1 asks for the pages outside that it links, too.
# `make check` is for every commit: lints, types and a part of the suite, in under three minutes.
# `make matrix` runs the suite with each Python, Django and database, and notes the results in the documentation.
# They look for Python 3.11 or newer; PYTHON=/path/to/python names one.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python || echo python3)

.PHONY: demo check test matrix docs bench bench-admin clean

demo check test matrix docs bench bench-admin:
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON): name Python 3.11 or newer with make $@ PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) scripts/start.py $@

clean:
	rm -rf build .nox .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage example/data example/planning
