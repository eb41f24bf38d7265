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
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from error_tracking import conf
from error_tracking.events import LEVELS, Event, Fold, plain
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
from error_tracking.utils import hour_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from .journal import Journal as JournalFile

CLIENTS_PER_DAY = 1_000
INSERTED_AT_ONCE = 50

# What a row that a fold made lacks until its event comes.
_LATE_FIELDS = (
    *("mechanism", "url_pattern", "full_url", "method", "user_id", "user_label", "ip_address", "user_agent"),
    *("request_data", "context", "exception_type", "exception_message", "traceback", "stacktrace", "created"),
    *("release", "server_name"),
)

_Key = tuple[str, str]


def store(
    items: Sequence[Event | Fold], *, journal: JournalFile | None = None, position: int = 0, lost: int = 0
) -> bool:
    """
    Store *items* in one transaction and move *journal* to *position* with them.

    *lost* is how many records up to there were damaged. Without a journal the
    items are stored on the caller's connection, in a savepoint of their own
    when it is in a transaction.

    Returns:
        Whether a group is new.

    Raises:
        StaleJournalError: Somebody else has moved the journal; ``journal.position``
            is now what the database says.

        DatabaseError: Nothing was stored.
    """
    alias = write_alias(ErrorLog)
    with transaction.atomic(using=alias):
        if journal is not None:
            _move_journal(alias, journal, position, lost)
        if not items:
            return False
        batch = _Batch(alias, items)
        batch.count_groups()
        batch.count_hours()
        batch.count_bugs()
        batch.add_logs()
        batch.add_totals()
        batch.add_clients()
        batch.add_releases()
    return batch.has_new_groups


def _move_journal(alias: str, journal: JournalFile, position: int, lost: int) -> None:
    rows = Journal.objects.using(alias).filter(pk=journal.id)
    counters = {} if journal.is_adopted else {"failures": journal.failures, "at_risk": journal.at_risk}
    values = {"position": position, "heartbeat": timezone.now(), **counters}
    if rows.filter(position=journal.position).update(lost=F("lost") + lost, **values):
        return
    stored = rows.values_list("position", flat=True).first()
    if stored is not None:
        # Also what follows a COMMIT whose answer was lost: the batch is already there.
        journal.move_to(stored)
        msg = f"journal {journal.id} stands at {stored}"
        raise StaleJournalError(msg)
    server = conf.get_settings().server_name[:100]
    row = {"lost": lost, "pid": os.getpid(), "server_name": server, **values}
    Journal.objects.using(alias).create(id=journal.id, is_durable=journal.storage.is_durable, **row)


@dataclasses.dataclass(slots=True)
class _Tally:
    """What a batch adds to one group."""

    first: Event | Fold
    start: float
    end: float
    count: int = 0
    has_evidence: bool = False
    level: str = LEVELS[0]
    handled: bool = True
    release: str = ""
    latest: dict[str | None, float] = dataclasses.field(default_factory=dict)  # by release, which a fold does not tell

    def add(self, item: Event | Fold) -> None:
        self.count += item.count
        self.has_evidence = self.has_evidence or item.is_evidence
        release = item.release[:100] if isinstance(item, Event) else None
        self.latest[release] = max(self.latest.get(release, 0.0), item.timestamp)
        if isinstance(item, Event):
            self.level = max(self.level, item.level, key=_rank)
            self.handled = self.handled and item.handled
            if item.timestamp >= self.end or not self.release:
                self.release = item.release[:100]
            if isinstance(self.first, Fold) or item.timestamp < self.start:
                self.first = item
        self.start, self.end = min(self.start, item.timestamp), max(self.end, item.timestamp)


