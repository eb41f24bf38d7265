"""
Runs parts of Django's own test suite without and with our middleware installed first, and compares.

Takes the source distribution of the Django that is installed, puts the
middleware in front of whatever MIDDLEWARE a test sets, with ERROR_PAGES off, and
names every test that fails with it and passes without. Run it with the Python
of an environment that has the project:

    .venv/bin/python scripts/django_suite.py
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
LABELS = (
    "handlers middleware middleware_exceptions csrf_tests view_tests asgi wsgi requests_tests responses test_client "
    "logging_tests"
)

# Run in place of runtests.py: the middleware goes in where Django builds its chain, so no test can leave it out.
TRACKED = """
import sys
folder = sys.argv.pop(1)
sys.path.insert(0, folder)
sys.argv[0] = folder + "/runtests.py"
from django.conf import global_settings
global_settings.ERROR_TRACKING = {"ERROR_PAGES": False}
from django.core.handlers import base
from django.conf import settings
load = base.BaseHandler.load_middleware
PATH = "error_tracking.middleware.ErrorCaptureMiddleware"

class Prefixed:
    def __init__(self, inner):
        self._inner = inner
    def __getattr__(self, name):
        value = getattr(self._inner, name)
        return [PATH, *value] if name == "MIDDLEWARE" else value

def load_middleware(self, is_async=False):
    base.settings = Prefixed(settings)
    made.append(1)
    try:
        return load(self, is_async)
    finally:
        base.settings = settings

base.BaseHandler.load_middleware = load_middleware
path = sys.argv[0]
source = open(path).read()
source = source.replace("ALWAYS_INSTALLED_APPS = [", "ALWAYS_INSTALLED_APPS = [\\n    'error_tracking',", 1)

import atexit
made = []
def say():
    sys.stderr.write("middleware made " + str(len(made)) + " times\\n")
atexit.register(say)
exec(compile(source, path, "exec"), {"__name__": "__main__", "__file__": path})
"""


def source_of_django(folder: Path) -> Path:
    """Return the unpacked source distribution of the installed Django."""
    version = django.get_version()
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        ":all:",
    ]
    subprocess.run([*command, "--dest", str(folder), f"Django=={version}"], check=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir()) / "tests"


def failures_in(
    tests: Path, labels: list[str], *, is_tracked: bool
) -> tuple[set[str], int]:
    """Run *labels*; return the tests that did not pass, and how many ran."""
    script = (
        [sys.executable, "-c", TRACKED, str(tests)]
        if is_tracked
        else [sys.executable, "runtests.py"]
    )
    path = os.pathsep.join((str(tests), str(ROOT / "src")))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        [*script, "--parallel=1", "--noinput", *labels],
        cwd=tests,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    ran = re.search(r"^Ran (\d+) tests?", done.stderr, re.MULTILINE)
    if ran is None:
        sys.exit(f"the suite did not run:\n{done.stderr[-4_000:]}")
    if is_tracked and not re.search(
        r"^middleware made [1-9]", done.stderr, re.MULTILINE
    ):
        sys.exit("the middleware was never there")
    return set(
        re.findall(r"^(?:FAIL|ERROR): (\S+ \([^)]*\))", done.stderr, re.MULTILINE)
    ), int(ran[1])


def main() -> int:
    """Compare both runs; fail when a test fails that passes without us."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "labels", nargs="*", default=LABELS.split(), help="parts of the suite"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="django-suite-") as folder:
        tests = source_of_django(Path(folder))
        plain, ran_plain = failures_in(tests, options.labels, is_tracked=False)
        tracked, ran_tracked = failures_in(tests, options.labels, is_tracked=True)
    print(
        f"Django {django.get_version()}: {ran_plain} tests without us, {len(plain)} of them fail"
    )
    print(
        f"Django {django.get_version()}: {ran_tracked} tests with us, {len(tracked)} of them fail"
    )
    for name in sorted(tracked - plain):
        print(f"fails with us only: {name}")
    return 1 if tracked - plain or ran_tracked < ran_plain else 0


if __name__ == "__main__":
    sys.exit(main())
