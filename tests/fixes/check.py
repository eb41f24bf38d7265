"""
Runs the generated tests with Django's own runner, and prints what became of each.

Runs in a copy of ``project`` that has them in the package ``bugs``:
``python -m tests.fixes.check`` prints JSON, a mapping for each test.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
import unittest


class Results(unittest.TestResult):
    """Collects the exception that each test ended with, None for one that passed."""

    def __init__(self):
        super().__init__()
        self.ended = {}

    def startTest(self, test):
        super().startTest(test)
        self.ended[_name(test)] = None

    def addError(self, test, err):
        self.ended[_name(test)] = err[1]

    addFailure = addError


def _name(test):
    return type(test).__module__.rpartition("test_")[2]


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "depot.settings")
    import django

    django.setup()
    from django.test.runner import DiscoverRunner

    results = Results()

    class Runner(DiscoverRunner):
        def run_suite(self, suite, **kwargs):
            suite.run(results)
            return results

    if "status" in sys.argv:
        _use_status_rule()
    sys.stdout, stdout = io.StringIO(), sys.stdout
    runner = Runner(verbosity=0, interactive=False)
    runner.run_tests(["bugs"])
    sys.stdout = stdout
    print(json.dumps({name: told(error) for name, error in results.ended.items()}))


def _use_status_rule():
    """Make the tests assert no more than the status, as a plain test would."""
    from error_tracking import replay
    from error_tracking.replay.failure import Attempt

    @contextlib.contextmanager
    def below_500(failure):
        attempt = Attempt()
        yield attempt
        assert getattr(attempt.response, "status_code", 200) < 500

    replay.failing_as = replay.requests.failing_as = below_500


def told(error):
    if error is None:
        return None
    # What the project raised, where the test reports it in words.
    raised = error.__cause__ if isinstance(error, AssertionError) else error
    return {
        "type": type(error).__name__,
        "text": str(error),
        "raised": type(raised).__name__ if raised else "",
        "files": [frame.filename for frame in traceback.extract_tb(_last(raised))],
        "traceback": "".join(traceback.format_exception(error)),
    }


def _last(error):
    return error.__traceback__ if error is not None else None


if __name__ == "__main__":
    main()
