"""
The project's checks for those who use nox; `make check` and `make test` need nothing installed.

    nox -s lint wheel
    nox -s "tests(python='3.13', django='6.1')" -- tests/test_capture.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from matrix import PAIRS
from steps import quality_steps

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = ("--constraint", "constraints.txt")
COMBINATIONS = [(python, each) for python, series in PAIRS.items() for each in series]


def install(session: nox.Session, *groups: str) -> None:
    """Install the project and the dependency *groups*, in the versions of constraints.txt."""
    requirements = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install("-e", ".", *requirements, *CONSTRAINTS)


@nox.session
@nox.parametrize(("python", "django"), COMBINATIONS)
def tests(session: nox.Session, django: str) -> None:
    """Run the suite; TEST_DATABASE chooses the database, arguments go to pytest."""
    install(session, "test", f"django{django.replace('.', '')}")
    session.run("pytest", *(session.posargs or ("-m", "not integration")))


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Run what needs no test, as `make check` does."""
    install(session, "lint", "test", "django52")
    for step in quality_steps(f"{session.bin}/python"):
        session.run(*step.command, env=step.extra)


@nox.session(python="3.11")
def wheel(session: nox.Session) -> None:
    """Build, check and test sdist and wheel; the folder given as an argument keeps them."""
    install(session, "lint", "django52")
    session.run("python", "scripts/check_wheel.py", *session.posargs)
