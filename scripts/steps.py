"""Steps: commands that must succeed, run with progress on the screen and their output in files."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import environment

PORTS = {"PostgreSQL": 5432, "MariaDB": 3306, "Redis": 6379, "RabbitMQ": 5672}
PROGRAMS = {
    "gh": ("gh",),
    "Chromium": ("chromium", "chromium-browser", "google-chrome"),
    "PgBouncer": ("pgbouncer", "/usr/sbin/pgbouncer"),
}
STILL_SECONDS = 30.0  # longest silence: after it people wonder whether it has hung
#: The suite needs less than half of it. pytest ends a test that hangs; this ends whatever
#: hangs between the tests, or where pytest cannot interrupt it.
STEP_SECONDS = 55 * 60.0
DUMP_SECONDS = 10.0  # for a Python process to write where each of its threads is
TAIL_LINES = 60  # of a failed step: the summary of pytest and the end of a traceback
#: pytest's own progress. Below a tenth the tests at the beginning say little about the rest.
PROGRESS = re.compile(r"\[ *(\d+)%\]$")
LEAST_PERCENT = 10
#: Reading one header from META costs less than building request.headers, for each failed
#: request, and does not raise where a server put something odd into META.
DJANGO_UPGRADE = ["--target-version", "5.2", "--skip", "request_headers"]
DJADE = ["--target-version", "5.2"]
CODE_FOLDERS = ("src", "tests", "example", "scripts", "bench")
#: More failures than this have a cause that a second run would only hide.
MOST_RUN_AGAIN = 3


def is_listening(port: int) -> bool:
    """Return whether something answers on *port* of this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


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
    extra: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Runs a few failed tests a second time, given their names; empty where the step has none.
    again: list[str] = dataclasses.field(default_factory=list)
    number: int = 0
    seconds: float = 0.0
    summary: str = ""
    #: The tests that failed and passed the second time: named in the last lines.
    unsteady: list[str] = dataclasses.field(default_factory=list)

    def run(self, total: int, logs: Path) -> bool:
        """
        Run it and show how far it is; show the end of its output if it failed.

        Args:
            total: Number of steps, shown with the number of this one.

            logs: Folder for the output.

        Returns:
            Whether it succeeded.
        """
        name = f"[{self.number}/{total}] {self.title}"
        log = logs / f"{self.number:02}.log"
        print(f"{name} ...", flush=True)
        status = self._wait(name, log)
        self.summary = "".join(tail(log, 1))
        if status == 0:
            print(f"{name}: ok in {self.seconds:.0f} s  {self.summary}", flush=True)
            return True
        # One print, so that what another step says at this moment does not come between.
        # The names come last: of many failures the end of the log shows only some.
        failed = failed_tests(log)
        shown = [*tail(log, TAIL_LINES), *(f"failed: {test}" for test in failed)]
        lines = "\n".join(f"    {line}" for line in shown)
        print(
            f"{lines}\n{name}: FAILED with status {status} after {self.seconds:.0f} s, "
            f"all of its output is in {log}",
            flush=True,
        )
        return self._passes_again(name, failed, log)

    def _passes_again(self, name: str, failed: list[str], log: Path) -> bool:
        """
        Run a few *failed* tests once more, alone; return whether all of them pass then.

        Thousands of tests share two processor cores with servers and browsers, and some of
        them wait for others. One that passes alone does not fail the run, but it is named
        at the end of it: it hides a fault of the test or of the code.
        """
        if not self.again or not 0 < len(failed) <= MOST_RUN_AGAIN:
            return False
        print(f"{name}: {len(failed)} failed and run again, alone ...", flush=True)
        log = log.with_suffix(".again.log")
        environ = {**self.extra, "TEST_SHARE": "1"}
        if self._wait(name, log, [*self.again, *failed], environ) != 0:
            lines = "\n".join(f"    {line}" for line in tail(log, TAIL_LINES))
            print(f"{lines}\n{name}: FAILED again", flush=True)
            return False
        self.unsteady = failed
        print(f"{name}: ok the second time", flush=True)
        return True

    def _wait(
        self,
        name: str,
        log: Path,
        command: list[str] | None = None,
        extra: dict[str, str] | None = None,
    ) -> int:
        """Run the command to its end, showing every half minute how far it is."""
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command or self.command,
                cwd=environment.ROOT,
                env={**os.environ, **(extra or self.extra)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            while True:
                try:
                    return process.wait(STILL_SECONDS)
                except subprocess.TimeoutExpired:
                    last = "".join(tail(log, 1))
                    passed = time.monotonic() - started
                    if passed > STEP_SECONDS:
                        print(f"{name}: hangs, ended after {passed:.0f} s", flush=True)
                        return _end(process)
                    left = time_left(last, passed)
                    print(
                        f"{name}: {passed:.0f} s so far{left}  {last[-60:]}", flush=True
                    )
                finally:
                    self.seconds = time.monotonic() - started


def _end(process: subprocess.Popen[bytes]) -> int:
    """
    End a *process* that hangs; return its status.

    SIGABRT makes pytest write first what each thread of it is doing.
    """
    process.send_signal(signal.SIGABRT)
    try:
        return process.wait(DUMP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def time_left(line: str, passed: float) -> str:
    """
    Return how long a step will still take, as far as the *line* of its output says.

    Args:
        line: The latest line of the step's output.

        passed: Seconds since the step began.
    """
    found = PROGRESS.search(line.rstrip())
    if found is None or int(found[1]) < LEAST_PERCENT:
        return ""
    percent = int(found[1])
    seconds = passed * (100 - percent) / percent
    if seconds < 60:
        return ", less than a minute left"
    return f", about {seconds / 60:.0f} min left"


def failed_tests(path: Path) -> list[str]:
    """Return the names of the tests that failed, from pytest's summary in the file *path*."""
    text = path.read_text(encoding="utf-8", errors="replace")
    words = (line.split() for line in text.splitlines())
    return [
        found[1]
        for found in words
        if len(found) > 1 and found[0] in {"FAILED", "ERROR"} and "::" in found[1]
    ]


def tail(path: Path, lines: int) -> list[str]:
    """Return the last *lines* of the file *path* that are not empty."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]


def run_all(
    steps: list[Step],
    at_once: list[Step],
    last: list[Step] | None = None,
    *,
    times: Path | None = None,
) -> list[Step]:
    """
    Run *steps* one after the other, *at_once* two at a time, then *last*; return the failed.

    Args:
        steps: Steps of which each must have ended before the next begins.

        at_once: Steps that do not disturb each other.

        last: Steps that need the results of those before.

        times: A file that keeps how long each step took, to say so the next time.
    """
    last = last or []
    all_steps = [*steps, *at_once, *last]
    for number, step in enumerate(all_steps, 1):
        step.number = number
    total = len(all_steps)
    _show_last_time(times)
    logs = Path(tempfile.mkdtemp(prefix="error_tracking-tests-"))
    started = time.monotonic()
    passed = [step.run(total, logs) for step in steps]
    with ThreadPoolExecutor(2) as pool:
        passed += pool.map(lambda step: step.run(total, logs), at_once)
    passed += [step.run(total, logs) for step in last]
    minutes = (time.monotonic() - started) / 60
    if times is not None:
        times.write_text(json.dumps({"minutes": minutes}), encoding="utf-8")
    failed = [step for step, is_ok in zip(all_steps, passed, strict=True) if not is_ok]
    print("\n" + "=" * 70)
    for step in all_steps:
        for test in step.unsteady:
            print(f"UNSTEADY: {test} failed, and passed when run again ({step.title})")
    for step in failed:
        print(f"FAILED: {step.title}")
    print(f"{total - len(failed)} of {total} steps passed in {minutes:.0f} minutes")
    if not failed and not any(step.unsteady for step in all_steps):
        shutil.rmtree(logs, ignore_errors=True)
    return failed


def _show_last_time(times: Path | None) -> None:
    if times is None or not times.exists():
        return
    minutes = json.loads(times.read_text(encoding="utf-8"))["minutes"]
    print(f"The last run here took {minutes:.0f} minutes.")


def main_python() -> str:
    """Return the Python of ``.venv``, made where it is missing: the oldest that is supported."""
    return str(
        environment.ensure(
            environment.ROOT / ".venv",
            interpreter=environment.find_interpreter("3.11") or sys.executable,
            groups=[environment.django_group("5.2"), "test", "lint", "docs"],
        )
    )


def quality_steps(python: str) -> list[Step]:
    """
    Return the steps that need neither a database nor much time, run with *python*.

    .pre-commit-config.yaml runs the same programs in the same versions.
    """
    root = environment.ROOT
    tools = str(Path(python).parent)
    sources_of_python: list[str] = []
    for folder in CODE_FOLDERS:
        sources_of_python += map(str, sorted((root / folder).rglob("*.py")))
    templates = sorted(map(str, (root / "src").rglob("templates/**/*.html")))
    sources = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(environment.ROOT),
    }
    migrations = ["makemigrations", "--check", "--dry-run", "error_tracking"]
    return [
        Step("lint", [f"{tools}/ruff", "check"]),
        Step("format", [f"{tools}/ruff", "format", "--check"]),
        Step(
            "django-upgrade",
            [f"{tools}/django-upgrade", *DJANGO_UPGRADE, *sources_of_python],
        ),
        Step("djade", [f"{tools}/djade", "--check", *DJADE, *templates]),
        Step("types", [f"{tools}/mypy"]),
        Step("contracts", [f"{tools}/lint-imports"]),
        Step("migrations", [python, "-m", "django", *migrations], sources),
    ]
