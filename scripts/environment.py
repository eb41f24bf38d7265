"""Makes a virtual environment with the project in it, and makes it anew when what it needs has changed."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "error-tracking-environment.json"
STILL_SECONDS = 30.0  # longest silence: after it people wonder whether it has hung


def find_interpreter(version: str) -> str | None:
    """Return the path of a Python of *version* ("3.13"), None where there is none."""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        *sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python")), reverse=True)
    ]
    on_path = shutil.which(f"python{version}")
    for candidate in [*([on_path] if on_path else []), *candidates]:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run(
            [candidate, "-c", code], capture_output=True, text=True, check=False
        )
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return candidate
    return None


def requirements(groups: list[str]) -> list[str]:
    """Return the requirements of the dependency *groups* in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    known = project["dependency-groups"]
    found: list[str] = []
    for group in groups:
        for each in known[group]:
            found += (
                requirements([each["include-group"]])
                if isinstance(each, dict)
                else [each]
            )
    return found


def ensure(
    folder: Path,
    *,
    interpreter: str = sys.executable,
    django: str = "",
    groups: list[str] | None = None,
) -> Path:
    """
    Make the environment *folder*, unless it is there and right; return its Python.

    Args:
        folder: Where the environment is.

        interpreter: The Python it is made with.

        django: The series of Django in it, "5.2"; the newest the project takes by default.

        groups: Dependency groups of pyproject.toml to install as well.

    Raises:
        SystemExit: Something could not be installed; the installer has said what.
    """
    python = folder / "bin" / "python"
    wanted = [*([f"Django~={django}.0"] if django else []), *requirements(groups or [])]
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = {"interpreter": interpreter, "requirements": wanted, "project": project}
    if python.exists() and _stamp(folder).get("project") == project:
        have = _stamp(folder)
        is_enough = set(wanted) <= set(have.get("requirements", [])) and (
            not django or have == stamp
        )
        if is_enough:
            return python
    print(f"Setting up {folder.name} (once) …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([interpreter, "-m", "venv", str(folder)])
    _run(
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-e",
            str(ROOT),
            *wanted,
        ]
    )
    (folder / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return python


def _stamp(folder: Path) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads(
            (folder / STAMP).read_text(encoding="utf-8")
        )
    except (OSError, ValueError):
        return {}
    return found


def _run(command: list[str]) -> None:
    """Run *command*, and show every half minute that it still runs."""
    process = subprocess.Popen(command)
    started = time.monotonic()
    while True:
        try:
            status = process.wait(STILL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            seconds = time.monotonic() - started
            print(f"  still installing, {seconds:.0f} s", flush=True)
    if status:
        program = Path(command[0]).name
        sys.exit(f"Could not set up the environment: {program} ended with {status}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="where the environment is to be, for example .venv"
    )
    parser.add_argument(
        "groups",
        nargs="*",
        help="dependency groups of pyproject.toml to install as well",
    )
    options = parser.parse_args()
    ensure(ROOT / options.folder, groups=options.groups)
