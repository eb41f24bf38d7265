"""
Which group becomes a bug: now, later or never, and why.

A sweep over the groups that have neither a bug nor a verdict; it never looks at
single events. What is held back stays stored, counted and shown with the reason.
Many new groups with one cause become one incident. What happens far more often
than usual is told from here too.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging

from django.utils import timezone

from . import conf, filing
from .events import CSRF, OUTAGE
from .known import PublicState
from .models import Activity, ErrorGroup, GroupClient, HourlyCount, KnownBug

logger = logging.getLogger("error_tracking")

SWEEP_GROUPS = 200
PUBLIC_GROUPS = 5_000
EVIDENCE_CLIENTS = 3
SPIKE_CLIENTS = 20
SPIKE_EVERY = dt.timedelta(hours=24)
SETTLED = dt.timedelta(hours=2)
NEVER_STATUS_CODES = frozenset({401, 429})
NOT_FOUND = 404

INCIDENT_GROUPS = 5
INCIDENT_SPAN = dt.timedelta(minutes=5)
INCIDENT_LASTS = dt.timedelta(hours=1)
HOLD = dt.timedelta(seconds=10)
HELD = "waits ten seconds: other errors with this cause may follow"


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a group; ``reason`` is shown in the admin."""

    is_bug: bool
    reason: str = ""
    is_final: bool = False


NOW = Decision(is_bug=True)


def decide(group: ErrorGroup, clients: int) -> Decision:
    """Return the decision on *group*, which *clients* distinct clients met in the last 24 hours."""
    settings = conf.get_settings()
    if not group.is_client_error:
        if group.level not in {"error", "fatal", "critical"}:
            return Decision(is_bug=False, reason=f"a message of level {group.level}", is_final=True)
    elif settings.CLIENT_ERROR_BUGS == "none":
        return Decision(is_bug=False, reason="client errors never become bugs here (CLIENT_ERROR_BUGS)")
    elif settings.CLIENT_ERROR_BUGS == "evidence":
        if group.status_code in NEVER_STATUS_CODES:
            return Decision(is_bug=False, reason=f"{group.status_code} is an answer, not a fault", is_final=True)
        if not group.has_evidence:
            return Decision(is_bug=False, reason="nothing shows that this site led the client here")
        if group.error_type != CSRF and clients < EVIDENCE_CLIENTS:
            return Decision(is_bug=False, reason=f"met by {clients} of {EVIDENCE_CLIENTS} clients in 24 hours")
    if group.times_seen >= settings.BUG_THRESHOLD:
        return NOW
    seen = f"seen {group.times_seen} of {settings.BUG_THRESHOLD} times (BUG_THRESHOLD)"
    return Decision(is_bug=False, reason=seen)


def sweep() -> bool:
    """Decide on the groups seen last that wait, in the order they appeared; return whether some wait for seconds."""
    is_held = False
    groups = ErrorGroup.objects.filter(environment=conf.get_settings().environment).order_by("-last_seen")
    waiting = groups.filter(bug=None, verdict=ErrorGroup.Verdict.UNDECIDED)
    for group in sorted(waiting[:SWEEP_GROUPS], key=lambda each: (each.first_seen, each.pk)):
        decision = decide(group, clients_of(group) if group.is_client_error and group.has_evidence else 0)
        if decision.is_bug and not group.is_client_error and _is_held(group):
            decision, is_held = Decision(is_bug=False, reason=HELD), True
        if decision.is_bug:
            _open_or_join(group)
        elif decision.is_final or decision.reason != group.verdict_reason:
            verdict = ErrorGroup.Verdict.NEVER if decision.is_final else ErrorGroup.Verdict.UNDECIDED
            rows = ErrorGroup.objects.filter(pk=group.pk, bug=None)
            rows.update(verdict=verdict, verdict_reason=decision.reason)
    return is_held


def note_spikes() -> None:
    """
    Note which bugs happen far more often than usual, once a day.

    Refused requests that do so from many clients become bugs: a wrong ALLOWED_HOSTS, say.
    """
    settings, now = conf.get_settings(), timezone.now()
    opens = settings.creates_bugs and settings.CLIENT_ERROR_BUGS == "evidence"
    for group, count, usual in HourlyCount.objects.spiking(settings.environment):
        text = f"{count} in this hour, usually {usual:.0f}"
        # A dead link of the site's own shows itself by evidence; what is left are scanners.
        is_refused = group.is_client_error and group.status_code not in {*NEVER_STATUS_CODES, NOT_FOUND}
        if opens and is_refused and group.bug_id is None and clients_of(group) >= SPIKE_CLIENTS:
            bug, _ = open_bug(group)
            bugs, text = KnownBug.objects.filter(pk=bug.pk), f"{text}, from many clients"
        else:  # a bug that is new has just been told of
            bugs = KnownBug.objects.open().filter(pk=group.bug_id, created__lt=now - SETTLED)
        bugs.exclude(spiked_at__gte=now - SPIKE_EVERY).note(Activity.Verb.SPIKING, text=text, spiked_at=now)


