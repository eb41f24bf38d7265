"""
A batch of events to rows, in one transaction, counted exactly.

The journal's position is moved by the first statement, on condition that it is
where the batch starts: whoever comes second stores nothing. Locks are taken in
the order journal, groups, hourly, bugs, logs, totals, and rows of one table in
the order of their keys, so that two writers cannot deadlock.
"""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from error_tracking import conf
from error_tracking.events import LEVELS
from error_tracking.exceptions import StaleJournalError
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
from error_tracking.models.base import moment_from, write_alias
from error_tracking.models.known_bug import count_for_bugs
from error_tracking.utils import hour_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from error_tracking.events import Event

    from .journal import MemoryJournal

CLIENTS_PER_DAY = 1_000

_Key = tuple[str, str]


def store(events: Sequence[Event], *, journal: MemoryJournal | None = None, position: int = 0) -> None:
    """
    Store *events* in one transaction and move *journal* to *position* with them.

    Without a journal the events are stored on the caller's connection, in a
    savepoint of their own when it is in a transaction.

    Raises:
        StaleJournalError: Somebody else has moved the journal; ``journal.position``
            is now what the database says.

        DatabaseError: Nothing was stored.
    """
    alias = write_alias(ErrorLog)
    with transaction.atomic(using=alias):
        if journal is not None:
            _move_journal(alias, journal, position)
        batch = _Batch(alias, events)
        batch.count_groups()
        batch.count_hours()
        batch.count_bugs()
        batch.add_logs()
        batch.add_totals()
        batch.add_clients()
        batch.add_releases()


def _move_journal(alias: str, journal: MemoryJournal, position: int) -> None:
    rows = Journal.objects.using(alias).filter(pk=journal.id)
    moved = rows.filter(position=journal.position).update(
        position=position, lost=journal.lost, heartbeat=timezone.now()
    )
    if moved:
        return
    stored = rows.values_list("position", flat=True).first()
    if stored is not None:
        # Also what follows a COMMIT whose answer was lost: the batch is already there.
        journal.move_to(stored)
        msg = f"journal {journal.id} stands at {stored}"
        raise StaleJournalError(msg)
    Journal.objects.using(alias).create(
        id=journal.id,
        position=position,
        lost=journal.lost,
        pid=os.getpid(),
        server_name=conf.get_settings().server_name[:100],
    )


@dataclasses.dataclass(slots=True)
class _Tally:
    """What a batch adds to one group."""

    first: Event
    last: Event
    count: int = 0
    has_evidence: bool = False
    level: str = LEVELS[0]
    handled: bool = True

    def add(self, event: Event) -> None:
        self.count += 1
        self.level = max(self.level, event.level, key=_rank)
        self.handled = self.handled and event.handled
        self.has_evidence = self.has_evidence or event.is_evidence
        if event.timestamp < self.first.timestamp:
            self.first = event
        if event.timestamp >= self.last.timestamp:
            self.last = event


