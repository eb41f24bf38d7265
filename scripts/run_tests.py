"""
Runs everything that must hold: lints, types, contracts, migrations, and the suite on each database and Python here.

A service that cannot be reached is skipped and named in the last lines; with
REQUIRE_SERVICES=1 that is a failure. TEST_SEED repeats the order of a run before.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import environment

ROOT = environment.ROOT
PORTS = {"PostgreSQL": 5432, "MariaDB": 3306, "Redis": 6379, "RabbitMQ": 5672}
PROGRAMS = {
    "gh": ("gh",),
    "Chromium": ("chromium", "chromium-browser", "google-chrome"),
}
OTHERS = {"3.12": "6.0", "3.13": "6.1"}
#: The whole suite on each Python and database takes an hour. One run has all of it with
#: the oldest Python and SQLite, and a share of it, always another, everywhere else.
SHARES = {"3.12": 0.25, "3.13": 0.5, "postgres": 0.6, "mariadb": 0.5}
STILL_SECONDS = 30.0  # longest silence: after it people wonder whether it has hung
TAIL_LINES = 60  # of a failed step: the summary of pytest and the end of a traceback
DATABASES = {"postgres": "PostgreSQL", "mariadb": "MariaDB"}


def is_listening(port: int) -> bool:
    """Return whether something answers on *port* of this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def share_of(name: str) -> str:
    """Return which share of the suite runs with this Python or database; TEST_SHARE=1 asks for all of it."""
    return os.environ.get("TEST_SHARE") or str(SHARES[name])


def missing_services() -> list[str]:
    """Return the names of the services and programs that cannot be used here."""
    missing = [name for name, port in PORTS.items() if not is_listening(port)]
    return missing + [
        name for name, names in PROGRAMS.items() if not any(map(shutil.which, names))
    ]


@dataclasses.dataclass
class Step:
    """One command that must succeed, and where its output goes."""

    title: str
    command: list[str]
    extra: dict[str, str]
    number: int = 0

    def run(self, total: int, logs: Path) -> bool:
        """Run it and show how far it is; show the end of its output and return False when it failed."""
        name = f"[{self.number}/{total}] {self.title}"
        log = logs / f"{self.number:02}.log"
        started = time.monotonic()
        print(f"{name} ...", flush=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **self.extra},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            while True:
                try:
                    status = process.wait(STILL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    seconds = time.monotonic() - started
                    last = "".join(tail(log, 1))[-60:]
                    print(f"{name}: {seconds:.0f} s so far  {last}", flush=True)
        seconds = time.monotonic() - started
        if status == 0:
            summary = "".join(tail(log, 1))
            print(f"{name}: ok in {seconds:.0f} s  {summary}", flush=True)
            return True
        # One print, so that what another step says at this moment does not come between.
        # The names come last: of many failures the end of the log shows only some.
        shown = [*tail(log, TAIL_LINES), *failed_tests(log)]
        lines = "\n".join(f"    {line}" for line in shown)
        print(
            f"{lines}\n{name}: FAILED with status {status} after {seconds:.0f} s, "
            f"all of its output is in {log}",
            flush=True,
        )
        return False


def failed_tests(path: Path) -> list[str]:
    """Return the names of the tests that failed, from pytest's summary in the file *path*."""
    text = path.read_text(encoding="utf-8", errors="replace")
    words = (line.split() for line in text.splitlines())
    return [
        f"failed: {found[1]}"
        for found in words
        if len(found) > 1 and found[0] in {"FAILED", "ERROR"} and "::" in found[1]
    ]


def tail(path: Path, lines: int) -> list[str]:
    """Return the last *lines* of the file *path* that are not empty."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]


def main() -> int:
    """Run all steps; return the exit status."""
    missing = missing_services()
    skipped = [f"{name} cannot be reached" for name in missing]
    oldest = environment.find_interpreter("3.11") or sys.executable
    python = str(
        environment.ensure(
            ROOT / ".venv",
            interpreter=oldest,
            django="5.2",
            groups=["test", "lint", "docs"],
        )
    )
    tools = str(Path(python).parent)
    seed = os.environ.get("TEST_SEED") or str(int(time.time()))
    print(f"The order of the tests is that of TEST_SEED={seed}.")
    pytest = ["-m", "pytest", "-q", f"--randomly-seed={seed}"]
    sources = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
    migrations = ["makemigrations", "--check", "--dry-run", "error_tracking"]
    steps = [
        Step("lint", [f"{tools}/ruff", "check"], {}),
        Step("format", [f"{tools}/ruff", "format", "--check"], {}),
        Step("types", [f"{tools}/mypy"], {}),
        Step("contracts", [f"{tools}/lint-imports"], {}),
        Step("migrations", [python, "-m", "django", *migrations], sources),
        Step("docs", [python, "scripts/build_docs.py"], {}),
    ]
    without_stories = [*pytest, "-m", "not integration"]
    # Not --cov: our own plugin for pytest is imported before pytest-cov begins.
    measured = ["-m", "coverage", "run", *without_stories]
    stories = Step("stories", [python, *pytest, "-m", "integration"], {})
    suites = [Step("suite, SQLite", [python, *measured], {})]
    for version, django in OTHERS.items():
        title = f"Python {version}, Django {django}"
        interpreter = environment.find_interpreter(version)
        if interpreter is None:
            skipped.append(f"{title}: the interpreter was not found")
            continue
        other = environment.ensure(
            ROOT / f".venv-{version}",
            interpreter=interpreter,
            django=django,
            groups=["test"],
        )
        command = [str(other), *without_stories]
        suites.append(
            Step(f"suite, {title}", command, {"TEST_SHARE": share_of(version)})
        )
    for database, name in DATABASES.items():
        if name not in missing:
            extra = {"TEST_DATABASE": database, "TEST_SHARE": share_of(database)}
            suites.append(Step(f"suite, {name}", [python, *without_stories], extra))
    # The stories wait for servers most of their time, so a suite beside them costs little.
    at_once = [stories, *suites]
    coverage = Step("coverage", [python, "-m", "coverage", "report"], {})
    all_steps = [*steps, *at_once, coverage]
    for number, step in enumerate(all_steps, 1):
        step.number = number
    total = len(all_steps)
    logs = Path(tempfile.mkdtemp(prefix="error_tracking-tests-"))
    started = time.monotonic()
    passed = [step.run(total, logs) for step in steps]
    with ThreadPoolExecutor(2) as pool:
        passed += pool.map(lambda step: step.run(total, logs), at_once)
    passed.append(coverage.run(total, logs))
    failed = [
        step.title for step, is_ok in zip(all_steps, passed, strict=True) if not is_ok
    ]
    minutes = (time.monotonic() - started) / 60
    print("\n" + "=" * 70)
    for reason in skipped:
        print(f"SKIPPED: {reason}")
    for title in failed:
        print(f"FAILED: {title}")
    is_strict = os.environ.get("REQUIRE_SERVICES") == "1"
    if is_strict and missing:
        print(
            f"FAILED: REQUIRE_SERVICES=1, and these are missing: {', '.join(missing)}"
        )
    skips = f"{len(skipped)} skipped" if skipped else "nothing skipped"
    print(
        f"{total - len(failed)} of {total} steps passed in {minutes:.0f} minutes, {skips}"
    )
    if not failed:
        shutil.rmtree(logs, ignore_errors=True)
    return 1 if failed or (is_strict and missing) else 0


if __name__ == "__main__":
    sys.exit(main())
