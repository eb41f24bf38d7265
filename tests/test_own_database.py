"""A database of its own: everything works with it, also when the site's own is down."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SITE = """
    import os, sys
    import django
    from django.conf import settings
    folder = sys.argv[1]
    sqlite = "django.db.backends.sqlite3"
    settings.configure(
        SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__", USE_TZ=True,
        INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                        "django.contrib.sessions", "django.contrib.messages", "error_tracking"],
        MIDDLEWARE=["error_tracking.middleware.ErrorCaptureMiddleware",
                    "django.contrib.sessions.middleware.SessionMiddleware",
                    "django.contrib.auth.middleware.AuthenticationMiddleware",
                    "django.contrib.messages.middleware.MessageMiddleware"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
            "context_processors": ["django.template.context_processors.request",
                                   "django.contrib.auth.context_processors.auth",
                                   "django.contrib.messages.context_processors.messages"]}}],
        DATABASES={"default": {"ENGINE": sqlite, "NAME": os.environ.get("SITE_DB", folder + "/site.sqlite3")},
                   "errors": {"ENGINE": sqlite, "NAME": folder + "/errors.sqlite3"}},
        DATABASE_ROUTERS=["error_tracking.routers.ErrorTrackingRouter"], BASE_DIR=folder,
        ERROR_TRACKING={"DATABASE": "errors", "JOURNAL_DIR": folder + "/journals"},
    )
    django.setup()
    from django.contrib import admin
    from django.urls import path
    def crash(request):
        str(request.user)
        raise ValueError("broken")
    urlpatterns = [path("admin/", admin.site.urls), path("crash/", crash)]
    from django.core.management import call_command
    from django.test import Client
    import error_tracking
"""


def run(folder, body, **environment):
    code = textwrap.dedent(SITE) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def site(tmp_path):
    run(
        tmp_path,
        'call_command("migrate", verbosity=0)\ncall_command("migrate", database="errors", verbosity=0)',
    )
    return tmp_path


def test_tables_are_in_their_own_database_only(site):
    found = run(
        site,
        """
        from django.db import connections
        for alias in ("default", "errors"):
            names = connections[alias].introspection.table_names()
            print(alias, sum(name.startswith("error_tracking_") for name in names) > 5, "auth_user" in names)
        """,
    )
    assert found == ["default", "False", "True", "errors", "True", "False"]


def test_an_error_is_captured_and_filed_while_the_sites_database_is_down(site):
    found = run(
        site,
        """
        response = Client(raise_request_exception=False).get("/crash/", headers={"accept": "text/html"})
        assert error_tracking.flush(20)
        from error_tracking.models import ErrorLog, KnownBug
        print(response.status_code, ErrorLog.objects.count(), KnownBug.objects.get().bug_id)
        """,
        SITE_DB="/nonexistent/site.sqlite3",
    )
    assert found == ["500", "1", "B-001"]


def test_deleting_a_user_works_and_the_evidence_stays(site):
    """FAULTS S05, V10."""
    found = run(
        site,
        """
        from django.contrib.auth.models import User
        from error_tracking.models import ErrorLog, KnownBug
        user = User.objects.create_superuser("ann", password="x")
        client = Client(raise_request_exception=False)
        client.force_login(user)
        client.get("/crash/")
        assert error_tracking.flush(20)
        KnownBug.objects.update(assignee=user.pk)
        pk = user.pk
        user.delete()
        User.objects.filter(pk=pk).delete()
        log = ErrorLog.objects.get()
        print(log.user_id == pk, log.user_label)
        other = User.objects.create_superuser("bob", password="x")
        client.force_login(other)
        bug = KnownBug.objects.get().pk
        for url in ("errorlog/", f"errorlog/{log.pk}/change/", "knownbug/", f"knownbug/{bug}/change/",
                    "errorgroup/", "dashboard/"):
            print(client.get(f"/admin/error_tracking/{url}").status_code)
        call_command("error_tracking_prune", verbosity=0)
        call_command("error_tracking_erase", "--user", str(pk), verbosity=0)
        print(ErrorLog.objects.get().user_id)
        """,
    )
    assert found[:2] == ["True", "ann"]
    assert found[2:8] == ["200"] * 6
    assert found[-1] == "None"


def test_assignee_is_found_where_the_users_are(tmp_path):
    printed = run(
        tmp_path,
        """
        call_command("migrate", verbosity=0)
        call_command("migrate", database="errors", verbosity=0)
        from django.contrib.auth.models import Permission, User
        from error_tracking.models import KnownBug
        ada = User.objects.create_user("ada", is_staff=True)
        ada.user_permissions.set(Permission.objects.filter(codename="view_knownbug"))
        bug = KnownBug.objects.create(title="It broke", assignee_id=ada.pk)
        print(KnownBug.objects.get().assignee)
        client = Client()
        client.force_login(ada)
        page = client.get(f"/admin/error_tracking/knownbug/{bug.pk}/change/")
        print(page.status_code, "ada" in page.text.partition("<dt>Who</dt>")[2])
        """,
    )
    assert printed == ["ada", "200", "True"]
