"""Reads from the database what error pages may say about bugs: see ``known``."""

from __future__ import annotations

from error_tracking import conf
from error_tracking.models import Activity, ErrorGroup, KnownBug

from .known import PublicState

# Each process of the machine reads them: about half a megabyte.
PUBLIC_GROUPS = 5_000
# Of them for groups with a bug, which no amount of new groups displaces.
PUBLIC_BUGS = 4_000


def public_states() -> dict[str, PublicState | None]:
    """
    Return what the error page may say, of the groups that were seen last.

    Returns:
        For each fingerprint the state of its bug; None for a group without one.

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
