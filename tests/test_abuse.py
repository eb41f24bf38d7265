"""What outsiders can do to the tracker: storms, floods, evasion, amplification (FAULTS B01, B02, B04, B07, B08)."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Sum
from django.test import Client

import error_tracking
from error_tracking import conf
from error_tracking.models import ErrorGroup, ErrorLog, Filing, KnownBug


def total(model, field):
    return model.objects.aggregate(total=Sum(field))["total"] or 0


def test_whatever_a_client_picks_is_one_group_where_nothing_resolves(outbox):
    """FAULTS B01: path, method, agent, query and host of the site's own; one group per status."""
    for number in range(30):
        client = Client(
            headers={
                "user-agent": f"browser {number}",
                "referer": f"http://evil{number}.example/",
            }
        )
        client.generic(
            ["GET", "POST", "PURGE"][number % 3],
            f"/no/such/{number}/page-{number}/?q={number}",
        )
    assert len(outbox) == 30
    assert len({event.fingerprint for event in outbox}) == 1
    assert not any(event.is_evidence for event in outbox)


def test_messages_and_bodies_split_no_bug(outbox):
    """FAULTS B06: what a client sends is in the message of the exception, and in no fingerprint."""
    client = Client(raise_request_exception=False)
    for number in range(10):
        client.post(
            f"/pets/{number}/?x={number}",
            {"name": f"<{number}>"},
            headers={"user-agent": str(number)},
        )
    assert len({event.fingerprint for event in outbox}) == 1


@pytest.mark.usefixtures("writer_thread")
def test_a_flood_leaves_few_rows_and_exact_counts(configure):
    """FAULTS B02."""
    configure(EVENTS_PER_MINUTE=5)
    client = Client(raise_request_exception=False)
    for number in range(120):
        client.get(f"/no/such/{number}/")
    assert error_tracking.flush(20)
    assert ErrorLog.objects.count() < 30
    assert total(ErrorLog, "occurrences") == total(ErrorGroup, "times_seen") == 120


@pytest.mark.usefixtures("immediate")
def test_a_thousandth_occurrence_causes_nothing_outside(configure, settings):
    """FAULTS B07: one bug and one filing per tracker, however often it happens between powers of ten."""
    client = Client(raise_request_exception=False)
    for _ in range(10):
        client.get("/crash/")
    filed = list(Filing.objects.values_list("tracker", "attempts"))
    files = sorted(settings.BASE_DIR.rglob("*.md"))
    before = [file.read_bytes() for file in files]
    for _ in range(40):
        client.get("/crash/")
    assert KnownBug.objects.count() == 1
    assert filed
    assert list(Filing.objects.values_list("tracker", "attempts")) == filed
    assert [
        file.read_bytes() for file in sorted(settings.BASE_DIR.rglob("*.md"))
    ] == before


def test_no_target_and_no_pattern_can_be_set_in_the_admin(rf):
    """FAULTS B08: where issues go and what is scrubbed or ignored is in the settings only."""
    request = rf.get("/admin/")
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    ours = [
        each
        for model, each in admin.site._registry.items()
        if model._meta.app_label == "error_tracking"
    ]
    changed = [each for each in ours if each.has_change_permission(request)]
    names = {name for each in changed for name in each.get_form(request).base_fields}
    assert "severity" in names  # of a bug something can be edited
    forbidden = "repo url planning scrub ignore exclude proxies pattern webhook token prefix file"
    assert not [
        name for name in names if any(word in name for word in forbidden.split())
    ]
    assert {"GITHUB_REPO", "PLANNING_DIR", "SCRUB_KEYS", "IGNORE_EXCEPTIONS"} <= set(
        conf.Settings.__dataclass_fields__
    )
