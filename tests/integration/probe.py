"""Looks into a story's database: prints its state as JSON, waits for a count, or resolves the bugs."""

from __future__ import annotations

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

from django.db.models import Sum  # noqa: E402  after setup

from error_tracking.models import (  # noqa: E402
    DailyCount,
    ErrorGroup,
    ErrorLog,
    Filing,
    HourlyCount,
    HourlyTotal,
    KnownBug,
)
from tests.factories import days_differ  # noqa: E402


def total(model, field):
    return model.objects.aggregate(total=Sum(field))["total"] or 0


def state():
    bugs = KnownBug.all_objects.order_by("number").values(
        "bug_id",
        "status",
        "severity",
        "occurrence_count",
        "github_issue_number",
        "github_issue_url",
        "file_name",
    )
    regressed = list(
        KnownBug.all_objects.exclude(regressed_at=None).values_list("bug_id", flat=True)
    )
    return {
        "logs": total(ErrorLog, "occurrences"),
        "seen": total(ErrorGroup, "times_seen"),
        "hourly": total(HourlyCount, "count"),
        "daily": total(DailyCount, "count"),
        "days_differ": days_differ(),
        "totals": total(HourlyTotal, "count"),
        "groups": list(
            ErrorGroup.objects.values(
                "fingerprint", "times_seen", "error_type", "title"
            )
        ),
        "references": list(ErrorLog.objects.values_list("reference", flat=True)[:100]),
        "bugs": list(bugs),
        "regressed": regressed,
        "filings": list(
            Filing.objects.order_by("tracker").values(
                "tracker", "state", "attempts", "reason"
            )
        ),
    }


def wait(count, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        waits = ErrorGroup.objects.filter(
            bug=None, verdict="", verdict_reason=""
        ).exists()
        if (
            total(ErrorGroup, "times_seen") >= count
            and not waits
            and not Filing.objects.exclude(state=Filing.State.FILED).exists()
        ):
            return
        time.sleep(0.2)


if sys.argv[1] == "wait":
    wait(int(sys.argv[2]), float(sys.argv[3]))
elif sys.argv[1] == "resolve":
    KnownBug.objects.all().resolve(by="ada")
print(json.dumps(state()))
