"""
Makes one bug, an incident, of many new groups with one cause.

The cause is what failed innermost (``Event.cause``): a database that is away fails in
every view. Its first sign waits for some seconds, so that one bug is filed and not one
for each view.
"""

from __future__ import annotations

import datetime as dt
import logging
import re

from django.utils import timezone

from error_tracking import conf
from error_tracking.events.event import OUTAGE
from error_tracking.events.kinds import QUOTAS
from error_tracking.models import Activity, ErrorGroup, KnownBug
from error_tracking.report.automatic_texts import automatic_cause

from .opening import open_bug, text_or

logger = logging.getLogger("error_tracking")

# Fewer may be one fault in a function that several views call.
INCIDENT_GROUPS = 5
# An outage reaches every busy view within minutes.
INCIDENT_SPAN = dt.timedelta(minutes=5)
# What fails an hour after an incident's last error is a new one.
INCIDENT_LASTS = dt.timedelta(hours=1)
# Other views show within seconds whether it is an outage.
INCIDENT_WAIT = dt.timedelta(seconds=10)
HELD_REASON = "waits ten seconds: other errors with this cause may follow"
# As many as the gate decides on in one round.
MOST_GROUPS = sum(quota.decided for quota in QUOTAS.values())


def is_first_sign(group: ErrorGroup) -> bool:
    """
    Return whether *group* looks like the first sign of an outage, and is to wait.

    It does where a library could not reach something a moment ago.
    """
    # "type: what it names", or "type in place" (Event.cause).
    kind, _, place = re.split("(: | in )", f"{group.cause}: ", maxsplit=1)
    is_in_project = place.removesuffix(": ") == group.culprit
    if is_in_project or OUTAGE.search(kind) is None:
        return False
    if conf.get_settings().RECORDER != "thread":
        # Nobody would come back to it.
        return False
    is_young = timezone.now() - group.created < INCIDENT_WAIT
    return is_young and _incident_of(group) is None


def _incident_of(group: ErrorGroup) -> KnownBug | None:
    rows = KnownBug.objects.unresolved().filter(
        environment=group.environment, cause=group.cause, kind=KnownBug.Kind.INCIDENT
    )
    found: KnownBug | None = (
        rows.seen_since(group.first_seen - INCIDENT_LASTS).order_by("number").first()
    )
    return found


def open_or_join(group: ErrorGroup) -> tuple[KnownBug, bool]:
    """
    Give *group* a bug of its own, or make it a part of an incident.

    Returns:
        The bug, and whether it was created now.

    """
    if not group.cause or group.is_client_error:
        return open_bug(group)
    incident = _incident_of(group)
    if incident is not None:
        incident.add_group(group)
        return incident, False
    span = (group.first_seen - INCIDENT_SPAN, group.first_seen + INCIDENT_SPAN)
    similar = ErrorGroup.objects.filter(
        environment=group.environment, cause=group.cause, first_seen__range=span
    ).exclude(verdict=ErrorGroup.Verdict.HIDDEN)
    if similar.count() >= INCIDENT_GROUPS:
        return _open_incident(list(similar.order_by("first_seen", "pk")[:MOST_GROUPS]))
    return open_bug(group)


def _open_incident(groups: list[ErrorGroup]) -> tuple[KnownBug, bool]:
    """
    Make one bug of *groups*, which have one cause: their oldest young bug, or a new one.

    Returns:
        The bug, and whether it was created now.

    """
    cause = groups[0].cause
    public_cause = text_or(automatic_cause, groups[0], cause.partition(": ")[0])
    values = {
        "kind": KnownBug.Kind.INCIDENT,
        "title": f"Incident: {public_cause}"[:255],
    }
    critical = {"severity": KnownBug.Severity.CRITICAL}
    since = timezone.now() - 2 * INCIDENT_SPAN
    young = KnownBug.objects.filter(
        groups__in=groups,
        status=KnownBug.Status.OPEN,
        kind=KnownBug.Kind.ERROR,
        cause=cause,
        created__gte=since,
    )
    bugs = list(young.distinct().order_by("number"))
    is_new = False
    if bugs:
        incident = bugs[0]
        if not incident.has_manual_severity:
            values |= critical
        KnownBug.all_objects.filter(pk=incident.pk).record_activity(
            Activity.Verb.EDITED, text="became an incident", **values
        )
        KnownBug.objects.filter(pk__in=[bug.pk for bug in bugs[1:]]).merge_into(
            incident
        )
    else:
        free = [group for group in groups if group.bug_id is None]
        incident, is_new = open_bug(free[0], **values, **critical)
    logger.warning(
        "an incident: bug=%s cause=%r groups=%d", incident.bug_id, cause, len(groups)
    )
    for group in groups:
        if group.bug_id is None:
            incident.add_group(group)
    return incident, is_new
