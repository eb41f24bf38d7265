"""Projects that are set up in other ways: each stores its error, files its bug and answers as without us."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SITE = """
    import asyncio, os, sys, uuid
    import django
    from django.conf import settings
    folder = sys.argv[1]
    sqlite = "django.db.backends.sqlite3"
    OURS = "error_tracking.middleware.ErrorCaptureMiddleware"
    values = dict(
        SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__", USE_TZ=True, MIDDLEWARE=[OURS],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "error_tracking"],
        DATABASES={"default": {"ENGINE": sqlite, "NAME": folder + "/site.sqlite3", "OPTIONS": {"timeout": 20}}},
        BASE_DIR=folder, ERROR_TRACKING={"JOURNAL_DIR": folder + "/journals"},
    )
    MIGRATED = ""
    exec(os.environ.get("CHANGES", ""))
    settings.configure(**values)
    django.setup()
    from django.http import HttpResponse
    from django.urls import path
    def crash(request):
        from django.contrib.auth import get_user_model
        get_user_model().objects.count()
        raise ValueError("broken")
    async def acrash(request):
        raise ValueError("broken")
    urlpatterns = [path("crash/", crash), path("acrash/", acrash)]
    from django.core.management import call_command
    from django.test import AsyncClient, Client
    import error_tracking
    call_command("migrate", verbosity=0, run_syncdb=True)
    from django.db import connections
    exec(MIGRATED)
    def stored():
        assert error_tracking.flush(20), error_tracking.health()
        from error_tracking.models import ErrorGroup, ErrorLog, KnownBug
        logs = list(ErrorLog.objects.order_by("pk"))
        users = [repr(log.user_id) for log in logs]
        print(len(logs), KnownBug.objects.count(), error_tracking.health().failures, *users)
        return logs
"""

GET = """
    response = Client(raise_request_exception=False).get("/crash/", headers={"accept": "text/html"})
    print(response.status_code, b"Reference" in response.content)
    stored()
"""


def run(folder, body, changes=""):
    code = textwrap.dedent(SITE) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code, str(folder)],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
        env={**os.environ, "CHANGES": textwrap.dedent(changes)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "swallowed" not in done.stderr
    return done.stdout.splitlines()


PROJECTS = {
    "bare": """
        values["USE_TZ"] = values["USE_I18N"] = False
        values["TIME_ZONE"], values["LOGGING_CONFIG"] = "Asia/Kathmandu", None
        values["DEFAULT_AUTO_FIELD"] = "django.db.models.AutoField"
    """,
    "atomic requests": "values['DATABASES']['default']['ATOMIC_REQUESTS'] = True",
    "immediate and atomic": """
        values["ERROR_TRACKING"]["RECORDER"] = "immediate"
        values["DATABASES"]["default"]["ATOMIC_REQUESTS"] = True
    """,
    "no middleware of ours": "values['MIDDLEWARE'] = []",
    "no base folder": "del values['BASE_DIR']; values['ERROR_TRACKING']['PLANNING_DIR'] = folder + '/planning'",
}


@pytest.mark.parametrize("name", PROJECTS)
def test_an_error_is_stored_and_becomes_a_bug(tmp_path, name):
    found = run(tmp_path, GET, PROJECTS[name])
    has_page = name != "no middleware of ours"
    assert found == [f"500 {has_page}", "1 1 0 None"]


USERS = """
    import types
    from django.db import models
    shop = types.ModuleType("shop"); shop.__path__ = []; sys.modules["shop"] = shop
    from django.apps import AppConfig
    class ShopConfig(AppConfig):
        name, label, path = "shop", "shop", folder
        def import_models(self):
            from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
            class User(AbstractBaseUser):
                {key}
                name = models.CharField(max_length=50)
                USERNAME_FIELD = "name"
                objects = BaseUserManager()
                class Meta: app_label = "shop"
            shop.User = User
            self.models_module = shop
            self.models = self.apps.all_models[self.label]
    shop.ShopConfig = ShopConfig
    values["INSTALLED_APPS"] += ["django.contrib.sessions", "shop.ShopConfig"]
    values["AUTH_USER_MODEL"] = "shop.User"
    values["MIDDLEWARE"] += ["django.contrib.sessions.middleware.SessionMiddleware",
                             "django.contrib.auth.middleware.AuthenticationMiddleware"]
