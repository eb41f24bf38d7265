"""
Runs everything that must hold: lints, types, contracts, migrations, and the suite on each database and Python here.

A service that cannot be reached is skipped and named in the last lines; with
REQUIRE_SERVICES=1 that is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
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


def run(title: str, command: list[str], **extra: str) -> str | None:
    """Run one step and show it; return its title when it failed."""
    print(f"\n=== {title}", flush=True)
    start = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, **extra}, check=False).returncode
    print(f"--- {title}: {'ok' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - start:.0f} s", flush=True)
    return title if code else None


def main() -> int:
    """Run all steps; return the exit status."""
    missing = missing_services()
    skipped = [f"{name} cannot be reached" for name in missing]
    oldest = environment.find_interpreter("3.11") or sys.executable
    python = str(environment.ensure(ROOT / ".venv", interpreter=oldest, django="5.2", groups=["test", "lint"]))
    tools = str(Path(python).parent)
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
        ("suite, SQLite", [python, "-m", "pytest", "-q", "-rs", "--cov", "--cov-report=term"], {}),
    ]
    without_stories = [python, "-m", "pytest", "-q", "-m", "not integration"]
    for database, name in DATABASES.items():
        if name not in missing:
            steps.append((f"suite, {name}", without_stories, {"TEST_DATABASE": database}))
    for version, django in OTHERS.items():
        title = f"Python {version}, Django {django}"
        interpreter = environment.find_interpreter(version)
        if interpreter is None:
            skipped.append(f"{title}: the interpreter was not found")
            continue
        other = environment.ensure(ROOT / f".venv-{version}", interpreter=interpreter, django=django, groups=["test"])
        steps.append((f"suite, {title}", [str(other), *without_stories[1:]], {}))
    failed = [title for title, command, extra in steps if run(title, command, **extra)]
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
