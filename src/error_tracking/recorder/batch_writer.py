"""
Stores a batch, also around an event that the database refuses.

Waiting is the rule. An event loses its payload only after it has failed alone, a
harmless twin of the same size could be stored, and it has failed again in the same way.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable
from typing import Any

from django.db import DataError, connections

from error_tracking.events.event import Event, Fold, Outcome
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

from . import probe, store
from .batch_items import BatchItems, Item, items_in
from .budget import shared_count
from .failures import is_same_failure, must_wait
from .journal import Batch, JournalFile
from .packed_event import packed
from .rows import REFERENCE_LENGTH

logger = logging.getLogger("error_tracking")

# What only a value can cause, but no table, privilege or server.
_ERRORS_OF_VALUES = (DataError, ValueError, TypeError, ArithmeticError)
# Beyond the Basic Multilingual Plane, as characters and as JSON escapes them.
_WIDE_CHARACTER = re.compile(
    r"[\U00010000-\U0010ffff]|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}", re.IGNORECASE
)


def write_batch(
    journal: JournalFile, batch: Batch, *, suspected: Exception | None = None
) -> bool:
    """
    Store *batch* and move *journal* on, or leave both as they are.

    If that fails, harmless twins of the events are written and rolled back. If the
    twins fail too, everything waits: no event can be stored now. Otherwise the batch is
    split in halves until the event at fault is alone.

    Args:
        journal: Moved on with what is stored.

        batch: What :meth:`JournalFile.read` returned.

        suspected: The error for which the batch was split; its twins could be stored.

    Returns:
        Whether a group is new.

    Raises:
        StaleJournalError: Another process has moved the journal on.

        Exception: What makes the events wait. The first ones of *batch* may be stored.
    """
    contents = items_in(batch)
    _log_unreadable(journal, contents)
    attempt = _Attempt(journal, batch.position, batch.lost + contents.lost)
    try:
        has_new_groups = attempt.store(contents.items)
    except Exception as error:
        # Whatever a driver or a router raises: the twins show whose fault it is.
        if must_wait(error):
            raise
        is_known_cause = suspected is not None and is_same_failure(error, suspected)
        if len(batch.records) > 1:
            if not is_known_cause:
                _require_fault_of_content(attempt, contents.items, error)
            return _write_halves(journal, batch, error)
        has_new_groups = _store_suspect(attempt, contents.items, error)
    journal.move_to(batch.position, offset=batch.offset)
    return has_new_groups


def _log_unreadable(journal: JournalFile, contents: BatchItems) -> None:
    """Log each unreadable record once, though a blocked batch is read in each round."""
    for unreadable in contents.unreadable:
        if journal.is_logged(unreadable.sequence):
            continue
        journal.mark_logged(unreadable.sequence)
        logger.error(
            "events could not be read: count=%d",
            unreadable.count,
            exc_info=unreadable.error,
        )


def _write_halves(journal: JournalFile, batch: Batch, error: Exception) -> bool:
    middle = len(batch.records) // 2
    first = batch.part(batch.records[:middle], is_last=False)
    second = batch.part(batch.records[middle:], is_last=True)
    first_has_new_groups = write_batch(journal, first, suspected=error)
    second_has_new_groups = write_batch(journal, second, suspected=error)
    return first_has_new_groups or second_has_new_groups


class _Attempt:
    """
    What all attempts to store a batch have in common.

    Args:
        journal: The journal to move on.

        position: Where to.

        damaged: How many records up to there are damaged or unreadable.
    """

    def __init__(self, journal: JournalFile, position: int, damaged: int) -> None:
        self._journal = journal
        self._position = position
        self._damaged = damaged

    def store(self, items: list[Item], *, bare: int = 0, merged: int = 0) -> bool:
        """
        Store *items*, and report what the journal has not reported yet.

        Args:
            items: What to store.

            bare: How many of them have lost their payload.

            merged: How many of them have lost their group.

        Returns:
            Whether a group is new.
        """
        journal = self._journal
        # The process may give up more while this runs: report what is known now.
        lost = journal.lost
        bare_before = journal.bare
        merged_before = journal.merged
        has_new_groups = store.store(
            items,
            journal=journal,
            position=self._position,
            lost=lost + self._damaged,
            bare=bare_before + bare,
            merged=merged_before + merged,
        )
        journal.lost -= lost
        journal.bare -= bare_before
        journal.merged -= merged_before
        return has_new_groups

    def refusal(self, items: list[Item]) -> Exception | None:
        """Write *items* and roll back. Return why that is impossible, if it is."""
        connections[write_alias(ErrorLog)].close_if_unusable_or_obsolete()
        try:
            store.store(
                items, journal=self._journal, position=self._position, is_probe=True
            )
        except StaleJournalError:
            raise
        except Exception as error:  # noqa: BLE001  compared with the event's own error
            return error
        return None


def _require_fault_of_content(
    attempt: _Attempt, items: list[Item], error: Exception
) -> None:
    """
    Return if only the content of *items* can have caused *error*.

    Raises:
        Exception: Their harmless twins fail too, so everything has to wait.
    """
    twins = [probe.harmless(item) for item in items]
    refusal = attempt.refusal(twins)
    if refusal is None:
        return
    if must_wait(refusal) or not is_same_failure(refusal, error):
        raise refusal
    small_twins = [probe.small(twin) for twin in twins]
    if attempt.refusal(small_twins) is None:
        # Too large for this server: waiting would change nothing.
        return
    if isinstance(error, _ERRORS_OF_VALUES):
        strangers = [probe.stranger(twin) for twin in twins]
        if attempt.refusal(strangers) is None:
            # The names of its rows are at fault.
            return
    raise refusal


def _store_suspect(attempt: _Attempt, items: list[Item], error: Exception) -> bool:
    """Store the only item, which has failed once: whole if it works the second time."""
    _require_fault_of_content(attempt, items, error)
    try:
        return attempt.store(items)
    except Exception as second_error:
        if must_wait(second_error) or not is_same_failure(second_error, error):
            raise
    return _store_less(attempt, items, error)


@dataclasses.dataclass(frozen=True, slots=True)
class _Reduction:
    """A way to store less of an event."""

    #: What has happened to the event then, for the log.
    description: str
    reduce: Callable[[Any], Item]
    #: Whether it loses its payload, or its group.
    is_bare: bool = False
    is_merged: bool = False


def _store_less(attempt: _Attempt, items: list[Item], error: Exception) -> bool:
    """
    Store what the database accepts of the only item, but never nothing.

    An event without its payload; otherwise only its count; otherwise its count in the
    group that such events share.
    """
    if not items:
        # The only record was unreadable: moving the journal on is what fails.
        raise error
    item = items[0]
    reference = item.event_id[-REFERENCE_LENGTH:]
    if isinstance(item, Outcome):
        logger.warning(
            "an event stays as it was captured, its outcome cannot be stored: "
            "reference=%s error=%r",
            reference,
            error,
        )
        return attempt.store([])
    for reduction in _reductions(item):
        try:
            less = reduction.reduce(item)
        except Exception as failure:  # noqa: BLE001  the next one reads no payload
            logger.info("a payload cannot be read: error=%r", failure)
            continue
        try:
            has_new_groups = attempt.store(
                [less], bare=int(reduction.is_bare), merged=int(reduction.is_merged)
            )
        except Exception as failure:
            if must_wait(failure):
                raise
            _require_fault_of_content(attempt, [less], failure)
            error = failure
            continue
        logger.warning(
            "an event is %s: reference=%s error=%r",
            reduction.description,
            reference,
            error,
        )
        return has_new_groups
    raise error


def _reductions(item: Event | Fold) -> list[_Reduction]:
    """Return the ways to store less of *item*, the least loss first."""
    without_group = _Reduction(
        "counted in a shared group", shared_count, is_merged=True
    )
    if isinstance(item, Fold):
        return [without_group]
    reductions = [
        _Reduction("stored without its payload", _without_payload, is_bare=True),
        _Reduction("only counted", Fold.of, is_bare=True),
        without_group,
    ]
    # Measured is the suite with SQLite.
    if connections[write_alias(ErrorLog)].vendor == "mysql":  # pragma: no cover
        # Tables in utf8mb3 hold no emoji. A question mark instead saves the rest.
        description = "stored with ? for what utf8mb3 cannot hold"
        reductions.insert(0, _Reduction(description, _without_wide_characters))
    return reductions


def _without_payload(event: Event) -> Event:
    return event.bare()


def _without_wide_characters(event: Event) -> Event:  # pragma: no cover  MySQL only
    """Return *event* with a question mark for each character of four bytes."""
    event = packed(event)
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, str):
            changes[field.name] = _WIDE_CHARACTER.sub("?", value)
    return dataclasses.replace(event, **changes)
