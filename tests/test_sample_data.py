"""The sample data is what a recorder could have stored: its counts agree, and it can be repeated."""

from __future__ import annotations

import datetime as dt
import sys

import pytest
from django.db.models import F, Sum

from error_tracking.models import (
    ErrorGroup,
    ErrorLog,
    GroupClient,
    HourlyCount,
    HourlyTotal,
    Journal,
    KnownBug,
    Release,
)
from tests.factories import days_differ
from tests.integration.site import ROOT

sys.path.insert(0, str(ROOT / "example"))

from shop.sample_data import Size, fill

NOW = dt.datetime(2026, 3, 10, 12, 30, tzinfo=dt.UTC)
SMALL = Size(logs=400, bugs=30, days=20, users=10)


def total(model, column):
    return model.objects.aggregate(sum=Sum(column))["sum"]


@pytest.fixture
def filled(db):
    fill(SMALL, now=NOW)


def test_counts_of_sample_data_agree(filled):
    seen = total(ErrorLog, "occurrences")
    assert seen >= SMALL.logs
    assert total(HourlyCount, "count") == total(HourlyTotal, "count") == seen
    assert days_differ() == []
    assert total(ErrorGroup, "times_seen") == seen
    of_bugs = ErrorGroup.objects.exclude(bug=None).aggregate(sum=Sum("times_seen"))
    stored = KnownBug.all_objects.aggregate(sum=Sum("occurrence_count"))
    assert stored == of_bugs
    assert not ErrorLog.objects.exclude(fingerprint=F("group__fingerprint")).exists()
    assert not ErrorLog.objects.filter(created__gt=NOW).exists()


def test_sample_data_has_every_state_and_a_bug_that_is_new(filled):
    found = set(KnownBug.objects.values_list("status", flat=True))
    assert found == set(KnownBug.Status.values)
    newest = Release.objects.latest("first_seen")
    assert newest.version == "2026.03.10"
    assert KnownBug.objects.filter(first_release=newest.version).exists()
    assert ErrorGroup.objects.filter(bug=None).exclude(verdict_reason="").exists()
    assert GroupClient.objects.exists()


def test_same_seed_gives_the_same_sample_data(filled):
    first = list(ErrorLog.objects.order_by("pk").values_list("event_id", "created"))
    KnownBug.all_objects.all().hard_delete()
    for model in (ErrorGroup, HourlyTotal, Release, Journal):
        model.objects.all().delete()
    fill(SMALL, now=NOW)
    again = ErrorLog.objects.order_by("pk").values_list("event_id", "created")
    assert list(again) == first
