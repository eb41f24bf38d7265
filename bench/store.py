"""How many whole events per second the store takes from a journal; prints JSON for the database of BENCH_DATABASE."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench import site
from bench.paired import FORM

EVENTS = 3_000


def main() -> int:
    """Fill a journal, then measure how it is drained."""
    site.VARIANT = "django-error-tracking"
    site.configure()
    from django.core.management import call_command
    from django.http import HttpResponse
    from django.test import RequestFactory

    from bench.urls import deep
    from error_tracking import recorder
    from error_tracking.capture import service
    from error_tracking.models import ErrorLog
    from error_tracking.recorder import worker
    from error_tracking.recorder.journal import EVENT, JournalFile

    call_command("migrate", verbosity=0)
    payloads: list[bytes] = []
    recorder.submit = lambda event: payloads.append(event.to_bytes())
    recorder.fold = lambda *_: ""
    request = RequestFactory().post("/fail", FORM)
    request.POST.get("field_1")
    for _ in range(EVENTS):
        try:
            deep(11)
        except ValueError as error:
            service.ErrorCaptureService().capture_error(
                request, HttpResponse(status=500), error
            )
    journal = JournalFile.create(Path(site.FOLDER), "0" * 32)
    for payload in payloads:
        journal.append(EVENT, payload)
    process = worker.Worker()
    process.intake.journals.append(journal)
    start = time.perf_counter()
    process.drainer.drain_all()
    seconds = time.perf_counter() - start
    stored = ErrorLog.objects.count()
    print(
        json.dumps(
            {
                "events": stored,
                "bytes each": len(payloads[0]),
                "rows per second": stored / seconds,
            }
        )
    )
    return 0 if stored == EVENTS else 1


if __name__ == "__main__":
    sys.exit(main())
