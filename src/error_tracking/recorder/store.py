"""
A batch of events to rows, in one transaction, counted exactly.

The journal's position is moved by the first statement, on condition that it is
where the batch starts: whoever comes second stores nothing. Locks are taken in
the order journal, groups, hours, bugs, logs, totals, clients, and rows of one table
in the order of their keys, so that two writers cannot deadlock.
"""

from __future__ import annotations

import dataclasses
import os
import time
import uuid
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import F
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from error_tracking import conf
from error_tracking.events import LEVELS, Event, Fold
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

from .expressions import by_key
from .rows import LATE_FIELDS, log_from, log_from_fold

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from .journal import Journal as JournalFile

CLIENTS_PER_DAY = 1_000
INSERTED_AT_ONCE = 50

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
    batch = _Batch(alias, items)
    if journal is not None:
        batch.look()  # before any lock is held
    with transaction.atomic(using=alias):
        if journal is not None:
            _move_journal(alias, journal, position, lost)
        else:
            batch.look()  # in the savepoint: a statement that fails must not break the caller's transaction
        start = time.monotonic()
        if items:
            batch.write()
    if journal is not None:
        journal.locked_seconds = time.monotonic() - start
    return batch.has_new_groups


def _move_journal(alias: str, journal: JournalFile, position: int, lost: int) -> None:
    values: dict[str, Any] = {"is_durable": journal.storage.is_durable}
    if not journal.is_adopted:
        server = conf.get_settings().server_name[:100]
        values |= {"failures": journal.failures, "at_risk": journal.at_risk, "pid": os.getpid(), "server_name": server}
    stored = Journal.objects.using(alias).move(journal.id, journal.position, position, lost=lost, **values)
    if stored is not None:
        # Also what follows a COMMIT whose answer was lost: the batch is already there.
        journal.move_to(stored)
        raise StaleJournalError(f"journal {journal.id} stands at {stored}")


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
        self.rows = {uuid.UUID(item.event_id): log_from(item) for item in items if isinstance(item, Event)}
        self.folds: dict[uuid.UUID, list[Fold]] = defaultdict(list)
        for item in items:
            if isinstance(item, Fold):
                self.folds[uuid.UUID(item.event_id)].append(item)
        self.stored: set[uuid.UUID] = set()
        self.clients: set[tuple[int, dt.date, str]] = set()

    def look(self) -> None:
        """Read what is there already, so that no lock is held meanwhile, and note new releases."""
        if not self.items:
            return
        self.groups = self._read_groups()
        ids = sorted(self.rows.keys() | self.folds.keys())
        logs = ErrorLog.objects.using(self.alias).filter(event_id__in=ids)
        self.stored = set(logs.values_list("event_id", flat=True))
        self._look_for_clients()
        Release.objects.using(self.alias).see(*{row.release for row in self.rows.values() if row.release})

    def write(self) -> None:
        """Count and insert, in the order of locks."""
        self.count_groups()
        self.count_hours()
        self.count_bugs()
        self.add_logs()
        self.add_totals()
        self.add_clients()

    def _key(self, item: Event | Fold) -> _Key:
        """Return fingerprint and environment; a fold was captured in the environment of the journal, which is ours."""
        return item.fingerprint, item.environment[:50] if isinstance(item, Event) else self.environment

    def count_groups(self) -> None:
        """Insert the groups that are missing, then add to all of them with one UPDATE."""
        keys = sorted(self.tallies.keys() - self.groups.keys())
        self.has_new_groups = bool(keys)
        if keys:
            missing = [_group_from(self.tallies[key], key) for key in keys]
            ErrorGroup.objects.using(self.alias).bulk_create(missing, ignore_conflicts=True)
            self.groups = self._read_groups()
        tallies = {group.pk: self.tallies[key] for key, group in self.groups.items()}
        rows = ErrorGroup.objects.using(self.alias).filter(pk__in=sorted(tallies))
        ends = by_key({pk: moment_from(tally.end) for pk, tally in tallies.items()}, models.DateTimeField())
        changes: dict[str, Any] = {"last_seen": Greatest(F("last_seen"), ends)}
        earlier = {
            group.pk: start
            for key, group in self.groups.items()
            if (start := moment_from(self.tallies[key].start)) < group.first_seen
        }
        if earlier:
            starts = by_key(earlier, models.DateTimeField(), default=F("first_seen"))
            changes["first_seen"] = Least(F("first_seen"), starts)
        counts = by_key({pk: tally.count for pk, tally in tallies.items()}, models.BigIntegerField())
        rows.update(times_seen=F("times_seen") + counts, modified=timezone.now(), **changes)
        for key, group in self.groups.items():
            if news := _news_of(group, self.tallies[key]):
                rows.filter(pk=group.pk).update(**news)

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
        if len(counts) > 1:
            counts = self._add_to_known_hours(counts)
        self._add(HourlyCount, ("group_id", "hour"), counts)

    def _add_to_known_hours(self, counts: Counter[tuple[int, dt.datetime]]) -> Counter[tuple[int, dt.datetime]]:
        """Add with one UPDATE, for our groups are locked, and return what has no row yet."""
        rows = HourlyCount.objects.using(self.alias)
        found = rows.filter(group_id__in={pk for pk, _ in counts}, hour__in={hour for _, hour in counts}).values_list(
            "pk", "group_id", "hour"
        )
        known = {(group, hour): pk for pk, group, hour in found if (group, hour) in counts}
        if known:
            more = by_key({pk: counts[key] for key, pk in known.items()}, models.BigIntegerField())
            rows.filter(pk__in=list(known.values())).update(count=F("count") + more)
        return Counter({key: count for key, count in counts.items() if key not in known})

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
        rows, events = self.rows, set(self.rows)
        for row in rows.values():
            row.group_id = self.groups[row.fingerprint, row.environment].pk
        more: dict[uuid.UUID, int] = {}
        for key, folds in sorted(self.folds.items()):
            count = sum(fold.count for fold in folds)
            if key in rows:
                rows[key].occurrences += count
            elif key in self.stored:
                more[key] = count
            else:
                # Its representative was damaged, is pruned or comes later: the reference on the page still finds a row.
                fold = folds[0]
                rows[key] = log_from_fold(fold, self.groups[self._key(fold)].pk, self.environment)
                rows[key].occurrences = count
        if more:
            counts = by_key(more, models.IntegerField(), name="event_id")
            logs.filter(event_id__in=list(more)).update(occurrences=F("occurrences") + counts)
        logs.bulk_create([row for key, row in rows.items() if key not in self.stored], batch_size=INSERTED_AT_ONCE)
        for key in sorted(self.stored & events):  # what a fold had stood in for
            row = rows[key]
            values = {name: getattr(row, name) for name in LATE_FIELDS}
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

    def _look_for_clients(self) -> None:
        """Find the clients that are new to a known group today, up to a bound."""
        pks = {key: group.pk for key, group in self.groups.items()}
        wanted = {
            (pks[key], moment_from(item.timestamp).date(), item.client)
            for item in self.items
            if item.client and (key := self._key(item)) in pks
        }
        if not wanted:
            return
        groups, days, hashes = (set(values) for values in zip(*wanted, strict=True))
        rows = GroupClient.objects.using(self.alias).filter(group_id__in=groups, day__in=days)
        self.clients = wanted - set(rows.filter(hash__in=hashes).values_list("group_id", "day", "hash"))
        if self.clients:
            counts = rows.values_list("group_id", "day").annotate(number=models.Count("id"))
            full = {(pk, day) for pk, day, number in counts.order_by() if number >= CLIENTS_PER_DAY}
            self.clients = {each for each in self.clients if each[:2] not in full}

    def add_clients(self) -> None:
        """Note the clients that are new to a group today."""
        if self.has_new_groups:
            self._look_for_clients()
        rows = [GroupClient(group_id=pk, day=day, hash=value) for pk, day, value in sorted(self.clients)]
        if rows:
            GroupClient.objects.using(self.alias).bulk_create(rows, ignore_conflicts=True)


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else 0


def _hour(item: Event | Fold) -> dt.datetime:
    return hour_of(moment_from(item.timestamp))


def _news_of(group: ErrorGroup, tally: _Tally) -> dict[str, Any]:
    """Return what *tally* changes about *group* besides its counts; on one that is worse the gate decides anew."""
    news: dict[str, Any] = {}
    if tally.has_evidence and not group.has_evidence:
        news["has_evidence"] = True
    if tally.release and tally.release != group.last_release:
        news["last_release"] = tally.release
    if _rank(tally.level) > _rank(group.level) or (group.handled and not tally.handled):  # what was handled crashes
        news["level"] = max(tally.level, group.level, key=_rank)
        news |= {"handled": group.handled and tally.handled, "verdict": ErrorGroup.Verdict.UNDECIDED}
    return news


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
