"""
Decides which group becomes a bug: now, later or never, and why.

A sweep over the groups about which something is new; it never looks at single
events. What is held back stays stored, counted and shown with the reason. Where
more groups wait than one round decides on, each kind has its share, crashes first.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import zlib

from django.utils import timezone

from error_tracking import conf
from error_tracking.events.event import CLIENT_ERROR
from error_tracking.events.fingerprint import UNRESOLVED, fingerprint_for_response
from error_tracking.events.kinds import OWN_PAGES, QUOTAS
from error_tracking.models import ErrorGroup, Sequence

from .incidents import HELD_REASON, is_first_sign, open_or_join

SWEEP_GROUPS = sum(quota.decided for quota in QUOTAS.values())
# Under new settings, the groups of the last week are decided again: older ones that
# still happen are due anyway.
RECENT = dt.timedelta(days=7)
# What is held back is looked at again when it was seen this many times as often.
AGAIN_TIMES = 2
# One client may be a program that makes up its Referer, and two a person's two devices.
EVIDENCE_CLIENTS = 3
#: Answers, which no evidence makes bugs; ``CLIENT_ERROR_BUGS = "all"`` does.
ANSWER_STATUS_CODES = frozenset({401, 429})


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """
    What becomes of a group.

    Attributes:
        is_bug: Whether it becomes a bug now.

        reason: Why not; shown in the admin.

        is_final: Whether this holds for good.

        look_at_count: How often it must have been seen until the gate looks again; 0
            for when something else about it has changed.

    """

    is_bug: bool
    reason: str = ""
    is_final: bool = False
    look_at_count: int = 0


OPEN_NOW = Decision(is_bug=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Decisions:
    """
    What one sweep of the gate did.

    Attributes:
        new: Ids of the bugs that were created.
        has_more: Whether groups wait for seconds only, so that another sweep is due.

    """

    new: tuple[str, ...] = ()
    has_more: bool = False


def decide(group: ErrorGroup, clients: int) -> Decision:
    """
    Return the decision on *group*.

    *clients* distinct clients met it in the last 24 hours.
    """
    if group.is_client_error:
        held_back = _decide_on_refused(group, clients)
    else:
        held_back = _decide_on_error(group)
    if held_back is not None:
        return held_back
    threshold = conf.get_settings().BUG_THRESHOLD
    if group.times_seen >= threshold:
        return OPEN_NOW
    seen = f"seen {group.times_seen} of {threshold} times (BUG_THRESHOLD)"
    return Decision(is_bug=False, reason=seen, look_at_count=threshold)


def _decide_on_error(group: ErrorGroup) -> Decision | None:
    """Return why *group* is no bug, None where only its number of errors counts."""
    # BEFORE_STORE may have written "critical", as logging calls it.
    if group.level in {"error", "fatal", "critical"}:
        return None
    reason = f"a message of level {group.level}"
    return Decision(is_bug=False, reason=reason, is_final=True)


def _decide_on_refused(group: ErrorGroup, clients: int) -> Decision | None:
    """
    Return why *group*, refused requests, is not a bug.

    None where only how often it is seen counts.
    """
    setting = conf.get_settings().CLIENT_ERROR_BUGS
    if is_refused_by_us(group):
        reason = "refused by one of error_tracking's own pages"
        return Decision(is_bug=False, reason=reason, is_final=True)
    if setting == "all":
        return None
    if setting == "none":
        reason = "client errors never become bugs here (CLIENT_ERROR_BUGS)"
        return Decision(is_bug=False, reason=reason)
    if group.status_code in ANSWER_STATUS_CODES:
        reason = f"{group.status_code} is a normal response, not an error"
        return Decision(is_bug=False, reason=reason, is_final=True)
    if group.has_own_origin:
        # Django refused a form of this very site: a missing CSRF_TRUSTED_ORIGINS entry
        # behind a proxy refuses every form there is, so nobody waits for a second one.
        return None
    if not group.has_evidence:
        reason = "no evidence that this site is at fault"
        return Decision(is_bug=False, reason=reason)
    if clients < EVIDENCE_CLIENTS:
        reason = f"affects {clients} of {EVIDENCE_CLIENTS} required clients in 24 hours"
        return Decision(is_bug=False, reason=reason)
    return None


def is_refused_by_us(group: ErrorGroup) -> bool:
    """
    Return whether our own pages gave the answers in *group*.

    They do to staff without a permission, for example.
    """
    ours = fingerprint_for_response(
        CLIENT_ERROR, group.status_code or 0, UNRESOLVED, OWN_PAGES
    )
    return group.fingerprint == ours


def sweep() -> Decisions:
    """Decide on the groups about which something is new."""
    _look_again_under_other_settings()
    groups, has_more = _groups_to_decide()
    new = []
    for group in groups:
        clients = 0
        if group.is_client_error and group.has_evidence:
            clients = group.clients_since_yesterday()
        decision = decide(group, clients)
        if not decision.is_bug:
            _keep_reason(group, decision)
        elif not group.is_client_error and is_first_sign(group):
            has_more = True
            rows = ErrorGroup.objects.filter(pk=group.pk, bug=None)
            rows.exclude(verdict_reason=HELD_REASON).update(verdict_reason=HELD_REASON)
        else:
            bug, is_new = open_or_join(group)
            if is_new:
                new.append(bug.bug_id)
    return Decisions(tuple(new), has_more)


def _groups_to_decide() -> tuple[list[ErrorGroup], bool]:
    """
    Return the groups of this round, and whether more wait.

    They are in the order in which they appeared; where more wait, crashes come first.
    """
    due = ErrorGroup.objects.due(conf.get_settings().environment)
    groups = list(due[: SWEEP_GROUPS + 1])
    if len(groups) <= SWEEP_GROUPS:
        return groups, False
    chosen: list[ErrorGroup] = []
    for kind, quota in QUOTAS.items():
        chosen += due.of_kind(kind)[: quota.decided]
    return chosen, True


def _keep_reason(group: ErrorGroup, decision: Decision) -> None:
    """
    Store why *group* is no bug, and leave it alone until it changes.

    Not where something has changed meanwhile: then the next round decides.
    """
    verdict = ErrorGroup.Verdict.UNDECIDED
    if decision.is_final:
        verdict = ErrorGroup.Verdict.NEVER
    rows = ErrorGroup.objects.filter(pk=group.pk, bug=None, modified=group.modified)
    rows.update(
        verdict=verdict,
        verdict_reason=decision.reason,
        is_due=False,
        look_at_count=decision.look_at_count or AGAIN_TIMES * group.times_seen,
    )


def _look_again_under_other_settings() -> None:
    """Make the held-back groups due when the settings have changed."""
    settings = conf.get_settings()
    rules = f"{settings.CLIENT_ERROR_BUGS} {settings.BUG_THRESHOLD}"
    number = zlib.crc32(rules.encode()) >> 1  # fits into a signed column
    if Sequence.change(f"gate:{settings.environment}"[:50], number):
        ErrorGroup.objects.filter(
            environment=settings.environment,
            bug=None,
            verdict=ErrorGroup.Verdict.UNDECIDED,
            last_seen__gte=timezone.now() - RECENT,
        ).update(is_due=True)
