"""
Which group becomes a bug: now, later or never, and why.

A level-triggered sweep over the groups that have neither a bug nor a verdict;
it never looks at single events. Noise stays stored, counted and shown with the
reason it is held back.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging

from django.utils import timezone

from . import conf, filing
from .events import CSRF
from .known import PublicState
from .models import ErrorGroup, GroupClient, KnownBug

logger = logging.getLogger("error_tracking")

SWEEP_GROUPS = 200
PUBLIC_GROUPS = 5_000
EVIDENCE_CLIENTS = 3
NEVER_STATUS_CODES = frozenset({401, 429})


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
        return _at_threshold(group, settings.BUG_THRESHOLD)
    if settings.CLIENT_ERROR_BUGS == "all":
        return _at_threshold(group, settings.BUG_THRESHOLD)
    if settings.CLIENT_ERROR_BUGS == "none":
        return Decision(is_bug=False, reason="client errors never become bugs here (CLIENT_ERROR_BUGS)")
    if group.status_code in NEVER_STATUS_CODES:
        return Decision(is_bug=False, reason=f"{group.status_code} is an answer, not a fault", is_final=True)
    if not group.has_evidence:
        return Decision(is_bug=False, reason="nothing shows that this site led the client here")
    if group.error_type != CSRF and clients < EVIDENCE_CLIENTS:
        return Decision(is_bug=False, reason=f"met by {clients} of {EVIDENCE_CLIENTS} clients in 24 hours")
    return _at_threshold(group, settings.BUG_THRESHOLD)


def _at_threshold(group: ErrorGroup, threshold: int) -> Decision:
    if group.times_seen >= threshold:
        return NOW
    return Decision(is_bug=False, reason=f"seen {group.times_seen} of {threshold} times (BUG_THRESHOLD)")


def sweep() -> int:
    """Decide on the groups seen last that wait, in the order they appeared; return how many became bugs."""
    made = 0
    waiting = ErrorGroup.objects.undecided(conf.get_settings().environment).order_by("-last_seen")
    for group in sorted(waiting[:SWEEP_GROUPS], key=lambda each: (each.first_seen, each.pk)):
        decision = decide(group, clients_of(group) if group.is_client_error and group.has_evidence else 0)
        if decision.is_bug:
            made += open_bug(group)[1]
        elif decision.is_final or decision.reason != group.verdict_reason:
            verdict = ErrorGroup.Verdict.NEVER if decision.is_final else ErrorGroup.Verdict.UNDECIDED
            rows = ErrorGroup.objects.filter(pk=group.pk, bug=None)
            rows.update(verdict=verdict, verdict_reason=decision.reason)
    return made


def clients_of(group: ErrorGroup) -> int:
    """Return how many distinct clients met *group* yesterday or today, the nearest that whole days tell to 24 hours."""
    since = (timezone.now() - dt.timedelta(hours=24)).date()
    return GroupClient.objects.filter(group=group, day__gte=since).values("hash").distinct().count()


def open_bug(group: ErrorGroup, *, by: str = "") -> tuple[KnownBug, bool]:
    """Return the bug of *group* and whether it was made now; a new one is put into the outbox."""
    bug, is_new = KnownBug.open_for_group(group, by=by, trackers=filing.configured_trackers())
    if is_new:
        logger.info("new bug: bug=%s title=%r", bug.bug_id, bug.title)
    return bug, is_new


def public_states() -> dict[str, PublicState | None]:
    """Return what the error page may say: fingerprint → state of its open bug or None, the groups seen last."""
    groups = ErrorGroup.objects.filter(environment=conf.get_settings().environment).order_by("-last_seen")
    names = ("fingerprint", "bug__status", "bug__is_deleted", "bug__bug_id", "bug__public_message")
    return {
        fingerprint: PublicState(bug_id, status, message) if status in KnownBug.UNRESOLVED and not is_deleted else None
        for fingerprint, status, is_deleted, bug_id, message in groups.values_list(*names)[:PUBLIC_GROUPS]
    }
