"""
Runs everything that must hold, from the lints to the suite on each database and Python here.

A service that cannot be reached is skipped and named in the last lines; with
REQUIRE_SERVICES=1 that is a failure. TEST_SEED repeats the order of a run before.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import environment
from steps import Step, main_python, missing_services, quality_steps, run_all

ROOT = environment.ROOT
OTHERS = {"3.12": "6.0", "3.13": "6.1"}
#: The whole suite on each Python and database takes an hour. One run has all of it with
#: the oldest Python and SQLite, and a share of it, always another, everywhere else.
SHARES = {"3.12": 0.25, "3.13": 0.5, "postgres": 0.6, "mariadb": 0.5}
DATABASES = {"postgres": "PostgreSQL", "mariadb": "MariaDB"}


def share_of(name: str) -> str:
    """Return which share of the suite runs with this Python or database; TEST_SHARE=1 asks for all of it."""
    return os.environ.get("TEST_SHARE") or str(SHARES[name])


#: Runs the tests named after it, in the order of their names.
AGAIN = ["-m", "pytest", "-q", "-p", "no:randomly"]


def suites_of_other_pythons(pytest: list[str], skipped: list[str]) -> list[Step]:
    """Return a suite for each newer Python here; what is missing is added to *skipped*."""
    suites = []
    for version, django in OTHERS.items():
        title = f"Python {version}, Django {django}"
        interpreter = environment.find_interpreter(version)
        if interpreter is None:
            skipped.append(f"{title}: the interpreter was not found")
            continue
        python = environment.ensure(
            ROOT / f".venv-{version}",
            interpreter=interpreter,
            groups=[environment.django_group(django), "test"],
        )
        extra = {"TEST_SHARE": share_of(version)}
        command, again = [str(python), *pytest], [str(python), *AGAIN]
        suites.append(Step(f"suite, {title}", command, extra, again))
    return suites


def main() -> int:
    """Run all steps; return the exit status."""
    missing = missing_services()
    skipped = [f"{name} cannot be reached" for name in missing]
    python = main_python()
    seed = os.environ.get("TEST_SEED") or str(int(time.time()))
    print(f"The order of the tests is that of TEST_SEED={seed}.")
    pytest = ["-m", "pytest", "-q", f"--randomly-seed={seed}"]
    without_stories = [*pytest, "-m", "not integration"]
    # Not --cov: our own plugin for pytest is imported before pytest-cov begins.
    measured = ["-m", "coverage", "run", *without_stories]
    steps = [
        *quality_steps(python),
        Step("docs", [python, "scripts/build_docs.py"]),
        Step("the built wheel", [python, "scripts/check_wheel.py"]),
    ]
    again = [python, *AGAIN]
    # The stories wait for servers most of their time, so a suite beside them costs little.
    at_once = [
        Step("stories", [python, *pytest, "-m", "integration"], again=again),
        Step("suite, SQLite", [python, *measured], again=again),
        *suites_of_other_pythons(without_stories, skipped),
    ]
    for database, name in DATABASES.items():
        if name not in missing:
            extra = {"TEST_DATABASE": database, "TEST_SHARE": share_of(database)}
            command = [python, *without_stories]
            at_once.append(Step(f"suite, {name}", command, extra, again))
    coverage = Step("coverage", [python, "-m", "coverage", "report"])
    times = ROOT / ".venv" / "test-times.json"
    failed = run_all(steps, at_once, [coverage], times=times)
    for reason in skipped:
        print(f"SKIPPED: {reason}")
    is_strict = os.environ.get("REQUIRE_SERVICES") == "1"
    if is_strict and missing:
        print(
            f"FAILED: REQUIRE_SERVICES=1, and these are missing: {', '.join(missing)}"
        )
    return 1 if failed or (is_strict and missing) else 0


if __name__ == "__main__":
    sys.exit(main())
