"""
Undoes what a person has just done to bugs, as if it had never been done.

What was recorded is undone only while nothing else has changed it, and only before a
tracker knows of it: trackers wait half a minute. The lines that it added to the history
go, too.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from error_tracking.models import Activity, ErrorGroup, Filing, KnownBug
from error_tracking.models.base import write_alias

# A person notices within seconds that it was the wrong bug; a colleague who watches the
# issue hardly minds half a minute.
OUTSIDE_WAITS = dt.timedelta(seconds=30)
# What is recorded is kept in a session. An incident may have thousands of groups.
MOST_GROUPS = 500
MOST_BUGS = 100

#: The columns that actions change.
COLUMNS = (
    "status",
    "resolved_at",
    "resolved_in_release",
    "grace_until",
    "muted_until",
    "muted_until_count",
    "muted_until_people",
    "assignee_id",
    "is_deleted",
    "deleted_at",
    "merged_into_id",
)

Result = TypeVar("Result")
#: What a bug has in ``COLUMNS``, as JSON knows it.
Values = dict[str, Any]


class CannotUndoError(Exception):
    """Something has changed since, or a tracker knows of it already."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChangedBug:
    """
    What an action has changed about one bug.

    Attributes:
        pk: The primary key of the bug.
        before: Its columns before, those that changed.
        after: All of its columns after.
        moved_groups: The primary keys of its groups that went to another bug.
        moved_bugs: The primary keys of the bugs that had been merged into it.

    """

    pk: int
    before: Values
    after: Values
    moved_groups: list[int]
    moved_bugs: list[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """
    One action that can be undone, in a form that a session stores.

    Attributes:
        bugs: What has changed.
        activities: The primary keys of the lines that it added to histories.

    """

    bugs: list[ChangedBug]
    activities: list[int]

    def as_json(self) -> dict[str, Any]:
        """Return the step as plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Step:
        """Return the step that ``as_json()`` described."""
        return cls([ChangedBug(**bug) for bug in data["bugs"]], data["activities"])


@dataclasses.dataclass(frozen=True, slots=True)
class _State:
    """What a bug is like at one moment."""

    values: Values
    groups: frozenset[int]
    merged: frozenset[int]


def recorded(
    bugs: Collection[int], change: Callable[[], Result], *, by: str
) -> tuple[Result, Step | None]:
    """
    Do *change*, and record how to undo it.

    Trackers learn of it after ``OUTSIDE_WAITS`` at the earliest.

    Args:
        bugs: The primary keys of the bugs that it may change.
        change: What to do.
        by: The user name of who does it.

    Returns:
        What *change* returned, and the step; None if it changed nothing that can be
        undone, or too much to be stored.

    """
    keys = sorted(set(bugs))
    with transaction.atomic(using=write_alias(KnownBug)):
        outbox = Filing.objects.filter(bug__in=keys)
        outbox.hold_until(timezone.now() + OUTSIDE_WAITS)
        before = _states(keys)
        latest = Activity.objects.aggregate(pk=Max("pk"))["pk"] or 0
        result = change()
        after = _states(keys)
        lines = Activity.objects.filter(bug__in=keys, pk__gt=latest, by=by)
        activities = list(lines.values_list("pk", flat=True))
    changed = []
    for pk, state in before.items():
        bug = _difference(pk, state, after[pk])
        if bug is not None:
            changed.append(bug)
    moved = sum(len(bug.moved_groups) for bug in changed)
    if not changed or len(changed) > MOST_BUGS or moved > MOST_GROUPS:
        return result, None
    return result, Step(changed, activities)


def undo(step: Step) -> None:
    """
    Undo *step*.

    Raises:
        CannotUndoError: Something else has changed since, or a tracker knows of it.

    """
    alias = write_alias(KnownBug)
    lines = Activity.objects.filter(pk__in=step.activities)
    with transaction.atomic(using=alias):
        # Those of a merge are also in the history of the bug that survived.
        bugs = {bug.pk for bug in step.bugs} | set(
            lines.values_list("bug_id", flat=True)
        )
        _require_unshown(step, bugs)
        for changed in step.bugs:
            _undo_merge(changed)
        for changed in step.bugs:
            _undo_columns(changed)
        lines.delete()
        _restore_latest_activities(bugs)


def _states(keys: Collection[int]) -> dict[int, _State]:
    bugs = KnownBug.all_objects.filter(pk__in=keys).order_by("pk")
    groups: dict[int, set[int]] = {pk: set() for pk in keys}
    owned = ErrorGroup.objects.filter(bug__in=keys).values_list("bug_id", "pk")
    for bug_pk, pk in owned:
        if bug_pk is not None:
            groups[bug_pk].add(pk)
    merged: dict[int, set[int]] = {pk: set() for pk in keys}
    pointing = KnownBug.all_objects.filter(merged_into__in=keys)
    for bug_pk, pk in pointing.values_list("merged_into_id", "pk"):
        if bug_pk is not None:
            merged[bug_pk].add(pk)
    states = {}
    for bug in bugs:
        states[bug.pk] = _State(
            values={name: _plain(getattr(bug, name)) for name in COLUMNS},
            groups=frozenset(groups[bug.pk]),
            merged=frozenset(merged[bug.pk]),
        )
    return states


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if value is None or isinstance(value, int | bool | str):
        return value
    return str(value)  # a primary key of the project's own: a UUID


def _difference(pk: int, before: _State, after: _State) -> ChangedBug | None:
    names = [name for name in COLUMNS if before.values[name] != after.values[name]]
    if not names:
        return None
    return ChangedBug(
        pk=pk,
        before={name: before.values[name] for name in names},
        after=after.values,
        moved_groups=sorted(before.groups - after.groups),
        moved_bugs=sorted(before.merged - after.merged),
    )


def _require_unshown(step: Step, bugs: Collection[int]) -> None:
    """Raise CannotUndoError if a tracker has shown the change or is about to."""
    if not step.activities:
        return
    filings = Filing.objects.filter(bug__in=bugs)
    # A claim that comes now waits for our COMMIT, and then finds nothing to show.
    list(filings.select_for_update().order_by("pk").values_list("pk", flat=True))
    is_shown = Q(synced_activity_id__gte=min(step.activities))
    is_being_shown = Q(state=Filing.State.CLAIMED)
    if filings.filter(is_shown | is_being_shown).exists():
        raise CannotUndoError(
            _("It is too late to undo it: a tracker knows of it already.")
        )


def _restore_latest_activities(bugs: Collection[int]) -> None:
    """Make the latest line that is left the one that trackers have to show."""
    for pk in sorted(bugs):
        lines = Activity.objects.filter(bug=pk, verb__in=Activity.NEWS)
        latest = lines.aggregate(pk=Max("pk"))["pk"] or 0
        KnownBug.all_objects.filter(pk=pk).update(latest_activity_id=latest)


def _undo_columns(changed: ChangedBug) -> None:
    """Give the bug its former values, on condition that it still has the later ones."""
    values = {name: _read(name, value) for name, value in changed.before.items()}
    conditions = Q()
    for name, value in changed.after.items():
        if value is None:
            conditions &= Q(**{f"{name}__isnull": True})
        else:
            conditions &= Q(**{name: _read(name, value)})
    rows = KnownBug.all_objects.filter(conditions, pk=changed.pk)
    if not rows.update(modified=timezone.now(), **values):
        raise CannotUndoError(_("It cannot be undone: something has changed since."))


def _read(name: str, value: Any) -> Any:
    """Return *value* of the column *name* as the model has it."""
    field = KnownBug._meta.get_field(name.removesuffix("_id"))
    # Of a foreign key, the column is of the type of the key that it points to.
    column: Any = getattr(field, "target_field", field)
    return column.to_python(value)


def _undo_merge(changed: ChangedBug) -> None:
    """Give the bug its groups back, with what they have counted by now."""
    survivor = changed.after.get("merged_into_id")
    if survivor is None or "merged_into_id" not in changed.before:
        return  # it was merged by something else, or long before
    groups = ErrorGroup.objects.filter(pk__in=changed.moved_groups, bug=survivor)
    # This locks the rows: what the recorder adds comes after, and to the bug.
    moved = groups.update(bug=changed.pk, modified=timezone.now())
    if moved != len(changed.moved_groups):
        raise CannotUndoError(_("It cannot be undone: something has changed since."))
    count = ErrorGroup.objects.filter(bug=changed.pk).counted().count
    left = ErrorGroup.objects.filter(bug=survivor).counted()
    bugs = KnownBug.all_objects
    bugs.filter(pk=changed.pk).update(occurrence_count=F("occurrence_count") + count)
    values: Values = {}
    if left.first is not None:
        values = {"first_occurrence": left.first, "last_occurrence": left.last}
    # Never below 0: MariaDB refuses to subtract more from an unsigned column.
    at_least = Greatest(F("occurrence_count"), count)
    bugs.filter(pk=survivor).update(occurrence_count=at_least - count, **values)
    bugs.filter(pk__in=changed.moved_bugs).update(merged_into=changed.pk)
