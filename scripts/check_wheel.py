"""
Builds sdist and wheel, checks what is in them, and runs a part of the suite with the wheel alone.

The wheel is built from the sdist, as a packager would, and installed in a fresh
environment; the tests run in a folder that has no src/.

    python scripts/check_wheel.py          # removes what it has built
    python scripts/check_wheel.py dist     # keeps it, if it is right
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import environment

ROOT = environment.ROOT
PACKAGE = ROOT / "src" / "error_tracking"
#: One of each kind that a build has been known to forget.
KINDS = {
    "templates": "error_tracking/templates/*.html",
    "static files": "error_tracking/static/*",
    "translations": "error_tracking/locale/*.mo",
    "migrations": "error_tracking/migrations/0*.py",
    "types": "error_tracking/py.typed",
}
#: Modules that use the templates, static files, translations and migrations of the
#: installed package, and need few libraries.
TESTS = [
    "test_capture",
    "test_dashboard",
    "test_health",
    "test_page_matrix",
    "test_pages",
    "test_testing",
    "test_upgrades",
]


def build(folder: Path) -> tuple[Path, Path]:
    """Build both in *folder*; return the paths of sdist and wheel."""
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    [sdist] = folder.glob("*.tar.gz")
    [wheel] = folder.glob("*.whl")
    return sdist, wheel


def files_of_package() -> set[str]:
    """Return the files of the package's source, as a wheel names them."""
    return {
        str(path.relative_to(PACKAGE.parent))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def problems_of_wheel(wheel: Path) -> list[str]:
    """Return what is missing in *wheel*, and what should not be in it."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    found = {name for name in names if ".dist-info/" not in name}
    problems = _difference(files_of_package(), found, "the wheel")
    for kind, pattern in KINDS.items():
        if not any(_is_below(name, pattern) for name in found):
            problems.append(f"the wheel has no {kind} ({pattern})")
    for name in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
        if not any(each.endswith(f".dist-info/{name}") for each in names):
            problems.append(f"the wheel has no {name}")
    return problems


def _is_below(name: str, pattern: str) -> bool:
    """Return whether *name* is at any depth below the folder of *pattern*, with its ending."""
    folder, _, last = pattern.rpartition("/")
    return name.startswith(f"{folder}/") and Path(name).match(last)


def problems_of_sdist(sdist: Path) -> list[str]:
    """Return what is missing in *sdist*, and what is in it without being in the repository."""
    with tarfile.open(sdist) as archive:
        names = [each.name for each in archive.getmembers() if each.isfile()]
    found = {name.partition("/")[2] for name in names}
    must = {f"src/{name}" for name in files_of_package()}
    must |= {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "pyproject.toml",
        "tests/settings.py",
    }
    problems = [f"the sdist has no {name}" for name in sorted(must - found)]
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        extra = found - set(listed.stdout.splitlines()) - {"PKG-INFO"}
        problems += [f"the sdist has {name}, git does not" for name in sorted(extra)]
    return problems


def _difference(wanted: set[str], found: set[str], where: str) -> list[str]:
    return [
        *(f"{where} has no {name}" for name in sorted(wanted - found)),
        *(f"{where} should not have {name}" for name in sorted(found - wanted)),
    ]


def run_tests(wheel: Path, folder: Path) -> int:
    """Install *wheel* in a fresh environment and run some tests with it; return the status."""
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    wanted = environment.requirements(["django52", "test-core"])
    install = [str(python), "-m", "pip", "install", "--quiet"]
    install += ["--disable-pip-version-check", str(wheel), *wanted]
    install += ["--constraint", str(environment.CONSTRAINTS)]
    subprocess.run(install, check=True)
    project = folder / "project"
    shutil.copytree(ROOT / "tests", project / "tests")
    shutil.copy(ROOT / "pyproject.toml", project)
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("PYTHONPATH", None)
    where = [str(python), "-c", "import error_tracking as e; print(e.__file__)"]
    place = subprocess.check_output(where, cwd=project, env=env, text=True)
    if "site-packages" not in place:
        print(f"The tests would not use the wheel but {place}")
        return 1
    modules = [f"tests/{name}.py" for name in TESTS]
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *modules]
    return subprocess.call(command, cwd=project, env=env)


def main(kept: str = "") -> int:
    """Build, check and test; keep sdist and wheel in the folder *kept*; return the status."""
    with tempfile.TemporaryDirectory(prefix="error_tracking-wheel-") as name:
        folder = Path(name)
        sdist, wheel = build(folder / "dist")
        problems = [*problems_of_sdist(sdist), *problems_of_wheel(wheel)]
        if problems:
            print("\n".join(problems))
            return 1
        print(f"{sdist.name} and {wheel.name} have what they should have.", flush=True)
        status = run_tests(wheel, folder)
        if status == 0 and kept:
            shutil.copytree(folder / "dist", kept, dirs_exist_ok=True)
        return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
