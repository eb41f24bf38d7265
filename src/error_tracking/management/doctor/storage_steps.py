"""Steps about storing: journal, database, leader, size."""

from __future__ import annotations

import dataclasses
import time

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from error_tracking import conf, schema
from error_tracking.bugs import table_size
from error_tracking.checks import check_encoding, check_tables
from error_tracking.database_problems import noting_statements
from error_tracking.events.event import Event
from error_tracking.management.base import counted
from error_tracking.models import ErrorLog
from error_tracking.models import Journal as JournalRow
from error_tracking.models.base import write_alias
from error_tracking.recorder import leftovers
from error_tracking.recorder.batch_writer import write_batch
from error_tracking.recorder.health_report import SILENT_SECONDS
from error_tracking.recorder.journal import (
    EVENT,
    SUFFIX,
    Batch,
    JournalFile,
    MemoryStorage,
)
from error_tracking.recorder.machine import Machine

from .findings import Answer, State, fail, milliseconds_since, ok, skip, warn
from .site_steps import JOURNAL_CHECKS, Messages, summary

# Half a minute of difference moves no error to another hour of a chart by much, and
# more is never the network.
CLOCK_SECONDS = 30
# Databases may keep local times. Time zones differ by quarters of an hour, so that
# such a difference says nothing about the clock.
ZONE_SECONDS = 900


@dataclasses.dataclass(frozen=True, slots=True)
class WrittenJournal:
    """A journal with the test error in it, and what was read back from it."""

    journal: JournalFile
    batch: Batch | None


def write_journal(messages: Messages | None, event: Event | None) -> Answer:
    """Write *event* to a journal as the site would; the journal is the value."""
    machine = Machine()
    ours = [each for each in messages or () if each.id in JOURNAL_CHECKS]
    answer = summary(ours, f"on disk in {machine.directory}; survives a killed process")
    try:
        journal = _new_journal(machine)
    except OSError as error:
        journal = JournalFile(MemoryStorage(), machine.identity)
        answer = _in_memory_only(machine, error, ours)
    if event is not None:
        journal.append(EVENT, event.to_bytes())
    written = WrittenJournal(journal, journal.read())
    journal.storage.close(unlink=True)
    if conf.get_settings().RECORDER == "immediate":
        return skip("events are written immediately (RECORDER)", value=written)
    answer = _with_orphans(answer, leftovers.find(machine))
    return dataclasses.replace(answer, value=written)


def _new_journal(machine: Machine) -> JournalFile:
    """Return a journal on disk whose file has no name."""
    journal = machine.new_journal()
    if machine.directory is not None:
        # No process may adopt it when this one dies: the test error would be stored.
        (machine.directory / f"{journal.id}{SUFFIX}").unlink()
    return journal


def _in_memory_only(machine: Machine, error: OSError, ours: Messages) -> Answer:
    """Return why no journal is on disk, in the words of the check where it knows."""
    found = machine.problem or f"events wait in memory only: {error}"
    if ours:
        found = ours[0].msg
    folder = conf.get_settings().JOURNAL_DIR
    value = "not set" if folder is None else str(folder)
    return warn(
        found,
        f'JOURNAL_DIR is {value}: set ERROR_TRACKING["JOURNAL_DIR"] to an absolute '
        "path that this user may write to.",
    )


def _with_orphans(answer: Answer, orphaned: list[leftovers.Leftover]) -> Answer:
    """Return *answer* with the folders that no process drains any more."""
    if not orphaned or answer.state == State.FAIL:
        return answer
    events = counted(sum(folder.events for folder in orphaned), "event")
    names = ", ".join(str(folder.path) for folder in orphaned)
    found = (
        f"{answer.found}; {events} of another database or environment of this "
        f"project in {names}"
    )
    advice = "Run manage.py error_tracking_journals to adopt or delete them."
    return warn(found, f"{answer.advice} {advice}".strip())


