"""
Runs the generated tests with pytest and pytest-django, as :mod:`.check` does with Django's.

``python -m tests.fixes.check_pytest`` prints JSON, a mapping for each test.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

import pytest

from tests.fixes.check import told


class Results:
    """A plugin that collects the exception that each test ended with, None for none."""

    def __init__(self):
        self.ended = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        # Pytest gets the exception of a TestCase in a hook of its own.
        report = yield
        name = item.module.__name__.rpartition("test_")[2]
        self.ended.setdefault(name, None)
        if call.excinfo is not None:
            self.ended[name] = call.excinfo.value
        return report


def main():
    results = Results()
    options = ["bugs", "--ds=depot.settings", "-p", "no:cacheprovider"]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = pytest.main(options, plugins=[results])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        sys.exit(output.getvalue())
    print(json.dumps({name: told(error) for name, error in results.ended.items()}))


if __name__ == "__main__":
    main()
