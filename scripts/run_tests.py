"""
Runs everything that must hold: lints, types, contracts, migrations, and the suite on each database and Python here.

A service that cannot be reached is skipped and named in the last lines; with
REQUIRE_SERVICES=1 that is a failure. TEST_SEED repeats the order of a run before.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import environment

ROOT = environment.ROOT
PORTS = {"PostgreSQL": 5432, "MariaDB": 3306, "Redis": 6379, "RabbitMQ": 5672}
PROGRAMS = {"gh": ("gh",), "Chromium": ("chromium", "chromium-browser", "google-chrome")}
OTHERS = {"3.12": "6.0", "3.13": "6.1"}
DATABASES = {"postgres": "PostgreSQL", "mariadb": "MariaDB"}


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
    return missing + [name for name, names in PROGRAMS.items() if not any(map(shutil.which, names))]


def run(title: str, command: list[str], extra: dict[str, str], *, is_quiet: bool = False) -> str | None:
    """Run one step and show it, when it is over with *is_quiet*; return its title when it failed."""
    if not is_quiet:
        print(f"\n=== {title}", flush=True)
    start = time.monotonic()
    output = subprocess.PIPE if is_quiet else None
    environment = {**os.environ, **extra}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, stdout=output, stderr=output and subprocess.STDOUT
    )
    said = f"\n=== {title}\n{done.stdout.decode(errors='replace')}" if is_quiet else ""
    how = "ok" if done.returncode == 0 else f"FAILED ({done.returncode})"
    print(f"{said}--- {title}: {how} in {time.monotonic() - start:.0f} s", flush=True)
    return title if done.returncode else None


def main() -> int:
    """Run all steps; return the exit status."""
    missing = missing_services()
    skipped = [f"{name} cannot be reached" for name in missing]
    oldest = environment.find_interpreter("3.11") or sys.executable
    python = str(environment.ensure(ROOT / ".venv", interpreter=oldest, django="5.2", groups=["test", "lint"]))
    tools = str(Path(python).parent)
    seed = os.environ.get("TEST_SEED") or str(int(time.time()))
    print(f"The order of the tests is that of TEST_SEED={seed}.")
    pytest = ["-m", "pytest", "-q", f"--randomly-seed={seed}"]
    steps: list[tuple[str, list[str], dict[str, str]]] = [
        ("lint", [f"{tools}/ruff", "check"], {}),
        ("format", [f"{tools}/ruff", "format", "--check"], {}),
        ("types", [f"{tools}/mypy"], {}),
        ("contracts", [f"{tools}/lint-imports"], {}),
        (
            "migrations",
            [python, "-m", "django", "makemigrations", "--check", "--dry-run", "error_tracking"],
            {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)},
        ),
        ("stories", [python, *pytest, "-m", "integration"], {}),
    ]
    without_stories = [*pytest, "-m", "not integration"]
    suites: list[tuple[str, list[str], dict[str, str]]] = [
        ("suite, SQLite", [python, *without_stories, "--cov", "--cov-report=term"], {})
    ]
    suites += [
        (f"suite, {name}", [python, *without_stories], {"TEST_DATABASE": database})
        for database, name in DATABASES.items()
        if name not in missing
    ]
    for version, django in OTHERS.items():
        title = f"Python {version}, Django {django}"
        interpreter = environment.find_interpreter(version)
        if interpreter is None:
            skipped.append(f"{title}: the interpreter was not found")
            continue
        other = environment.ensure(ROOT / f".venv-{version}", interpreter=interpreter, django=django, groups=["test"])
        suites.insert(1, (f"suite, {title}", [str(other), *without_stories], {}))
    failed = [title for title, command, extra in steps if run(title, command, extra)]
    with ThreadPoolExecutor(2) as pool:  # without stories there are no servers to disturb
        failed += filter(None, pool.map(lambda step: run(*step, is_quiet=True), suites))
    steps += suites
    print("\n" + "=" * 70)
    for reason in skipped:
        print(f"SKIPPED: {reason}")
    for title in failed:
        print(f"FAILED: {title}")
    is_strict = os.environ.get("REQUIRE_SERVICES") == "1"
    if is_strict and missing:
        print(f"FAILED: REQUIRE_SERVICES=1, and these are missing: {', '.join(missing)}")
    print(
        f"{len(steps) - len(failed)} steps of {len(steps)} passed, nothing skipped"
        if not skipped
        else f"{len(steps) - len(failed)} steps of {len(steps)} passed, {len(skipped)} skipped"
    )
    return 1 if failed or (is_strict and missing) else 0


if __name__ == "__main__":
    sys.exit(main())
