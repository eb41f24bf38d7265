"""
The outbox from outside: makes bugs, files them as many processes do, publishes them, or lets time pass.

Its arguments are commands, done one after the other. That time passes means
that leases, pauses and the broker's two minutes are over, which is right only
while nobody is at work.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import time
import traceback

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

from django.conf import settings  # noqa: E402  after setup
from django.core.signals import setting_changed  # noqa: E402
from django.utils import timezone  # noqa: E402

from error_tracking import conf  # noqa: E402
from error_tracking.filing import broker, outbox, runner  # noqa: E402
from error_tracking.models import Filing, KnownBug  # noqa: E402

PAST = timezone.now() - dt.timedelta(minutes=5)


def waiting():
    return Filing.objects.filter(reference="")


def make(count):
    for number in range(int(count)):
        outbox.request(KnownBug.objects.create(title=f"Bug {number}"))


def file_until_nothing_waits(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and waiting().exists():
        if not runner.file_due():
            waiting().filter(state="pending").update(next_attempt_at=PAST)
            time.sleep(0.05)


def file(seconds):
    """Fork one process per environment in STORY_REACHES, print their numbers, wait for all."""
    numbers = []
    for environment in json.loads(os.environ["STORY_REACHES"]):
        number = os.fork()
        if number == 0:
            try:
                os.environ.update(environment)
                settings.ERROR_TRACKING["GITHUB_REPO"] = environment["STORY_REPO"]
                setting_changed.send(
                    None, setting=conf.NAME, value=settings.ERROR_TRACKING, enter=True
                )
                assert environment["STORY_REPO"] == conf.get_settings().GITHUB_REPO
                file_until_nothing_waits(float(seconds))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        numbers.append(number)
    print(*numbers, flush=True)
    print(*(os.waitpid(number, 0)[1] for number in numbers), flush=True)


def work(_):
    import tests.integration.celery_app  # noqa: F401  the app that tasks are published with

    runner.work_as_configured()


def publish(times):
    import tests.integration.celery_app  # noqa: F401

    for pk in [*KnownBug.objects.values_list("pk", flat=True)] * int(times):
        broker.publish(pk)


def wait(seconds):
    deadline = time.monotonic() + float(seconds)
    while time.monotonic() < deadline and waiting().exists():
        time.sleep(0.1)


def pass_time(_):
    Filing.objects.filter(state="claimed").update(next_attempt_at=PAST)
    waiting().update(next_attempt_at=PAST)
    waiting().exclude(published_at=None).update(published_at=PAST)


for argument in sys.argv[1:]:
    name, _, value = argument.partition("=")
    globals()[name](value)