class _Batch:
    """One batch on its way into the tables."""

    def __init__(self, alias: str, events: Sequence[Event]) -> None:
        self.alias = alias
        self.events = events
        self.tallies: dict[_Key, _Tally] = {}
        for event in events:
            tally = self.tallies.setdefault(_key(event), _Tally(event, event))
            tally.add(event)
        self.groups: dict[_Key, ErrorGroup] = {}

    def count_groups(self) -> None:
        """Insert the groups that are missing, then add to all of them with one UPDATE."""
        self.groups = self._read_groups()
        missing = [_group_from(self.tallies[key]) for key in sorted(self.tallies.keys() - self.groups.keys())]
        if missing:
            ErrorGroup.objects.using(self.alias).bulk_create(missing, ignore_conflicts=True)
            self.groups = self._read_groups()
        counts, first, last, evidence = [], [], [], []
        for key, group in self.groups.items():
            tally = self.tallies[key]
            condition = models.Q(pk=group.pk)
            counts.append(When(condition, then=Value(tally.count)))
            start, end = moment_from(tally.first.timestamp), moment_from(tally.last.timestamp)
            first.append(When(condition & models.Q(first_seen__gt=start), then=Value(start)))
            last.append(When(condition & models.Q(last_seen__lt=end), then=Value(end)))
            if tally.has_evidence:
                evidence.append(group.pk)
        rows = ErrorGroup.objects.using(self.alias).filter(pk__in=sorted(group.pk for group in self.groups.values()))
        seen: dict[str, Any] = {
            "first_seen": Case(*first, default=F("first_seen")),
            "last_seen": Case(*last, default=F("last_seen")),
        }
        rows.update(times_seen=F("times_seen") + Case(*counts, default=Value(0)), modified=timezone.now(), **seen)
        if evidence:
            rows.filter(pk__in=evidence, has_evidence=False).update(has_evidence=True)
        self._note_releases(rows)
        self._worsen(rows)

    def _note_releases(self, rows: models.QuerySet[ErrorGroup]) -> None:
        for key, group in self.groups.items():
            release = self.tallies[key].last.release[:100]
            if release and group.last_release != release:
                rows.filter(pk=group.pk).update(last_release=release)

    def _worsen(self, rows: models.QuerySet[ErrorGroup]) -> None:
        """Let the gate decide anew on a group that is worse than it was: what was handled crashes now."""
        for key, group in self.groups.items():
            tally = self.tallies[key]
            if _rank(tally.level) > _rank(group.level) or (group.handled and not tally.handled):
                level = max(tally.level, group.level, key=_rank)
                worse = rows.filter(pk=group.pk)
                worse.update(level=level, handled=group.handled and tally.handled, verdict=ErrorGroup.Verdict.UNDECIDED)

    def _read_groups(self) -> dict[_Key, ErrorGroup]:
        fingerprints = {fingerprint for fingerprint, _ in self.tallies}
        rows = ErrorGroup.objects.using(self.alias).filter(fingerprint__in=sorted(fingerprints)).order_by("pk")
        found = {(group.fingerprint, group.environment): group for group in rows}
        return {key: group for key, group in found.items() if key in self.tallies}

    def count_hours(self) -> None:
        """Add to the counts of each group and hour."""
        counts = Counter((self.groups[_key(event)].pk, _hour(event)) for event in self.events)
        rows = [HourlyCount(group_id=pk, hour=hour) for pk, hour in sorted(counts)]
        HourlyCount.objects.using(self.alias).bulk_create(rows, ignore_conflicts=True)
        for (pk, hour), count in sorted(counts.items()):
            target = HourlyCount.objects.using(self.alias).filter(group_id=pk, hour=hour)
            target.update(count=F("count") + count)

    def count_bugs(self) -> None:
        """Add to the bugs of the groups; a resolved one that happens again is a regression."""
        added: dict[int, tuple[int, dt.datetime]] = {}
        # Read again: the groups' rows are locked now, so a bug that was given meanwhile is seen.
        pks = {group.pk: key for key, group in self.groups.items()}
        with_bug = ErrorGroup.objects.using(self.alias).filter(pk__in=pks).exclude(bug=None)
        for pk, bug_pk in with_bug.values_list("pk", "bug_id").order_by("pk"):
            tally = self.tallies[pks[pk]]
            count, last = added.get(bug_pk, (0, moment_from(tally.last.timestamp)))
            added[bug_pk] = count + tally.count, max(last, moment_from(tally.last.timestamp))
        if not added:
            return
        count_for_bugs(self.alias, added)
        resolved = KnownBug.all_objects.using(self.alias).filter(pk__in=added, status=KnownBug.Status.RESOLVED)
        for bug_pk in resolved.values_list("pk", flat=True).order_by("pk"):
            KnownBug.all_objects.using(self.alias).filter(pk=bug_pk).regress(added[bug_pk][1])

    def add_logs(self) -> None:
        """Insert one row per event."""
        rows = [_log_from(event, self.groups[_key(event)].pk) for event in self.events]
        ErrorLog.objects.using(self.alias).bulk_create(rows)

    def add_totals(self) -> None:
        """Add to the totals of each hour, environment, kind and status."""
        counts = Counter(
            (_hour(event), event.environment[:50], event.error_type, event.status_code) for event in self.events
        )
        names = ("hour", "environment", "error_type", "status_code")
        rows = [HourlyTotal(**dict(zip(names, key, strict=True))) for key in sorted(counts)]
        HourlyTotal.objects.using(self.alias).bulk_create(rows, ignore_conflicts=True)
        for key, count in sorted(counts.items()):
            target = HourlyTotal.objects.using(self.alias).filter(**dict(zip(names, key, strict=True)))
            target.update(count=F("count") + count)

    def add_clients(self) -> None:
        """Note the clients that are new to a group today, up to a bound."""
        wanted = {
            (self.groups[_key(event)].pk, moment_from(event.timestamp).date(), event.client)
            for event in self.events
            if event.client
        }
        if not wanted:
            return
        days = {(pk, day) for pk, day, _ in wanted}
        full = {
            (pk, day)
            for pk, day in days
            if GroupClient.objects.using(self.alias).filter(group_id=pk, day=day).count() >= CLIENTS_PER_DAY
        }
        rows = [
            GroupClient(group_id=pk, day=day, hash=value) for pk, day, value in sorted(wanted) if (pk, day) not in full
        ]
        GroupClient.objects.using(self.alias).bulk_create(rows, ignore_conflicts=True)

    def add_releases(self) -> None:
        """Note a release at its first sight."""
        versions = sorted({event.release[:100] for event in self.events if event.release})
        known = set(Release.objects.using(self.alias).filter(version__in=versions).values_list("version", flat=True))
        rows = [Release(version=version, first_seen=timezone.now()) for version in versions if version not in known]
        Release.objects.using(self.alias).bulk_create(rows, ignore_conflicts=True)


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else 0


