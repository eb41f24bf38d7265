"""
Reports what happens far more often than usual in the current hour.

A bug that spikes gets a line in its history. Refused requests that spike with many
clients become a bug after all: a wrong ALLOWED_HOSTS after a deploy, for example.
"""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from error_tracking import conf
from error_tracking.models import Activity, ErrorGroup, HourlyCount, KnownBug
from error_tracking.utils import hour_of

from .gate import ANSWER_STATUS_CODES, is_refused_by_us
from .opening import open_bug

# Fewer may be one scanner with several addresses.
SPIKE_CLIENTS = 20
# A spike lasts for hours, and one line in the history is enough.
SPIKE_EVERY = dt.timedelta(hours=24)
# What is new is far above its usual number, for it had none.
SETTLED = dt.timedelta(hours=2)
NOT_FOUND = 404


def note_spikes() -> list[str]:
    """
    Note which bugs happen far more often than usual, once a day.

    Returns:
        The ids of the bugs that were created.

    """
    new = []
    now = timezone.now()
    environment = conf.get_settings().environment
    for group, count, usual in HourlyCount.objects.spiking(environment, hour_of(now)):
        text = f"{count} in this hour, usually {usual:.0f}"
        if _shows_a_fault(group):
            bug, is_new = open_bug(group)
            if is_new:
                new.append(bug.bug_id)
            bugs = KnownBug.objects.filter(pk=bug.pk)
            text = f"{text}, from many clients"
        else:
            bugs = KnownBug.objects.unresolved().filter(
                pk=group.bug_id, created__lt=now - SETTLED
            )
        bugs.exclude(spiked_at__gte=now - SPIKE_EVERY).record_activity(
            Activity.Verb.SPIKING, text=text, spiked_at=now
        )
    return new


def _shows_a_fault(group: ErrorGroup) -> bool:
    """Return whether *group*, which spikes, is refused requests that become a bug."""
    settings = conf.get_settings()
    if not settings.creates_bugs or settings.CLIENT_ERROR_BUGS != "evidence":
        return False
    if not group.is_client_error or group.bug_id is not None:
        return False
    # A dead link of the site itself shows by evidence; the others are scanners'.
    if group.status_code in {*ANSWER_STATUS_CODES, NOT_FOUND}:
        return False
    if group.verdict == ErrorGroup.Verdict.HIDDEN or is_refused_by_us(group):
        return False
    return group.clients_since_yesterday() >= SPIKE_CLIENTS
