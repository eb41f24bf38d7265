"""
Makes the bugs happen in the project's own process, and prints their generated tests.

Runs in a copy of ``project`` that has the bugs: ``python -m tests.fixes.trigger NAME…``
prints JSON, a mapping for each case with its bug file, issue and test, or why there is
none. Everything is as on a running site: the middleware, the recorder, a bug with its
report. Only the database is one in memory.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import os
import re
import sys
import tempfile
import traceback
from decimal import Decimal
from pathlib import Path
from unittest import mock

from tests.fixes.cases import CASES

#: Is in every text of :func:`Trigger.word`, and may be in nothing that leaves the site.
PLANTED = "qplanted"
_TEST = re.compile(
    r"^### A failing test\n(?:(?!^#)[^\n]*\n)*?^(```+)python\n(.*?)^\1$",
    re.MULTILINE | re.DOTALL,
)


def main(names):
    """Print the results of the cases with *names* as JSON."""
    set_up()
    found = {}
    for case in CASES:
        if case.name in names:
            found[case.name] = result_of(case)
    print(json.dumps(found))


def set_up():
    """Start the project with an empty database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "depot.settings")
    import django

    django.setup()
    logging.disable(logging.NOTSET)
    logging.getLogger("django").setLevel(logging.CRITICAL)
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)


def result_of(case, trigger=None):
    """Make *case* fail, and return what was made of it."""
    from error_tracking.capture import context
    from error_tracking.models import ErrorGroup

    trigger = trigger or Trigger()
    context.begin()
    try:
        exec(case.rows, trigger.names)
        before = set(ErrorGroup.objects.values_list("pk", flat=True))
        exec(case.fail, trigger.names)
        new = ErrorGroup.objects.exclude(pk__in=before)
        if len(new) != 1:
            titles = [group.title for group in new]
            return {"problem": f"it made {len(new)} errors: {titles}"}
        return texts_of(new[0])
    except Exception:
        return {"problem": traceback.format_exc()}
    finally:
        trigger.remove()


def texts_of(group):
    from error_tracking.bugs.opening import open_bug
    from error_tracking.report.builder import build_report
    from error_tracking.report.markdown import bug_file, issue_body

    bug, *_ = open_bug(group)
    report = build_report(bug)
    text = bug_file(report)
    found = _TEST.search(text)
    return {
        "file": text,
        "issue": issue_body(report),
        "title": report.title,
        "exception": report.exception_type,
        "test": found[2] if found else "",
    }


class Trigger:
    """The names that ``rows`` and ``fail`` of a case use."""

    _numbers = itertools.count(1)

    def __init__(self):
        from django.apps import apps
        from django.test import Client

        self.client = Client(raise_request_exception=False)
        self._folders = []
        self.names = {
            model.__name__: model
            for model in apps.get_models()
            if model._meta.app_label != "error_tracking"
        }
        self.names |= {"client": self.client, "Decimal": Decimal, "json": json}
        for name in ("word", "key", "slug", "cell", "user", "sign_in", "token"):
            self.names[name] = getattr(self, name)
        for name in ("session", "upload", "file", "folder", "below"):
            self.names[name] = getattr(self, name)
        for name in ("command", "task", "stream"):
            self.names[name] = getattr(self, name)

    def word(self):
        """Return a text as a person writes it, another one each time."""
        return f"Anna {PLANTED}{next(self._numbers)}"

    def key(self):
        """Return a text that no other row has."""
        return self.word()

    def slug(self):
        """Return a text for a path or a host, the same one each time."""
        return f"shop-{PLANTED}"

    def cell(self):
        """Return a text for a cell of a CSV file."""
        return self.word()

    def user(self, kind=""):
        """Return a user: ``staff``, ``superuser``, or with the permission *kind*."""
        from django.contrib.auth.models import Permission, User

        name = self.key().replace(" ", ".")
        user = User.objects.create_user(name, f"{name}@example.net")
        user.is_staff = kind in {"staff", "superuser"}
        user.is_superuser = kind == "superuser"
        user.save()
        if "." in kind:
            label, codename = kind.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=label, codename=codename)
            )
        return user

    def sign_in(self, kind=""):
        self.client.force_login(self.user(kind))

    def token(self):
        """Return the headers of a user of the REST API."""
        from rest_framework.authtoken.models import Token

        token = Token.objects.create(user=self.user())
        return {"authorization": f"Token {token.key}"}

    def session(self, **values):
        session = self.client.session
        session.update(values)
        session.save()
        self.client.cookies["sessionid"] = session.session_key

    def upload(self, name, content):
        from django.core.files.uploadedfile import SimpleUploadedFile

        if isinstance(content, str):
            content = content.encode()
        return SimpleUploadedFile(name, content)

    def file(self, name, content):
        path = Path(self.folder(), name)
        path.write_text(content)
        return str(path)

    def folder(self, *names):
        """Return a new folder that has files with *names*."""
        folder = tempfile.TemporaryDirectory(prefix="fixes-")
        self._folders.append(folder)
        for name in names:
            Path(folder.name, name).touch()
        return folder.name

    @contextlib.contextmanager
    def below(self, script_name):
        """Have ``reverse()`` put *script_name* in front, as a server does."""
        from django.urls import set_script_prefix

        set_script_prefix(f"{script_name}/")
        try:
            yield
        finally:
            set_script_prefix("/")

    def stream(self, response):
        with contextlib.suppress(Exception):
            b"".join(response)

    def command(self, *arguments):
        """Run a command as ``manage.py`` does."""
        from django.core.management import execute_from_command_line

        from error_tracking.integrations.commands import capture_failure

        argv = ["manage.py", *arguments]
        streams = contextlib.redirect_stdout(io.StringIO())
        with mock.patch.object(sys, "argv", argv), streams:
            try:
                execute_from_command_line([*argv, "--skip-checks"])
            except Exception as error:
                # Without the frame of this file, which no site has.
                capture_failure(error.with_traceback(error.__traceback__.tb_next))

    def task(self, name, *args, **kwargs):
        """Run a task as a worker does."""
        from celery import current_app

        current_app.loader.import_default_modules()
        current_app.tasks[f"stock.tasks.{name}"].apply(args, kwargs)

    def remove(self):
        for folder in self._folders:
            folder.cleanup()
        for model in self.names.values():
            if isinstance(model, type) and hasattr(model, "_default_manager"):
                label = model._meta.label_lower
                if label not in {"auth.permission", "contenttypes.contenttype"}:
                    model._default_manager.all().delete()


if __name__ == "__main__":
    main(sys.argv[1:])