def _key(event: Event) -> _Key:
    return event.fingerprint, event.environment[:50]


def _hour(event: Event) -> dt.datetime:
    return hour_of(moment_from(event.timestamp))


def _group_from(tally: _Tally) -> ErrorGroup:
    event = tally.first
    return ErrorGroup(
        fingerprint=event.fingerprint,
        fingerprint_version=event.fingerprint_version,
        environment=event.environment[:50],
        error_type=event.error_type,
        status_code=event.status_code or None,
        title=event.title[:255],
        culprit=event.culprit[:255],
        route=event.route[:255],
        level=event.level[:10],
        handled=event.handled,
        first_seen=moment_from(tally.first.timestamp),
        last_seen=moment_from(tally.last.timestamp),
        first_release=event.release[:100],
        last_release=tally.last.release[:100],
        has_evidence=tally.has_evidence,
    )


def _log_from(event: Event, group_pk: int) -> ErrorLog:
    raised = event.exceptions[0] if event.exceptions else None
    return ErrorLog(
        event_id=uuid.UUID(event.event_id),
        reference=event.reference,
        fingerprint=event.fingerprint,
        group_id=group_pk,
        error_type=event.error_type,
        mechanism=event.mechanism[:20],
        status_code=event.status_code or None,
        url_pattern=event.route[:255],
        full_url=event.url,
        method=event.method[:16],
        user_id=_user_pk(event.user_id),
        user_label=event.user_label[:150],
        ip_address=event.ip_address or None,
        user_agent=event.user_agent[:300],
        request_data=event.request,
        exception_type=raised.qualified_type[:255] if raised else "",
        exception_message=raised.message if raised else event.message,
        traceback=event.traceback,
        stacktrace=[dataclasses.asdict(info) for info in event.exceptions],
        created=moment_from(event.timestamp),
        release=event.release[:100],
        environment=event.environment[:50],
        server_name=event.server_name[:100],
    )


def _user_pk(value: str) -> Any:  # noqa: ANN401  the type of the host's primary key
    """Return *value* as the host's user key, None when it is none."""
    if not value:
        return None
    field = ErrorLog._meta.get_field("user")
    try:
        return field.target_field.to_python(value)
    except Exception:  # noqa: BLE001  a user model's own field may raise anything for text from a session
        return None
