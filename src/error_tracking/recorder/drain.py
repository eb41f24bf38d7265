"""
A batch of a journal to the store: folds that are alike together, what the database cannot take alone.

Knows which errors may pass by themselves; waits for none of them.
"""

from __future__ import annotations

import dataclasses
import logging
import operator
import time

from django.db import DatabaseError, InterfaceError

from error_tracking.events import Event, Fold
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import Journal as JournalRow
from error_tracking.models.base import write_alias

from . import records
from . import store as storage
from .journal import EVENT, Batch, Journal

logger = logging.getLogger("error_tracking")

YIELD_EVENTS = 10
YIELD_COUNTS = 200
ALIKE_MILLISECONDS = 15 * 60_000  # no hour of any time zone begins within a quarter of an hour
# What a value makes of a statement: a poisoned event may fail in any converter on its way to a column.
_UNFIT = (DatabaseError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError)
_CONTENTION = {"40001", "40P01", "55P03", "1205", "1213"}  # serialisation, deadlock, lock timeout


def write(journal: Journal, batch: Batch, *, is_patient: bool = True) -> bool:
    """
    Store *batch* of *journal*, split in halves until a poisoned event is alone.

    That one is stored without its payload, else only counted, else counted as
    lost: nothing behind it waits for ever. An error that may pass is waited for,
    but without patience only while the database does not answer. Returns whether
    a group is new.

    Raises:
        StaleJournalError: Somebody else has moved the journal on.

        DatabaseError: The database is away; nothing of the batch was stored.
    """
    items, unreadable = _items(batch)
    noted = journal.lost
    lost = batch.lost + unreadable + noted
    try:
        is_new = storage.store(items, journal=journal, position=batch.position, lost=lost)
    except (StaleJournalError, InterfaceError):
        raise
    except _UNFIT as error:
        if is_contention(error) or (is_passing(error) and (is_patient or not _answers())):
            raise
        if len(batch.records) > 1:
            middle = len(batch.records) // 2
            first = write(journal, batch.part(batch.records[:middle], is_last=False), is_patient=is_patient)
            return write(journal, batch.part(batch.records[middle:], is_last=True), is_patient=is_patient) or first
        logger.warning("an event is stored without its payload: error=%r", error)
        is_new = _write_less(items, journal, batch.position, lost)
    journal.move_to(batch.position, offset=batch.offset)
    journal.lost -= noted
    return is_new


def _write_less(items: list[Event | Fold], journal: Journal, position: int, lost: int) -> bool:
    """Store what the database takes of the only item: an event bare, then what is counted of it, then nothing."""
    events = [item for item in items if isinstance(item, Event)]
    for reduce in (operator.methodcaller("bare"), Fold.of) if events else ():
        try:
            less = [reduce(event) for event in events]
            return storage.store(less, journal=journal, position=position, lost=lost)
        except _UNFIT as error:
            if is_contention(error) or (is_passing(error) and not _answers()):
                raise
    return storage.store([], journal=journal, position=position, lost=lost + len(items))


def _items(batch: Batch) -> tuple[list[Event | Fold], int]:
    """
    Return the events and folds of *batch*, and how many of its records are neither.

    Folds that are alike are one, or two with the first and the last moment: in a
    storm they are nearly all there is.
    """
    items: list[Event | Fold] = []
    folds: dict[tuple[bytes, int], list[tuple[int, bytes]]] = {}
    unreadable = 0
    for sequence, kind, payload in batch.records:
        try:
            if kind == EVENT:
                items.append(records.from_bytes(payload))
            else:
                moment, alike = Fold.peek(payload)
                folds.setdefault((alike, moment // ALIKE_MILLISECONDS), []).append((moment, payload))
        except (ValueError, KeyError, TypeError):
            unreadable += 1
            logger.exception("an event could not be read")
        if sequence % (YIELD_EVENTS if kind == EVENT else YIELD_COUNTS) == 0:
            time.sleep(0)  # let a request go first: reading a batch in one go would keep the interpreter for 20 ms
    for found in folds.values():
        try:
            first, last = Fold.from_bytes(min(found)[1]), Fold.from_bytes(max(found)[1])
        except ValueError:
            unreadable += len(found)
            logger.exception("events that are counted only could not be read")
            continue
        others = sum(payload[-1] for _, payload in found) - first.count
        items += [first, dataclasses.replace(last, count=others)] if others else [first]
    return items, unreadable


def _answers() -> bool:
    """Return whether our tables can be read."""
    try:
        return JournalRow.objects.using(write_alias(JournalRow)).count() >= 0
    except DatabaseError:
        return False


def is_passing(error: Exception) -> bool:
    """Return whether trying again may help: a lock, a deadlock, a server that is away, a table not there yet."""
    return type(error).__name__ in {"OperationalError", "InterfaceError", "ProgrammingError"}


def is_contention(error: BaseException) -> bool:
    """Return whether somebody else was quicker, so that trying again at once will do: a lock, a deadlock."""
    cause = error.__cause__ or error
    code = getattr(cause, "sqlstate", None) or (cause.args[0] if cause.args else "")
    return str(code) in _CONTENTION or "database is locked" in str(error) or "table is locked" in str(error)
