"""Eight processes meet the same new error at once: one group, one bug, one number, an exact count."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .site import ROOT, Site, database

pytestmark = pytest.mark.integration

PROCESSES = 8
TIMES = 50


def run_all(site, *arguments):
    """Start the processes, let them go at once, and wait for all."""
    go = site.folder / "go"
    command = [sys.executable, "-m", *arguments]
    command = [str(go) if each == "GO" else each for each in command]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=site.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(PROCESSES)
    ]
    go.touch()
    outputs = [process.communicate(timeout=120)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, outputs


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb"])
def test_eight_processes_make_one_bug_and_count_exactly(tmp_path, kind):
    """FAULTS S14."""
    with database(kind, tmp_path) as environment:
        site = Site(tmp_path, environment)
        site.command("-m", "django", "migrate", "-v0")
        run_all(site, "tests.integration.raise_many", "GO", str(TIMES))
        state = site.probe("wait", PROCESSES * TIMES, 30)
    expected = PROCESSES * TIMES
    assert [group["times_seen"] for group in state["groups"]] == [expected]
    names = ("logs", "seen", "hourly", "daily", "totals")
    assert [state[name] for name in names] == [expected] * 5
    assert state["days_differ"] == []
    [bug] = state["bugs"]
    assert (bug["bug_id"], bug["occurrence_count"]) == ("B-001", expected)
    assert [path.name for path in site.bug_files()] == [bug["file_name"]]
    assert [filing["state"] for filing in state["filings"]] == ["filed"]


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb"])
def test_eight_processes_give_every_number_once(tmp_path, kind):
    """FAULTS S13, S14."""
    with database(kind, tmp_path) as environment:
        site = Site(tmp_path, environment)
        site.command("-m", "django", "migrate", "-v0")
        run_all(site, "tests.integration.make_bugs", "GO", "10")
        state = site.probe("state")
    numbers = [bug["bug_id"] for bug in state["bugs"]]
    assert numbers == [f"B-{number:03d}" for number in range(1, PROCESSES * 10 + 1)]