def clients_of(group: ErrorGroup) -> int:
    """Return how many distinct clients met *group* yesterday or today, the nearest that whole days tell to 24 hours."""
    since = (timezone.now() - dt.timedelta(hours=24)).date()
    return GroupClient.objects.filter(group=group, day__gte=since).values("hash").distinct().count()


def open_bug(group: ErrorGroup, *, by: str = "", **changes: object) -> tuple[KnownBug, bool]:
    """Return the bug of *group* and whether it was made now; a new one is put into the outbox."""
    bug, is_new = KnownBug.open_for_group(group, by=by, trackers=filing.configured_trackers(), **changes)
    if is_new:
        logger.info("new bug: bug=%s title=%r", bug.bug_id, bug.title)
    return bug, is_new


def _is_held(group: ErrorGroup) -> bool:
    """Return whether *group* looks like the first sign of an outage: a library could not reach something."""
    kind, _, place = group.cause.partition(" in ")
    is_outage = place != group.culprit and OUTAGE.search(kind) is not None
    is_waited_for = conf.get_settings().RECORDER == "thread"
    return is_outage and is_waited_for and timezone.now() - group.created < HOLD and _incident_of(group) is None


def _incident_of(group: ErrorGroup) -> KnownBug | None:
    rows = KnownBug.objects.open().filter(environment=group.environment, cause=group.cause, kind=KnownBug.Kind.INCIDENT)
    found: KnownBug | None = rows.seen_since(group.first_seen - INCIDENT_LASTS).order_by("number").first()
    return found


def _open_or_join(group: ErrorGroup) -> None:
    if not group.cause or group.is_client_error:
        open_bug(group)
        return
    incident = _incident_of(group)
    if incident is not None:
        incident.take_group(group)
        return
    span = (group.first_seen - INCIDENT_SPAN, group.first_seen + INCIDENT_SPAN)
    alike = ErrorGroup.objects.filter(environment=group.environment, cause=group.cause, first_seen__range=span)
    if alike.count() >= INCIDENT_GROUPS:
        _open_incident(list(alike.order_by("first_seen", "pk")[:SWEEP_GROUPS]))
    else:
        open_bug(group)


def _open_incident(groups: list[ErrorGroup]) -> None:
    """Make one bug of *groups*, which have one cause: the first of their young bugs, or a new one."""
    cause = groups[0].cause
    values = {"kind": KnownBug.Kind.INCIDENT, "title": f"Incident: {cause}"[:255]}
    critical = {"severity": KnownBug.Severity.CRITICAL}
    since = timezone.now() - 2 * INCIDENT_SPAN
    young = KnownBug.objects.filter(
        groups__in=groups, status=KnownBug.Status.OPEN, kind=KnownBug.Kind.ERROR, cause=cause, created__gte=since
    )
    bugs = list(young.distinct().order_by("number"))
    if bugs:
        incident = bugs[0]
        values |= {} if incident.has_manual_severity else critical
        KnownBug.all_objects.filter(pk=incident.pk).note(Activity.Verb.EDITED, text="became an incident", **values)
        KnownBug.objects.filter(pk__in=[bug.pk for bug in bugs[1:]]).merge_into(incident)
    else:
        free = [group for group in groups if group.bug_id is None]
        incident, _ = open_bug(free[0], **values, **critical)
    logger.warning("an incident: bug=%s cause=%r groups=%d", incident.bug_id, cause, len(groups))
    for group in groups:
        if group.bug_id is None:
            incident.take_group(group)


def public_states() -> dict[str, PublicState | None]:
    """Return what the error page may say: fingerprint → state of its open bug or None, the groups seen last."""
    groups = ErrorGroup.objects.filter(environment=conf.get_settings().environment).order_by("-last_seen")
    names = ("fingerprint", "bug__status", "bug__is_deleted", "bug__bug_id", "bug__public_message")
    return {
        fingerprint: PublicState(bug_id, status, message) if status in KnownBug.UNRESOLVED and not is_deleted else None
        for fingerprint, status, is_deleted, bug_id, message in groups.values_list(*names)[:PUBLIC_GROUPS]
    }