"""

WITH_USER = """
    from django.contrib.auth import get_user_model
    User = get_user_model()
    user = User(name="ann@example.org", {pk}); user.save()
    def crash(request):
        str(request.user.name)
        raise ValueError("broken")
    urlpatterns[0] = path("crash/", crash)
    client = Client(raise_request_exception=False)
    client.force_login(user)
    client.get("/crash/")
    error_tracking.set_user("no such key")
    error_tracking.capture_message("x", level="error")
    [log, other] = stored()
    print(log.user_id == user.pk, log.user_label, other.user_id)
    call_command("error_tracking_erase", "--user", str(user.pk), verbosity=0)
    user.delete()
    stored()
"""


@pytest.mark.parametrize(
    ("key", "pk"),
    [
        ("id = models.UUIDField(primary_key=True, default=uuid.uuid4)", ""),
        ("id = models.CharField(primary_key=True, max_length=30)", "id='a/b c'"),
        ("id = models.BigAutoField(primary_key=True)", "id=2**62"),
    ],
    ids=["uuid", "natural", "big"],
)
def test_any_key_of_a_user_is_kept(tmp_path, key, pk):
    """FAULTS S05, V10."""
    lines = run(tmp_path, WITH_USER.format(pk=pk), USERS.format(key=key))
    assert lines[1].startswith("True ann")
    assert lines[-1].endswith("None None") or "'no such key'" in lines[-1]


def test_a_sync_middleware_around_ours_under_asgi(tmp_path):
    """FAULTS C10: ours is called in a thread then, and captures all the same."""
    body = """
        async def ask():
            for url in ("/acrash/", "/crash/"):
                response = await AsyncClient(raise_request_exception=False).get(url, headers={"accept": "text/html"})
                print(response.status_code, b"Reference" in response.content)
        asyncio.run(ask())
        stored()
    """
    changes = """
        def outer(get_response):
            def call(request):
                return get_response(request)
            return call
        values["MIDDLEWARE"] = ["__main__.outer", OURS, "__main__.outer"]
    """
    assert run(tmp_path, body, changes) == ["500 True", "500 True", "2 2 0 None None"]


def test_a_connection_with_an_open_transaction_keeps_it(tmp_path):
    """FAULTS S02, S03: nothing of ours is in the host's transaction, nor ends it."""
    body = """
        from django.contrib.auth.models import Group
        from django.db import connection, transaction
        try:
            with transaction.atomic():
                Group.objects.create(name="kept back")
                try:
                    raise ValueError("inside")
                except ValueError:
                    error_tracking.capture_exception()
                assert connection.in_atomic_block and not connection.needs_rollback
                raise KeyError("roll back")
        except KeyError:
            pass
        print(Group.objects.count())
        stored()
    """
    assert run(tmp_path, body) == ["0", "1 1 0 None"]


EARLY = """
    import sys
    from error_tracking import add_breadcrumb, capture_exception, capture_message, flush, set_tag, set_user
    def all_of_them():
        add_breadcrumb("x"), set_tag("a", "b"), set_user(None)
        print(bool(capture_exception(ValueError("x"))), bool(capture_message("x")), flush(0.1))
    all_of_them()
    import django
    from django.conf import settings
    settings.configure(
        SECRET_KEY="x", DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", *sys.argv[2:]],
        ERROR_TRACKING={"JOURNAL_DIR": sys.argv[1]}, LOGGING_CONFIG=None,
    )
    django.setup()
    all_of_them()
"""


@pytest.mark.parametrize(
    ("apps", "late"),
    [([], "False False True"), (["error_tracking"], "True True False")],
)
def test_what_is_imported_early_or_without_the_app_raises_nothing(tmp_path, apps, late):
    command = [sys.executable, "-c", textwrap.dedent(EARLY), str(tmp_path), *apps]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["False False True", late]
