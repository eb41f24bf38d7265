"""
Stores a batch of events in one transaction, counted exactly.

The first statement moves the journal's position, on condition that it is where the
batch starts: a second process that stores the same batch changes nothing. Locks are
taken in the order journal, groups, hours, days, bugs, logs, totals, clients, and for the
rows of one table in the order of their keys, so two workers cannot deadlock.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, models, transaction
from django.db.models import Case, F, When
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from error_tracking import conf
from error_tracking.events.event import Event, Fold, Outcome
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import (
    DailyCount,
    ErrorGroup,
    ErrorLog,
    GroupClient,
    HourlyCount,
    HourlyTotal,
    Journal,
    KnownBug,
    Release,
)
from error_tracking.models.base import CLOCK_SKEW_SECONDS, moment_from, write_alias
from error_tracking.utils import hour_of

from .failures import CommitError
from .rows import LATE_FIELDS, by_key, log_from, log_from_fold
from .tally import ENVIRONMENT_LENGTH, GroupKey, Tally, group_key

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from .journal import JournalFile

# Enough for "affected users", and a bound for what a flood of clients stores.
CLIENTS_PER_DAY = 1_000
# MySQL refuses statements above max_allowed_packet: an event may have 64 KiB.
INSERTED_AT_ONCE = 50
SERVER_NAME_LENGTH = 100

#: Group, day and hash.
_Client = tuple[int, "dt.date", str]
#: Group and hour.
_GroupHour = tuple[int, "dt.datetime"]
#: Hour, environment, kind and status, in the order of the columns below.
_TotalKey = tuple["dt.datetime", str, str, int]
_TOTAL_COLUMNS = ("hour", "environment", "error_type", "status_code")


def store(
    items: Sequence[Event | Fold | Outcome],
    *,
    journal: JournalFile | None = None,
    position: int = 0,
    lost: int = 0,
    bare: int = 0,
    merged: int = 0,
    is_probe: bool = False,
) -> bool:
    """
    Store *items* in one transaction and move *journal* to *position* with them.

    Args:
        items: What to store, on the caller's connection. Without a journal they are
            stored in a savepoint, if the caller is in a transaction.

        journal: The journal whose row is moved; None if the items come from none.

        position: The sequence number of the last record of *items*.

        lost: How many records up to there were damaged or had no room.

        bare: How many events were stored without their payload.

        merged: How many events were counted in a group that they share.

        is_probe: Whether everything is rolled back in the end.

    Returns:
        Whether a group is new.

    Raises:
        StaleJournalError: Another process has moved the journal. ``journal.position``
            is now what the database has.

        CommitError: It is not known whether the items are stored.

        DatabaseError: Nothing was stored.
    """
    batch = _Batch(items)
    is_drained = journal is not None and not is_probe
    if is_drained:
        # Before any lock is held.
        batch.load_existing()
    with _transaction(is_rolled_back=is_probe):
        if journal is not None:
            counts = {"lost": lost, "bare": bare, "merged": merged}
            _move_journal(journal, position, counts)
        if not is_drained:
            # In the savepoint: a statement that fails must not break the caller's
            # transaction.
            batch.load_existing()
        start = time.monotonic()
        if items:
            batch.write()
    if journal is not None and not is_probe:
        journal.locked_seconds = time.monotonic() - start
    return batch.has_new_groups


@contextlib.contextmanager
def _transaction(*, is_rolled_back: bool) -> Iterator[None]:
    """
    Run the block in a transaction, or in a savepoint of the caller's.

    Raises:
        CommitError: The block succeeded, and the COMMIT after it was not answered.
    """
    alias = write_alias(ErrorLog)
    is_written = False
    try:
        with transaction.atomic(using=alias):
            yield
            if is_rolled_back:
                transaction.set_rollback(True, using=alias)
            is_written = True
    except DatabaseError as error:
        if not is_written:
            raise
        raise CommitError(*error.args) from (error.__cause__ or error)


def _move_journal(journal: JournalFile, position: int, counts: dict[str, int]) -> None:
    """Move the row of *journal* from its position to *position*."""
    settings = conf.get_settings()
    values: dict[str, Any] = {
        "is_durable": journal.storage.is_durable,
        # Also of an adopted journal: it is of the same environment.
        "environment": settings.environment[:ENVIRONMENT_LENGTH],
    }
    if journal.failed_at:
        values["failed_at"] = moment_from(journal.failed_at)
    if not journal.is_adopted:
        values["failures"] = journal.failures
        values["at_risk"] = journal.at_risk
        values["pid"] = os.getpid()
        values["server_name"] = settings.server_name[:SERVER_NAME_LENGTH]
    stored = Journal.objects.move(
        journal.id, journal.position, position, counts, **values
    )
    if stored is not None:
        # Another process was faster, or the reply to our COMMIT was lost: the batch is
        # stored already.
        journal.move_to(stored)
        raise StaleJournalError(f"journal {journal.id} stands at {stored}")


class _Batch:
    """
    One batch on its way into the tables.

    Args:
        items: Events, folds and outcomes, in any order.

    Attributes:
        has_new_groups: Whether it began a group; known after :meth:`write`.

    """

    def __init__(self, items: Sequence[Event | Fold | Outcome]) -> None:
        self.has_new_groups = False
        self.environment = conf.get_settings().environment[:ENVIRONMENT_LENGTH]
        self.outcomes: list[Outcome] = []
        # What is counted: events and folds.
        self.items: list[Event | Fold] = []
        # By the id of the event. A fold has the id of the event that represents it.
        self.rows: dict[uuid.UUID, ErrorLog] = {}
        self.folds: dict[uuid.UUID, list[Fold]] = defaultdict(list)
        self.tallies: dict[GroupKey, Tally] = {}
        for item in items:
            if isinstance(item, Outcome):
                self.outcomes.append(item)
            else:
                self._add_item(item)
        # What the database has already.
        self.groups: dict[GroupKey, ErrorGroup] = {}
        self.stored: set[uuid.UUID] = set()
        self.new_clients: set[_Client] = set()

    def _add_item(self, item: Event | Fold) -> None:
        self.items.append(item)
        event_id = uuid.UUID(item.event_id)
        if isinstance(item, Event):
            self.rows[event_id] = log_from(item)
        else:
            self.folds[event_id].append(item)
        tally = self.tallies.setdefault(self._key(item), Tally.beginning_with(item))
        tally.add(item)

    def _key(self, item: Event | Fold) -> GroupKey:
        return group_key(item, self.environment)

    def _group_of(self, item: Event | Fold) -> ErrorGroup:
        return self.groups[self._key(item)]

    def load_existing(self) -> None:
        """Read what exists, so that no lock is held meanwhile; note new releases."""
        known_ids = self.rows.keys() | self.folds.keys()
        corrected_ids = {uuid.UUID(outcome.event_id) for outcome in self.outcomes}
        ids = sorted(known_ids | corrected_ids)
        logs = ErrorLog.objects.filter(event_id__in=ids)
        self.stored = set(logs.values_list("event_id", flat=True))
        # The outcome of an event that was lost or pruned would change the counts of
        # another one.
        existing_ids = self.stored | known_ids
        self.outcomes = [
            each for each in self.outcomes if uuid.UUID(each.event_id) in existing_ids
        ]
        if not self.items:
            return
        self.groups = self._read_groups()
        self.new_clients = self._find_new_clients()
        releases = {row.release for row in self.rows.values() if row.release}
        Release.objects.see(*releases)

    def write(self) -> None:
        """Count and insert, in the order in which locks are taken."""
        if self.items:
            self.count_groups()
        self.correct_groups()
        if self.items:
            self.count_hours()
            self.count_bugs()
            self.add_logs()
        self.correct_logs()
        self.add_totals()
        if self.items:
            self.add_clients()

    def count_groups(self) -> None:
        """Insert the groups that are missing, then add to all with one UPDATE."""
        self._insert_missing_groups()
        tallies = {group.pk: self.tallies[key] for key, group in self.groups.items()}
        rows = ErrorGroup.objects.filter(pk__in=sorted(tallies))
        counts = by_key(
            {pk: tally.count for pk, tally in tallies.items()}, models.BigIntegerField()
        )
        rows.update(
            times_seen=F("times_seen") + counts,
            modified=timezone.now(),
            last_seen=self._last_seen(tallies),
            first_seen=self._first_seen(),
        )
        for key, group in self.groups.items():
            changes = self.tallies[key].changes_to(group)
            if changes:
                rows.filter(pk=group.pk).update(**changes)
        self._notify_gate_of_counts()

    def _insert_missing_groups(self) -> None:
        missing = sorted(self.tallies.keys() - self.groups.keys())
        self.has_new_groups = bool(missing)
        if not missing:
            return
        ErrorGroup.objects.bulk_create(
            [self.tallies[key].new_group(key) for key in missing],
            ignore_conflicts=True,
        )
        self.groups = self._read_groups()

    def _last_seen(self, tallies: Mapping[int, Tally]) -> Any:
        """Return the expression for the new ``last_seen`` of each group."""
        ends = by_key(
            {pk: tally.last_moment for pk, tally in tallies.items()},
            models.DateTimeField(),
        )
        later = Greatest(F("last_seen"), ends)
        latest_plausible = moment_from(time.time() + CLOCK_SKEW_SECONDS)
        is_any_ahead = any(
            group.last_seen > latest_plausible for group in self.groups.values()
        )
        if not is_any_ahead:
            return later
        # Stored while a clock was ahead: the first true time replaces it.
        return Case(When(last_seen__gt=latest_plausible, then=ends), default=later)

    def _first_seen(self) -> Any:
        """Return the expression for the new ``first_seen`` of each group."""
        # Older events are rare: they come from a journal that was adopted.
        earlier = {}
        for key, group in self.groups.items():
            moment = self.tallies[key].first_moment
            if moment < group.first_seen:
                earlier[group.pk] = moment
        if not earlier:
            return F("first_seen")
        starts = by_key(earlier, models.DateTimeField(), default=F("first_seen"))
        return Least(F("first_seen"), starts)

    def _notify_gate_of_counts(self) -> None:
        """Make groups due that were now seen as often as the gate waits for."""
        undecided = []
        for group in self.groups.values():
            is_undecided = group.verdict == ErrorGroup.Verdict.UNDECIDED
            if group.bug_id is None and is_undecided:
                undecided.append(group.pk)
        if undecided:
            rows = ErrorGroup.objects.filter(
                pk__in=undecided, is_due=False, look_at_count__lte=F("times_seen")
            )
            rows.update(is_due=True)

    def _notify_gate_of_clients(self) -> None:
        """Make refused requests with evidence due that new clients have met."""
        met_by_new_clients = {pk for pk, _, _ in self.new_clients}
        refused = set()
        for group in self.groups.values():
            if group.is_client_error and group.bug_id is None:
                refused.add(group.pk)
        due = sorted(refused & met_by_new_clients)
        if due:
            rows = ErrorGroup.objects.filter(
                pk__in=due,
                bug=None,
                verdict=ErrorGroup.Verdict.UNDECIDED,
                has_evidence=True,
            )
            rows.update(is_due=True)

    def _read_groups(self) -> dict[GroupKey, ErrorGroup]:
        fingerprints = {fingerprint for fingerprint, _ in self.tallies}
        rows = ErrorGroup.objects.filter(fingerprint__in=sorted(fingerprints))
        rows = rows.order_by("pk")
        found = {(group.fingerprint, group.environment): group for group in rows}
        return {key: group for key, group in found.items() if key in self.tallies}

    def count_hours(self) -> None:
        """Add to the counts of each group and hour, and of the days of these hours."""
        counts: Counter[_GroupHour] = Counter()
        for item in self.items:
            counts[self._group_of(item).pk, _hour(item)] += item.count
        missing = counts
        if len(counts) > 1:
            missing = self._add_to_known_hours(counts)
        self._add(HourlyCount, ("group_id", "hour"), missing)
        DailyCount.objects.add_up(counts)

    def _add_to_known_hours(self, counts: Counter[_GroupHour]) -> Counter[_GroupHour]:
        """
        Add to the rows that exist with one UPDATE, for the groups are locked.

        Returns:
            What has no row yet.
        """
        rows = HourlyCount.objects
        found = rows.filter(
            group_id__in={pk for pk, _ in counts}, hour__in={hour for _, hour in counts}
        )
        known: dict[_GroupHour, int] = {}
        for pk, group_pk, hour in found.values_list("pk", "group_id", "hour"):
            # Another pair of a group and an hour may have a row too.
            if (group_pk, hour) in counts:
                known[group_pk, hour] = pk
        if known:
            more = by_key(
                {pk: counts[key] for key, pk in known.items()}, models.BigIntegerField()
            )
            rows.filter(pk__in=list(known.values())).update(count=F("count") + more)
        missing = counts.keys() - known.keys()
        return Counter({key: counts[key] for key in missing})

    def count_bugs(self) -> None:
        """Add to the bugs of the groups, and reopen resolved ones that happen again."""
        added: dict[int, tuple[int, dt.datetime]] = {}
        sightings: dict[int, dict[str, dt.datetime]] = defaultdict(dict)
        tallies = {group.pk: self.tallies[key] for key, group in self.groups.items()}
        # Read again: the groups are locked now, so a bug that another process has just
        # given them is seen.
        rows = ErrorGroup.objects.filter(pk__in=tallies)
        rows = rows.exclude(bug=None).order_by("pk")
        for pk, bug_pk, last_release in rows.values_list(
            "pk", "bug_id", "last_release"
        ):
            tally = tallies[pk]
            count, last = added.get(bug_pk, (0, tally.last_moment))
            added[bug_pk] = (count + tally.count, max(last, tally.last_moment))
            seen = sightings[bug_pk]
            for known_release, timestamp in tally.latest.items():
                release = known_release
                if release is None:
                    # A fold: of the release in which the group was seen last.
                    release = last_release
                moment = moment_from(timestamp)
                seen[release] = max(seen.get(release, moment), moment)
        if added:
            bugs = KnownBug.all_objects
            bugs.add_occurrences(added)
            bugs.reopen_regressed(sightings)

    def add_logs(self) -> None:
        """Insert one row per event, and add folds to the rows that represent them."""
        for row in self.rows.values():
            row.group_id = self.groups[row.fingerprint, row.environment].pk
        new_rows = dict(self.rows)
        for row in self._rows_for_lost_representatives():
            new_rows[row.event_id] = row
        self._add_folds(new_rows)
        # A row exists already if a fold came first and needed one.
        late = sorted(self.stored & self.rows.keys())
        for event_id in self.stored:
            new_rows.pop(event_id, None)
        logs = ErrorLog.objects
        logs.bulk_create(list(new_rows.values()), batch_size=INSERTED_AT_ONCE)
        for event_id in late:
            row = self.rows[event_id]
            details = {name: getattr(row, name) for name in LATE_FIELDS}
            logs.filter(event_id=event_id).update(
                occurrences=F("occurrences") + row.occurrences, **details
            )

    def _rows_for_lost_representatives(self) -> list[ErrorLog]:
        """
        Return rows for events that folds refer to and that do not exist.

        Such an event was damaged or pruned, or comes later. With its row the reference
        on the page finds something.
        """
        rows = []
        for event_id, folds in sorted(self.folds.items()):
            if event_id not in self.rows and event_id not in self.stored:
                first = folds[0]
                group_pk = self._group_of(first).pk
                row = log_from_fold(first, group_pk, self.environment)
                row.occurrences = 0
                rows.append(row)
        return rows

    def _add_folds(self, new_rows: Mapping[uuid.UUID, ErrorLog]) -> None:
        """Add the folds to *new_rows*, or to the rows in the database."""
        more: dict[uuid.UUID, int] = {}
        for event_id, folds in self.folds.items():
            count = sum(fold.count for fold in folds)
            if event_id in new_rows:
                new_rows[event_id].occurrences += count
            else:
                more[event_id] = count
        if more:
            counts = by_key(more, models.IntegerField(), name="event_id")
            logs = ErrorLog.objects.filter(event_id__in=sorted(more))
            logs.update(occurrences=F("occurrences") + counts)

    def correct_groups(self) -> None:
        """Mark groups as not handled whose events were raised again after all."""
        fingerprints = {outcome.fingerprint for outcome in self.outcomes}
        if not fingerprints:
            return
        groups = ErrorGroup.objects.filter(
            fingerprint__in=sorted(fingerprints), environment=self.environment
        )
        # The gate decides again, for they have become worse; not on hidden ones.
        caught = groups.filter(handled=True)
        hidden = ErrorGroup.Verdict.HIDDEN
        caught.filter(verdict=hidden).update(handled=False, modified=timezone.now())
        caught.exclude(verdict=hidden).update(
            handled=False,
            verdict=ErrorGroup.Verdict.UNDECIDED,
            is_due=True,
            modified=timezone.now(),
        )
        for outcome in self.outcomes:
            if outcome.status_code:
                rows = groups.filter(fingerprint=outcome.fingerprint, status_code=None)
                rows.update(status_code=outcome.status_code)

    def correct_logs(self) -> None:
        """Set the status of events that were raised again to that of the response."""
        statuses = {}
        for outcome in self.outcomes:
            if outcome.status_code:
                statuses[uuid.UUID(outcome.event_id)] = outcome.status_code
        logs = ErrorLog.objects
        for event_id, status_code in sorted(statuses.items()):
            logs.filter(event_id=event_id).update(status_code=status_code)

    def add_totals(self) -> None:
        """Add to the totals of each hour, environment, kind and status."""
        counts: Counter[_TotalKey] = Counter()
        for item in self.items:
            _, environment = self._key(item)
            key = (_hour(item), environment, item.error_type, item.status_code)
            counts[key] += item.count
        earlier_moves = self._move_within(counts)
        # Without those from which everything was moved.
        self._add(HourlyTotal, _TOTAL_COLUMNS, +counts)
        moved: Counter[_TotalKey] = Counter()
        totals = HourlyTotal.objects
        for move, count in sorted(earlier_moves.items()):
            hour, kind, before, after = move
            source = totals.filter(
                hour=hour,
                environment=self.environment,
                error_type=kind,
                status_code=before,
                count__gte=count,
            )
            if source.update(count=F("count") - count):
                moved[hour, self.environment, kind, after] += count
        self._add(HourlyTotal, _TOTAL_COLUMNS, moved)

    def _move_within(
        self, counts: Counter[_TotalKey]
    ) -> Counter[tuple[dt.datetime, str, int, int]]:
        """
        Move what outcomes correct from one status to another within *counts*.

        Returns:
            What was counted in an earlier batch, and is to be moved in the table: how
            many per hour, kind, status before and status after.
        """
        earlier: Counter[tuple[dt.datetime, str, int, int]] = Counter()
        for outcome in self.outcomes:
            before = outcome.status_before
            after = outcome.status_code
            if before == after:
                continue
            hour = hour_of(moment_from(outcome.timestamp))
            kind = outcome.error_type
            source = (hour, self.environment, kind, before)
            if counts[source] > 0:
                counts[source] -= 1
                counts[hour, self.environment, kind, after] += 1
            else:
                earlier[hour, kind, before, after] += 1
        return earlier

    def _add(
        self, model: type[models.Model], names: tuple[str, ...], counts: Counter[Any]
    ) -> None:
        """
        Add to counts of *model*, and insert the rows that are missing.

        Args:
            model: A model with a column ``count``.

            names: The columns of its key.

            counts: What to add to each key.
        """
        rows = model._default_manager
        for key, count in sorted(counts.items()):
            columns = dict(zip(names, key, strict=True))
            row = rows.filter(**columns)
            if not row.update(count=F("count") + count):
                # Another process may insert it at the same time.
                rows.bulk_create([model(**columns)], ignore_conflicts=True)
                row.update(count=F("count") + count)

    def _find_new_clients(self) -> set[_Client]:
        """Return the clients that are new to a known group today, up to a bound."""
        wanted: set[_Client] = set()
        for item in self.items:
            if not item.client:
                continue
            group = self.groups.get(self._key(item))
            if group is not None:
                day = moment_from(item.timestamp).date()
                wanted.add((group.pk, day, item.client))
        if not wanted:
            return set()
        rows = GroupClient.objects.filter(
            group_id__in={pk for pk, _, _ in wanted},
            day__in={day for _, day, _ in wanted},
        )
        known = rows.filter(hash__in={client for _, _, client in wanted})
        new = wanted - set(known.values_list("group_id", "day", "hash"))
        if not new:
            return set()
        counts = rows.values_list("group_id", "day").annotate(number=models.Count("id"))
        full = set()
        for pk, day, number in counts.order_by():
            if number >= CLIENTS_PER_DAY:
                full.add((pk, day))
        return {(pk, day, client) for pk, day, client in new if (pk, day) not in full}

    def add_clients(self) -> None:
        """Note the clients that are new to a group today."""
        if self.has_new_groups:
            # Its clients could not be looked up before it existed.
            self.new_clients = self._find_new_clients()
        rows = [
            GroupClient(group_id=pk, day=day, hash=client)
            for pk, day, client in sorted(self.new_clients)
        ]
        if rows:
            clients = GroupClient.objects
            clients.bulk_create(rows, ignore_conflicts=True)
            self._notify_gate_of_clients()


def _hour(item: Event | Fold) -> dt.datetime:
    return hour_of(moment_from(item.timestamp))
