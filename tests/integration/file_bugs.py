"""
The outbox from outside: makes bugs, files them as one of many processes, publishes them, or ends what waits.

What ends what waits stands for the time that passes: leases, pauses and the
broker's two minutes are over. It is run while nobody is at work.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

from django.utils import timezone  # noqa: E402

from error_tracking import filing, runners, tasks  # noqa: E402
from error_tracking.models import Filing, KnownBug  # noqa: E402

command, arguments = sys.argv[1], sys.argv[2:]
past = timezone.now() - dt.timedelta(minutes=5)
if command in {"work", "publish"}:
    import tests.integration.celery_app  # noqa: F401  the app that tasks are published with
if command == "make":
    for number in range(int(arguments[0])):
        filing.request(KnownBug.objects.create(title=f"Bug {number}"))
elif command == "file":
    go, seconds = Path(arguments[0]), float(arguments[1])
    while not go.exists():
        time.sleep(0.005)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and Filing.objects.filter(reference="").exists():
        if not runners.file_due():
            Filing.objects.filter(state="pending", reference="").update(next_attempt_at=past)
            time.sleep(0.05)
elif command == "work":
    runners._work()
elif command == "publish":
    for pk in KnownBug.objects.values_list("pk", flat=True):
        tasks.publish(pk)
elif command == "pass-time":
    Filing.objects.filter(state="claimed").update(claimed_until=past)
    Filing.objects.filter(reference="").update(next_attempt_at=past)
    Filing.objects.filter(reference="").exclude(published_at=None).update(published_at=past)
