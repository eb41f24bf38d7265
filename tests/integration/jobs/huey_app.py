"""A huey consumer's tasks, connected as the how-to shows."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

from huey import SqliteHuey  # noqa: E402
from huey.signals import SIGNAL_ERROR  # noqa: E402

import error_tracking  # noqa: E402

from .functions import fail as _fail  # noqa: E402

huey = SqliteHuey("story", filename=os.environ["STORY_DIR"] + "/huey.db")


@huey.signal(SIGNAL_ERROR)
def capture(signal, task, exc=None):
    error_tracking.capture_exception(exc, tags={"task": task.name})


@huey.task()
def fail(number):
    _fail(number)