def store(event: Event | None, written: WrittenJournal | None) -> Answer:
    """
    Store the test error and take it back.

    The value is True where the database can be read.
    """
    alias = write_alias(ErrorLog)
    unapplied = schema.unapplied_migrations(alias)
    if unapplied:
        verb = "is" if len(unapplied) == 1 else "are"
        migrations = counted(len(unapplied), "migration")
        return fail(
            f"{migrations} {verb} not applied to {alias!r}, first {unapplied[0]}",
            f"Run manage.py migrate --database {alias}.",
        )
    incomplete = list(check_tables(databases=[alias]))
    if incomplete:
        found, advice = incomplete[0].msg, str(incomplete[0].hint)
        if schema.missing_columns(alias):
            return fail(found, advice)
        return warn(found, advice, value=True)
    narrow = list(check_encoding(databases=[alias]))
    if narrow:
        return warn(narrow[0].msg, str(narrow[0].hint), value=True)
    if event is None or written is None or written.batch is None:
        return skip(
            "the database answers, but there is no test error to store", value=True
        )
    started = time.monotonic()
    stored = _store_and_take_back(alias, event, written.journal, written.batch)
    if not stored.has_payload:
        return warn(
            "the test error was stored without its payload",
            "Use UTF-8 as the encoding of the database (utf8mb4 on MySQL).",
            value=True,
        )
    duration = milliseconds_since(started)
    found = (
        f"stored in {alias!r} and found by its reference in {duration}, then removed"
    )
    difference = abs(_without_time_zone(stored.clock_ahead_seconds))
    if difference > CLOCK_SECONDS:
        found = f"{found}; its clock differs by {difference:.0f} seconds"
        return warn(found, "Synchronise both clocks with NTP.", value=True)
    return ok(found, value=True)


@dataclasses.dataclass(frozen=True, slots=True)
class _Stored:
    has_payload: bool
    clock_ahead_seconds: float


def _store_and_take_back(
    alias: str, event: Event, journal: JournalFile, batch: Batch
) -> _Stored:
    """Store *batch* in a transaction, read the error log, and roll back."""
    with noting_statements(alias), transaction.atomic(using=alias):
        write_batch(journal, batch)
        logs = ErrorLog.objects.using(alias).filter(reference=event.reference)
        values = logs.annotate(clock=Now()).values_list("exception_message", "clock")
        message, clock = values.get()
        ahead = (clock - timezone.now()).total_seconds()
        transaction.set_rollback(True, using=alias)
    return _Stored(bool(message), ahead)


def _without_time_zone(seconds: float) -> float:
    """Return a difference of clocks without the part that a time zone explains."""
    half = ZONE_SECONDS / 2
    return (seconds + half) % ZONE_SECONDS - half


def find_leader(can_read_database: bool | None) -> Answer:
    """Check that a process of the site does the periodic work."""
    settings = conf.get_settings()
    if settings.RECORDER == "immediate":
        return skip(
            "errors are processed immediately (RECORDER); error_tracking_sync does "
            "what has to wait"
        )
    machine = Machine()
    if not machine.lead():
        return ok(f"a process on {settings.server_name} does the periodic work")
    machine.let_go()
    if can_read_database:
        row = JournalRow.objects.filter(closed_at=None).order_by("heartbeat").last()
        if row is not None:
            age = (timezone.now() - row.heartbeat).total_seconds()
            if age < SILENT_SECONDS:
                return ok(
                    f"none on this machine; {row.server_name} was seen {age:.0f} "
                    "seconds ago"
                )
    return warn(
        f"no process of the site was seen in {SILENT_SECONDS // 60} minutes",
        "Start the site (its first request starts the periodic work), or run "
        "error_tracking_sync every minute.",
    )


def measure_size(can_read_database: bool | None) -> Answer:
    """Measure how much is stored and how fast it grows."""
    if not can_read_database:
        return skip("the database cannot be read")
    size = table_size.measure()
    settings = conf.get_settings()
    found = (
        f"at most {counted(size.error_logs, 'error log')}, {size.logs_per_day:,} a day "
        "in the last week"
    )
    if size.bytes_on_disk is not None:
        found = f"{size.bytes_on_disk / 1e6:,.1f} MB on disk; {found}"
    return ok(
        f"{found}; MAX_ERROR_LOGS is {settings.MAX_ERROR_LOGS:,}, MAX_SIZE_MB "
        f"{settings.MAX_SIZE_MB:,}"
    )
