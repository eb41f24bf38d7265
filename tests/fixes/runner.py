"""
Measures the generated tests: with each bug, and with its fix.

Three processes do the work for all cases, because each bug has a place of its own: one
that makes the bugs happen, one that runs the tests with the bugs, one with the fixes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from .cases import CASES, Case

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = Path(__file__).resolve().parent / "project"
#: How the sentences begin that a test ends with that did not reach the failure.
SENTENCES = ("Not reproduced", "Not written yet")
# Planting texts in the whole corpus takes two minutes of CPU, on a busy machine more.
SECONDS = 1_200

DJANGO = "tests.fixes.check"
PYTEST = "tests.fixes.check_pytest"

RIGHT = "fails for the right reason, passes with the fix"
SENTENCE = "fails with a sentence that says what is missing"
OTHER = "fails for another reason"
GREEN = "is green with the bug"
OUTCOMES = (RIGHT, SENTENCE, OTHER, GREEN)


class Result(NamedTuple):
    """What became of one case."""

    case: Case
    outcome: str
    detail: str
    made: dict[str, Any]
    with_bug: dict[str, Any] | None
    with_fix: dict[str, Any] | None


def measure(
    cases: Iterable[Case] = CASES, rule: str = "", check: str = DJANGO
) -> list[Result]:
    """
    Return a result for each of *cases*.

    Args:
        cases: What to measure.
        rule: ``"status"`` to assert the status of the answer alone.
        check: The module that runs the tests.
    """
    cases = list(cases)
    with tempfile.TemporaryDirectory(prefix="fixes-") as folder:
        broken = _copy(Path(folder, "broken"), cases)
        fixed = _copy(Path(folder, "fixed"), ())
        names = [case.name for case in cases]
        made = _run(broken, "tests.fixes.trigger", *names)
        for project in (broken, fixed):
            _write_tests(project, made)
        with_bugs = _run(broken, check, rule)
        with_fixes = _run(fixed, check, rule)
    return [_judged(case, made[case.name], with_bugs, with_fixes) for case in cases]


def leaks_of(cases: Iterable[Case], seed: int, count: int) -> dict[str, Any]:
    """
    Return where texts of visitors leave the site.

    Args:
        cases: The bugs that are made to happen.
        seed: Chooses the texts.
        count: How many texts each of them gets.

    Returns:
        What :mod:`tests.fixes.plant` prints.
    """
    cases = list(cases)
    names = [case.name for case in cases]
    with tempfile.TemporaryDirectory(prefix="fixes-") as folder:
        broken = _copy(Path(folder, "broken"), cases)
        return _run(broken, "tests.fixes.plant", str(seed), str(count), *names)


def _copy(folder: Path, cases: Iterable[Case]) -> Path:
    """Copy the project to *folder* with the bugs of *cases*."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for case in cases:
        file = folder / case.file
        text = file.read_text()
        if text.count(case.right) != 1:
            raise ValueError(f"{case.name}: {case.file} must have its text once")
        file.write_text(text.replace(case.right, case.wrong))
    return folder


def _write_tests(project: Path, made: dict[str, dict[str, Any]]) -> None:
    """Paste each generated test unchanged into a file of its own."""
    folder = project / "bugs"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name, texts in made.items():
        (folder / f"test_{name}.py").write_text(texts.get("test", ""))


def _run(project: Path, module: str, *arguments: str) -> Any:
    """Return what *module* prints as JSON, in a process of its own in *project*."""
    path = os.pathsep.join([str(project), str(ROOT / "src"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    environment["DJANGO_SETTINGS_MODULE"] = "depot.settings"
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if process.returncode:
        raise RuntimeError(f"{module} failed:\n{process.stderr[-4_000:]}")
    return json.loads(process.stdout.splitlines()[-1])


def _judged(
    case: Case,
    made: dict[str, Any],
    with_bugs: dict[str, Any],
    with_fixes: dict[str, Any],
) -> Result:
    bug, fix = with_bugs.get(case.name), with_fixes.get(case.name)
    if "problem" in made or case.name not in with_bugs:
        outcome, detail = OTHER, f"no test: {made.get('problem', '')[-300:]}"
    elif bug is None:
        outcome, detail = GREEN, ""
    elif bug["text"].startswith(SENTENCES):
        outcome, detail = SENTENCE, bug["text"]
    elif not _is_recorded(case, made, bug):
        outcome, detail = OTHER, f"{bug['type']}: {bug['text']}"
    elif fix is not None:
        outcome, detail = OTHER, f"with the fix: {fix['type']}: {fix['text']}"
    else:
        outcome, detail = RIGHT, ""
    return Result(case, outcome, detail, made, bug, fix)


def _is_recorded(case: Case, made: dict[str, Any], bug: dict[str, Any]) -> bool:
    """Return whether a test ended with the recorded exception, from the right file."""
    if bug["text"].startswith(f"Reproduced: {made['title']}\n"):
        # The project handled it, so no exception came out.
        return True
    recorded = made["exception"].rpartition(".")[2]
    is_there = any(file.endswith(case.file) for file in bug["files"])
    # The frames of a template are those of the engine.
    is_template = case.file.endswith(".html")
    return bug["raised"] == recorded and (is_there or is_template)


def table(columns: dict[str, list[Result]]) -> str:
    """Return how many results of each column have each outcome, as Markdown."""
    lines = [
        f"| of {len(CASES)} tests | {' | '.join(columns)} |",
        f"|---|{'--:|' * len(columns)}",
    ]
    for outcome in OUTCOMES:
        counts = []
        for results in columns.values():
            count = sum(result.outcome == outcome for result in results)
            counts.append(str(count))
        lines.append(f"| {outcome} | {' | '.join(counts)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    chosen = [case for case in CASES if not sys.argv[1:] or case.name in sys.argv[1:]]
    found = measure(chosen)
    for result in found:
        print(f"{result.outcome:50} {result.case.name:35} {result.detail[:300]}")
    print(table({"tests": found}))
