"""
Drains the journals of this process, own and adopted, into the database.

Stores one batch of each journal in turn, so that a large journal does not keep the
others waiting. Runs on the worker's thread.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from django.db import connections

from error_tracking.exceptions import StaleJournalError
from error_tracking.models import ErrorLog, Journal
from error_tracking.models.base import write_alias

from . import store
from .batch_size import BatchSize
from .batch_writer import write_batch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .connection import WorkerConnection
    from .intake import Intake
    from .journal import Batch, JournalFile


class Drainer:
    """
    Stores what waits in the journals of *intake*.

    Attributes:
        batch_size: How much is stored in one transaction.

        has_stored: Whether anything was stored since somebody reset this.

        has_new_groups: Whether a new group was stored since somebody reset this. The
            gate should decide on it now, and not at the leader's next look.

    """

    def __init__(self, intake: Intake, connection: WorkerConnection) -> None:
        self._intake = intake
        self._connection = connection
        self.batch_size = BatchSize()
        self.has_stored = False
        self.has_new_groups = False

    def drain_all(self, *, is_stopping: bool = False) -> None:
        """
        Store a batch of each journal in turn until nothing waits any more.

        Events that arrive meanwhile wait for the next round. Otherwise batches would
        become small in a storm, and the thread would never rest.

        Args:
            is_stopping: Whether this process is about to end. It then stores only its
                own events: another process adopts the journals of dead ones.

        Raises:
            Exception: The database cannot store anything now; everything waits.
        """
        has_more = True
        while has_more:
            has_more = False
            self._connection.share()
            for journal in tuple(self._intake.journals):
                if is_stopping and journal.is_adopted:
                    continue
                if self.drain_once(journal):
                    has_more = True
        close_rows(self._intake.remove_drained())

    def drain_once(self, journal: JournalFile) -> bool:
        """
        Store the next batch of *journal*, exactly once.

        The batch is one transaction that also moves the journal's position. If another
        process was faster, or a COMMIT was not answered, the position shows it, and the
        batch is read again from there.

        Returns:
            Whether the journal may have more.

        Raises:
            Exception: The database cannot store anything now; everything waits.
        """
        batch = self._read(journal)
        if batch is None:
            return False
        self.has_stored = True
        if not journal.is_adopted:
            self._intake.report_to(journal)
        try:
            has_new_groups = write_batch(journal, batch)
        except StaleJournalError:
            return True
        finally:
            self._connection.mark_used()
        if has_new_groups:
            self.has_new_groups = True
        self.batch_size.adapt(journal.locked_seconds, is_full=not batch.is_last)
        # How much waits in an adopted journal is not known until it is read to its end.
        return journal.is_adopted or not batch.is_last

    def _read(self, journal: JournalFile) -> Batch | None:
        limits = self.batch_size.limits(connections[write_alias(ErrorLog)].vendor)
        try:
            return journal.read(events=limits.events, counts=limits.counts)
        except OSError as error:
            # A broken disk concerns this journal only: the others go on.
            self._intake.drop(journal, error)
            return None

    def beat(self) -> None:
        """
        Renew the heartbeat of this process's journal, also if nothing waits.

        It shows other machines that this process lives, and us that the database works.
        """
        journal = self._intake.current()
        self._intake.report_to(journal)
        with contextlib.suppress(StaleJournalError):
            store.store([], journal=journal, position=journal.position)

    def close_own_rows(self) -> None:
        """Note at the end of this process which of its journals are drained."""
        close_rows(each for each in self._intake.journals if not each.pending)


def close_rows(journals: Iterable[JournalFile]) -> None:
    """Note in the database that *journals* are drained and their files deleted."""
    keys = [journal.id for journal in journals]
    if keys:
        Journal.objects.filter(pk__in=keys).close()
