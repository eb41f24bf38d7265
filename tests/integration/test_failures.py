"""Each failure in each web library, on a real server, with another tracker beside ours."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import subprocess
import sys
import time

import pytest

from .failures import table
from .site import ROOT, Site, database, lack

pytestmark = pytest.mark.integration

QUERY = "?query=%7Bbasket%7D"
#: Failure, library, the module it needs, address, whether another tracker sees it.
FAILURES = [
    ("view", "Django", "django", "/crash/"),
    ("async view", "Django", "django", "/async/"),
    ("class-based view", "Django", "django", "/class/"),
    ("view, answered by a middleware", "Django", "django", "/answered/"),
    ("`capture_exception(); raise`", "Django", "django", "/raised/"),
    ("template", "Django", "django", "/template/"),
    ("body that is streamed", "Django", "django", "/streamed/"),
    ("`sys.exit(1)` in a view", "Django", "django", "/leave/"),
    ("view", "Django REST framework", "rest_framework", "/drf/crash/"),
    (
        "view, answered by an EXCEPTION_HANDLER",
        "Django REST framework",
        "rest_framework",
        "/drf/answered/",
    ),
    ("serializer", "Django REST framework", "rest_framework", "/drf/serializer/"),
    ("operation", "django-ninja", "ninja", "/ninja/crash"),
    (
        "operation, answered by an exception handler",
        "django-ninja",
        "ninja",
        "/ninja/own/answered",
    ),
    ("resolver", "graphene", "graphene", f"/graphene/{QUERY}"),
    ("resolver", "ariadne", "ariadne", f"/ariadne/{QUERY}"),
    ("resolver", "strawberry", "strawberry", f"/strawberry/{QUERY}"),
]


def python_with(module):
    """Return an interpreter that has *module*: this one, or that of another environment of the suite."""
    if importlib.util.find_spec(module) is not None:
        return sys.executable
    for name in (".venv-3.13", ".venv-3.12"):
        python = ROOT / name / "bin" / "python"
        if python.exists():
            command = [str(python), "-c", f"import {module}"]
            if not subprocess.run(
                command, check=False, stderr=subprocess.DEVNULL
            ).returncode:
                return str(python)
    return None


class FailuresSite(Site):
    """The site with every library, behind gunicorn of the interpreter that has them."""

    def __init__(self, folder, environment, python):
        super().__init__(folder, environment)
        self.environment["DJANGO_SETTINGS_MODULE"] = (
            "tests.integration.failures.settings"
        )
        self.python = python

    def __enter__(self):
        self.command("-m", "django", "migrate", "-v0")
        with (self.folder / "web.log").open("wb") as output:
            server = subprocess.Popen(
                [
                    *(self.python, "-m", "gunicorn", f"--bind=127.0.0.1:{self.port}"),
                    *("--workers=1", "tests.integration.wsgi:application"),
                ],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(server)
        self._await(lambda: self.get("/fine/")[0] == 200, "the site")
        return self

    def others(self):
        """Return how many errors the other tracker has seen."""
        path = self.folder / "others.jsonl"
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize("module", sorted({each[2] for each in FAILURES}))
def test_each_failure_is_stored_once_and_other_trackers_see_what_they_saw(
    tmp_path, module
):
    python = python_with(module)
    if python is None:
        lack(f"{module} is installed in no environment of the suite")
    failures = [each for each in FAILURES if each[2] == module]
    with (
        database("sqlite", tmp_path) as environment,
        FailuresSite(tmp_path, environment, python) as site,
    ):
        seen = {}
        for number, (failure, library, _module, address) in enumerate(failures, 1):
            before = site.others()
            with contextlib.suppress(OSError, http.client.HTTPException):
                site.get(address, accept="application/json")
            state = site.probe("wait", number, 20)
            assert state["logs"] == number, (failure, library, state["groups"])
            time.sleep(0.2)
            [new] = [
                group for group in state["groups"] if group["fingerprint"] not in seen
            ]
            seen[new["fingerprint"]] = new
            others = site.others() - before
            words = {0: "not seen", 1: "once", 2: "twice"}.get(others, str(others))
            table.note(failure, library, new["title"], new["times_seen"], words)
    totals = {name: state[name] for name in ("logs", "seen", "hourly", "totals")}
    assert set(totals.values()) == {len(failures)}, json.dumps(totals)
