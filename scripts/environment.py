"""Makes a virtual environment with the project in it, and again when what it needs has changed."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STAMP = "error-tracking-environment.json"
CONSTRAINTS = ROOT / "constraints.txt"
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


def django_group(version: str) -> str:
    """Return the dependency group that has the Django series *version* ("5.2")."""
    return "django" + version.replace(".", "")


def requirements(groups: list[str]) -> list[str]:
    """Return the requirements of the dependency *groups* in pyproject.toml."""
    known = _pyproject()["dependency-groups"]
    found: list[str] = []
    for group in groups:
        for each in known[group]:
            found += (
                requirements([each["include-group"]])
                if isinstance(each, dict)
                else [each]
            )
    return found


def lowest_requirements() -> list[str]:
    """Return what the project requires, optional parts too, in its lowest versions."""
    project = _pyproject()["project"]
    declared = list(project["dependencies"])
    for each in project["optional-dependencies"].values():
        declared += each
    return [re.sub(r">=([\w.]+).*", r"==\1", each) for each in declared]


def ensure(
    folder: Path,
    *,
    interpreter: str = sys.executable,
    groups: list[str] | None = None,
    is_lowest: bool = False,
) -> Path:
    """
    Make the environment *folder*, unless it exists and is right; return its Python.

    Versions come from constraints.txt, so that two runs test the same.

    Args:
        folder: Where the environment is.

        interpreter: The Python it is made with.

        groups: Dependency groups of pyproject.toml to install as well. One that names a
            series of Django ("django52") makes the environment again if it has another.

        is_lowest: Install the lowest versions that the project declares, instead of
            those in constraints.txt.

    Raises:
        SystemExit: Something could not be installed; the installer has said what.
    """
    python = folder / "bin" / "python"
    groups = groups or []
    wanted = requirements(groups)
    if is_lowest:
        wanted += lowest_requirements()
    stamp = {
        "interpreter": interpreter,
        "requirements": wanted,
        "project": _digest("pyproject.toml"),
        "constraints": "" if is_lowest else _digest("constraints.txt"),
    }
    if python.exists() and _is_enough(_stamp(folder), stamp, groups):
        return python
    print(f"Setting up {folder.name} (once) …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([interpreter, "-m", "venv", str(folder)])
    command = [str(python), "-m", "pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "-e", str(ROOT), *wanted]
    if not is_lowest:
        command += ["--constraint", str(CONSTRAINTS)]
    _run(command)
    (folder / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return python


def _is_enough(have: dict[str, Any], wanted: dict[str, Any], groups: list[str]) -> bool:
    """Return whether an environment with the stamp *have* serves where *wanted* is asked for."""
    same = ["project", "constraints"]
    if any(group.startswith("django") for group in groups):
        same.append("interpreter")
    if any(have.get(name) != wanted[name] for name in same):
        return False
    return set(wanted["requirements"]) <= set(have.get("requirements", []))


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _digest(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def _stamp(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / STAMP).read_text(encoding="utf-8"))
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
