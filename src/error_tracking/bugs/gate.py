"""
Which group becomes a bug: now, later or never, and why.

A sweep over the groups about which something is new; it never looks at single
events. What is held back stays stored, counted and shown with the reason. Where
more groups wait than one round decides on, each kind has its share, crashes first.
Many new groups with one cause become one incident. What happens far more often
than usual is reported from here too.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import re
import zlib
from collections.abc import Callable

from django.db import DatabaseError
from django.utils import timezone

from error_tracking import conf, trackers
from error_tracking.events.event import CLIENT_ERROR, OUTAGE
from error_tracking.events.fingerprint import UNRESOLVED, fingerprint_for_response
from error_tracking.events.kinds import OWN_PAGES, QUOTAS
from error_tracking.models import (
    Activity,
    ErrorGroup,
    GroupClient,
    HourlyCount,
    KnownBug,
    Sequence,
)
from error_tracking.report.automatic_texts import (
    automatic_cause,
    automatic_description,
    automatic_title,
)
from error_tracking.utils import hour_of

from .known import PublicState

logger = logging.getLogger("error_tracking")

SWEEP_GROUPS = sum(quota.decided for quota in QUOTAS.values())
# Settings that change while groups wait: those seen in the last week are decided anew.
RECENT = dt.timedelta(days=7)
AGAIN_TIMES = 2  # what is held back is looked at again when it was seen twice as often
PUBLIC_GROUPS = 5_000
PUBLIC_BUGS = 4_000
EVIDENCE_CLIENTS = 3
SPIKE_CLIENTS = 20
SPIKE_EVERY = dt.timedelta(hours=24)
SETTLED = dt.timedelta(hours=2)
#: Answers, which no evidence makes bugs; ``CLIENT_ERROR_BUGS = "all"`` does.
ANSWER_STATUS_CODES = frozenset({401, 429})
NOT_FOUND = 404

INCIDENT_GROUPS = 5
INCIDENT_SPAN = dt.timedelta(minutes=5)
INCIDENT_LASTS = dt.timedelta(hours=1)
HOLD = dt.timedelta(seconds=10)
HELD = "waits ten seconds: other errors with this cause may follow"


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


NOW = Decision(is_bug=True)


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
        return NOW
    seen = f"seen {group.times_seen} of {threshold} times (BUG_THRESHOLD)"
    return Decision(is_bug=False, reason=seen, look_at_count=threshold)


def _decide_on_error(group: ErrorGroup) -> Decision | None:
    """Return why *group* is no bug, None where only its number of errors counts."""
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
    if _is_refused_by_us(group):
        reason = "refused by one of error_tracking's own pages"
        return Decision(is_bug=False, reason=reason, is_final=True)
    if setting == "all":
        return None
    if setting == "none":
        reason = "client errors never become bugs here (CLIENT_ERROR_BUGS)"
        return Decision(is_bug=False, reason=reason)
    if group.status_code in ANSWER_STATUS_CODES:
        reason = f"{group.status_code} is an answer, not a fault"
        return Decision(is_bug=False, reason=reason, is_final=True)
    if group.has_own_origin:
        # Django refused a form of this very site: a missing CSRF_TRUSTED_ORIGINS entry
        # behind a proxy refuses every form there is, so nobody waits for a second one.
        return None
    if not group.has_evidence:
        reason = "nothing shows that this site led the client here"
        return Decision(is_bug=False, reason=reason)
    if clients < EVIDENCE_CLIENTS:
        reason = f"met by {clients} of {EVIDENCE_CLIENTS} clients in 24 hours"
        return Decision(is_bug=False, reason=reason)
    return None


def _is_refused_by_us(group: ErrorGroup) -> bool:
    """
    Return whether our own pages gave the answers in *group*.

    Such as a missing permission.
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
            clients = clients_of(group)
        decision = decide(group, clients)
        if not decision.is_bug:
            _keep_reason(group, decision)
        elif not group.is_client_error and _is_held(group):
            has_more = True
            rows = ErrorGroup.objects.filter(pk=group.pk, bug=None)
            rows.exclude(verdict_reason=HELD).update(verdict_reason=HELD)
        else:
            bug, is_new = _open_or_join(group)
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
    undecided, never = ErrorGroup.Verdict.UNDECIDED, ErrorGroup.Verdict.NEVER
    rows = ErrorGroup.objects.filter(pk=group.pk, bug=None, modified=group.modified)
    rows.update(
        verdict=never if decision.is_final else undecided,
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


def note_spikes() -> list[str]:
    """
    Note which bugs happen far more often than usual, once a day.

    Refused requests that do so from many clients become bugs: a wrong ALLOWED_HOSTS,
    say.

    Returns:
        The ids of the bugs that were created.

    """
    new = []
    settings, now = conf.get_settings(), timezone.now()
    opens = settings.creates_bugs and settings.CLIENT_ERROR_BUGS == "evidence"
    spiking = HourlyCount.objects.spiking(settings.environment, hour_of(now))
    for group, count, usual in spiking:
        text = f"{count} in this hour, usually {usual:.0f}"
        # A dead link of the site's own shows itself by evidence; what is left are
        # scanners.
        is_refused = group.is_client_error and group.status_code not in {
            *ANSWER_STATUS_CODES,
            NOT_FOUND,
        }
        if (
            opens
            and is_refused
            and group.bug_id is None
            and group.verdict != ErrorGroup.Verdict.HIDDEN
            and not _is_refused_by_us(group)
            and clients_of(group) >= SPIKE_CLIENTS
        ):
            bug, is_new = open_bug(group)
            if is_new:
                new.append(bug.bug_id)
            bugs = KnownBug.objects.filter(pk=bug.pk)
            text = f"{text}, from many clients"
        else:  # a bug that is new has just been told of
            bugs = KnownBug.objects.unresolved().filter(
                pk=group.bug_id, created__lt=now - SETTLED
            )
        bugs.exclude(spiked_at__gte=now - SPIKE_EVERY).record_activity(
            Activity.Verb.SPIKING, text=text, spiked_at=now
        )
    return new


def clients_of(group: ErrorGroup) -> int:
    """
    Count the distinct clients of *group* since yesterday.

    Clients are stored per day, so this approximates 24 hours.
    """
    since = (timezone.now() - dt.timedelta(hours=24)).date()
    return (
        GroupClient.objects.filter(group=group, day__gte=since)
        .values("hash")
        .distinct()
        .count()
    )


def open_bug(
    group: ErrorGroup, *, by: str = "", **changes: object
) -> tuple[KnownBug, bool]:
    """
    Return the bug of *group* and whether it was made now.

    A new one is put into the outbox.
    """
    if group.bug_id is None:
        description = _checked(automatic_description, group, "")
        # Without what the message names.
        title = _checked(automatic_title, group, group.title.partition(" (")[0])
        changes = {
            "title": title,
            "description": description,
            "automatic_description": description,
            **changes,
        }
    bug, is_new = KnownBug.open_for_group(
        group, by=by, trackers=trackers.configured_names(), **changes
    )
    if is_new:
        logger.info("new bug: bug=%s title=%r", bug.bug_id, bug.title)
    return bug, is_new


def _checked(
    make: Callable[[ErrorGroup], str], group: ErrorGroup, otherwise: str
) -> str:
    """
    Return a text about *group* that may leave the site.

    Args:
        make: Makes it. It reads the project's URLs and what was stored, and a bug
            matters more than its texts.
        group: The group.
        otherwise: What is returned when it cannot be made.
    """
    try:
        return make(group)
    except DatabaseError:
        # Busy or away: the whole round is repeated.
        raise
    except Exception:
        logger.exception(
            "a text of a bug could not be made: %s group=%s", make.__name__, group.pk
        )
        return otherwise


def _is_held(group: ErrorGroup) -> bool:
    """
    Return whether *group* looks like the first sign of an outage.

    A library could not reach something.
    """
    # "type: what it names", or "type in place" (Event.cause).
    kind, _, place = re.split("(: | in )", f"{group.cause}: ", maxsplit=1)
    is_in_project = place.removesuffix(": ") == group.culprit
    is_outage = not is_in_project and OUTAGE.search(kind) is not None
    is_waited_for = conf.get_settings().RECORDER == "thread"
    return (
        is_outage
        and is_waited_for
        and timezone.now() - group.created < HOLD
        and _incident_of(group) is None
    )


def _incident_of(group: ErrorGroup) -> KnownBug | None:
    rows = KnownBug.objects.unresolved().filter(
        environment=group.environment, cause=group.cause, kind=KnownBug.Kind.INCIDENT
    )
    found: KnownBug | None = (
        rows.seen_since(group.first_seen - INCIDENT_LASTS).order_by("number").first()
    )
    return found


def _open_or_join(group: ErrorGroup) -> tuple[KnownBug, bool]:
    """Give *group* a bug. Return it, and whether it was created now."""
    if not group.cause or group.is_client_error:
        return open_bug(group)
    incident = _incident_of(group)
    if incident is not None:
        incident.add_group(group)
        return incident, False
    span = (group.first_seen - INCIDENT_SPAN, group.first_seen + INCIDENT_SPAN)
    alike = ErrorGroup.objects.filter(
        environment=group.environment, cause=group.cause, first_seen__range=span
    ).exclude(verdict=ErrorGroup.Verdict.HIDDEN)
    if alike.count() >= INCIDENT_GROUPS:
        return _open_incident(list(alike.order_by("first_seen", "pk")[:SWEEP_GROUPS]))
    return open_bug(group)


def _open_incident(groups: list[ErrorGroup]) -> tuple[KnownBug, bool]:
    """
    Make one bug of *groups*, which have one cause.

    The first of their young bugs, or a new one.

    Return it, and whether it was created now.
    """
    cause = groups[0].cause
    public_cause = _checked(automatic_cause, groups[0], cause.partition(": ")[0])
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
        values |= {} if incident.has_manual_severity else critical
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


def public_states() -> dict[str, PublicState | None]:
    """
    Return what the error page may say.

    Fingerprint → state of its open bug or None, the groups seen last.

    Those with a bug have places of their own, which no amount of new groups takes.
    """
    groups = ErrorGroup.objects.filter(
        environment=conf.get_settings().environment
    ).order_by("-last_seen")
    with_bug = groups.exclude(bug=None).values(
        "fingerprint",
        "bug_id",
        "bug__status",
        "bug__is_deleted",
        "bug__bug_id",
        "bug__public_message",
        "bug__public_workaround",
        "bug__public_link",
        "bug__first_occurrence",
        "bug__resolved_in_release",
    )
    started = _work_started()
    states: dict[str, PublicState | None] = {}
    for row in with_bug[:PUBLIC_BUGS]:
        status = row["bug__status"]
        is_shown = status in (*KnownBug.UNRESOLVED, KnownBug.Status.RESOLVED)
        state = None
        if is_shown and not row["bug__is_deleted"]:
            since = row["bug__first_occurrence"]
            state = PublicState(
                bug_id=row["bug__bug_id"],
                status=status,
                public_message=row["bug__public_message"],
                since=since.timestamp() if since else 0.0,
                in_progress_since=started.get(row["bug_id"], 0.0),
                resolved_in_release=row["bug__resolved_in_release"],
                workaround=row["bug__public_workaround"],
                link=row["bug__public_link"],
            )
        states[row["fingerprint"]] = state
    others = groups.filter(bug=None).values_list("fingerprint", flat=True)
    return states | dict.fromkeys(others[: PUBLIC_GROUPS - len(states)])


def _work_started() -> dict[int, float]:
    """Return since when each bug is in progress, in seconds since the epoch."""
    activities = Activity.objects.filter(
        bug__status=KnownBug.Status.IN_PROGRESS, verb=Activity.Verb.IN_PROGRESS
    )
    started = {}
    for activity in activities.order_by("created"):
        started[activity.bug_id] = activity.created.timestamp()
    return started