class _Batch:
    """One batch on its way into the tables."""

    def __init__(self, alias: str, items: Sequence[Event | Fold]) -> None:
        self.alias = alias
        self.items = items
        self.environment = conf.get_settings().environment[:50]
        self.tallies: dict[_Key, _Tally] = {}
        for item in items:
            tally = self.tallies.setdefault(self._key(item), _Tally(item, item.timestamp, item.timestamp))
            tally.add(item)
        self.groups: dict[_Key, ErrorGroup] = {}
        self.has_new_groups = False

    def _key(self, item: Event | Fold) -> _Key:
        """Return fingerprint and environment; a fold was captured in the environment of the journal, which is ours."""
        return item.fingerprint, item.environment[:50] if isinstance(item, Event) else self.environment

    def count_groups(self) -> None:
        """Insert the groups that are missing, then add to all of them with one UPDATE."""
        self.groups = self._read_groups()
        keys = sorted(self.tallies.keys() - self.groups.keys())
        self.has_new_groups = bool(keys)
        if keys:
            missing = [_group_from(self.tallies[key], key) for key in keys]
            ErrorGroup.objects.using(self.alias).bulk_create(missing, ignore_conflicts=True)
            self.groups = self._read_groups()
        counts, first, last, evidence = [], [], [], []
        for key, group in self.groups.items():
            tally = self.tallies[key]
            condition = models.Q(pk=group.pk)
            counts.append(When(condition, then=Value(tally.count)))
            start, end = moment_from(tally.start), moment_from(tally.end)
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
            release = self.tallies[key].release
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
        counts: Counter[tuple[int, dt.datetime]] = Counter()
        for item in self.items:
            counts[self.groups[self._key(item)].pk, _hour(item)] += item.count
        self._add(HourlyCount, ("group_id", "hour"), counts)

    def count_bugs(self) -> None:
        """Add to the bugs of the groups; a resolved one that happens again is a regression."""
        added: dict[int, tuple[int, dt.datetime]] = {}
        sightings: dict[int, dict[str, dt.datetime]] = defaultdict(dict)
        # Read again: the groups' rows are locked now, so a bug that was given meanwhile is seen.
        pks = {group.pk: key for key, group in self.groups.items()}
        with_bug = ErrorGroup.objects.using(self.alias).filter(pk__in=pks).exclude(bug=None)
        for pk, bug_pk, release in with_bug.values_list("pk", "bug_id", "last_release").order_by("pk"):
            tally = self.tallies[pks[pk]]
            count, last = added.get(bug_pk, (0, moment_from(tally.end)))
            added[bug_pk] = count + tally.count, max(last, moment_from(tally.end))
            for told, moment in tally.latest.items():  # a fold was captured where the group was seen last
                name = release if told is None else told
                sightings[bug_pk][name] = max(sightings[bug_pk].get(name, moment_from(0)), moment_from(moment))
        if added:
            bugs = KnownBug.all_objects.using(self.alias)
            bugs.add_occurrences(added)
            bugs.come_back(sightings)

    def add_logs(self) -> None:
        """Insert one row per event, and add what was folded to the rows that stand for it."""
        logs = ErrorLog.objects.using(self.alias)
        events = {uuid.UUID(item.event_id): item for item in self.items if isinstance(item, Event)}
        folds: dict[uuid.UUID, list[Fold]] = defaultdict(list)
        for item in self.items:
            if isinstance(item, Fold):
                folds[uuid.UUID(item.event_id)].append(item)
        rows = {key: _log_from(event, self.groups[self._key(event)].pk) for key, event in events.items()}
        ids = sorted(events.keys() | folds.keys())
        stored = set(logs.filter(event_id__in=ids).values_list("event_id", flat=True)) if ids else set()
        for key in sorted(folds):
            count = sum(fold.count for fold in folds[key])
            if key in rows:
                rows[key].occurrences += count
            elif key in stored:
                logs.filter(event_id=key).update(occurrences=F("occurrences") + count)
            else:
                # Its representative was damaged, is pruned or comes later: the reference on the page still finds a row.
                fold = folds[key][0]
                rows[key] = _log_from_fold(fold, self.groups[self._key(fold)].pk, self.environment)
                rows[key].occurrences = count
        new = [row for key, row in rows.items() if key not in stored]
        for row in new:
            # With an expression among the values Django leaves UNNEST, for which psycopg escapes text in Python.
            row.occurrences = Value(row.occurrences)
        logs.bulk_create(new, batch_size=INSERTED_AT_ONCE)
        for key in sorted(stored & events.keys()):  # what a fold had stood in for
            row = rows[key]
            values = {name: getattr(row, name) for name in _LATE_FIELDS}
            logs.filter(event_id=key).update(occurrences=F("occurrences") + row.occurrences, **values)

    def add_totals(self) -> None:
        """Add to the totals of each hour, environment, kind and status."""
        counts: Counter[tuple[dt.datetime, str, str, int]] = Counter()
        for item in self.items:
            counts[_hour(item), self._key(item)[1], item.error_type, item.status_code] += item.count
        names = ("hour", "environment", "error_type", "status_code")
        self._add(HourlyTotal, names, counts)

    def _add(self, model: type[models.Model], names: tuple[str, ...], counts: Counter[Any]) -> None:
        """Add to the rows of *model* that *names* tell apart; those that are missing are inserted first."""
        rows = model._default_manager.using(self.alias)
        for key, count in sorted(counts.items()):
            values = dict(zip(names, key, strict=True))
            if not rows.filter(**values).update(count=F("count") + count):
                rows.bulk_create([model(**values)], ignore_conflicts=True)
                rows.filter(**values).update(count=F("count") + count)

    def add_clients(self) -> None:
        """Note the clients that are new to a group today, up to a bound."""
        wanted = {
            (self.groups[self._key(item)].pk, moment_from(item.timestamp).date(), item.client)
            for item in self.items
            if item.client
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
        versions = {item.release for item in self.items if isinstance(item, Event) and item.release}
        if versions:
            Release.objects.using(self.alias).see(*versions)


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else 0


def _hour(item: Event | Fold) -> dt.datetime:
    return hour_of(moment_from(item.timestamp))


def _group_from(tally: _Tally, key: _Key) -> ErrorGroup:
    event = tally.first
    values: dict[str, Any] = {"title": f"{event.error_type} {event.fingerprint[:8]}, whose details were lost"}
    if isinstance(event, Event):
        values = {
            "fingerprint_version": event.fingerprint_version,
            "title": event.title[:255],
            "culprit": event.culprit[:255],
            "route": event.route[:255],
            "level": event.level[:10],
            "handled": event.handled,
            "first_release": event.release[:100],
            "cause": event.cause[:255],
        }
    return ErrorGroup(
        fingerprint=key[0],
        environment=key[1],
        error_type=event.error_type,
        status_code=event.status_code or None,
        first_seen=moment_from(tally.start),
        last_seen=moment_from(tally.end),
        last_release=tally.release,
        has_evidence=tally.has_evidence,
        **values,
    )


def _log_from_fold(fold: Fold, group_pk: int, environment: str) -> ErrorLog:
    key = uuid.UUID(fold.event_id)
    return ErrorLog(
        event_id=key,
        reference=fold.event_id[-10:],
        fingerprint=fold.fingerprint,
        group_id=group_pk,
        error_type=fold.error_type,
        status_code=fold.status_code or None,
        created=moment_from(fold.timestamp),
        environment=environment,
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
        context=event.context,
        exception_type=raised.qualified_type[:255] if raised else "",
        exception_message=raised.message if raised else event.message,
        traceback=event.traceback,
        stacktrace=[plain(info) for info in event.exceptions],
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
