"""Says whose fault it may be that a batch could not be stored."""

from __future__ import annotations

import re

from django.db import OperationalError

from error_tracking.database_problems import code_of, problem_for
from error_tracking.exceptions import StaleJournalError


class CommitError(OperationalError):
    """
    Every statement succeeded, but the COMMIT did not.

    Only the journal's row can tell whether the batch is stored. It is never the fault
    of one event.
    """


def must_wait(error: Exception) -> bool:
    """
    Return whether *error* cannot be the fault of an event.

    It is the fault of another process, the server, its tables or its disk.
    """
    if isinstance(error, StaleJournalError | CommitError):
        return True
    problem = problem_for(error, "")
    if problem is None:
        return False
    # A connection may have been lost because of this very event: only another attempt
    # on a new connection shows that.
    return problem.kind != "away"


def is_contention(error: BaseException) -> bool:
    """Return whether another process was faster: a lock or a deadlock, soon over."""
    problem = problem_for(error, "")
    return problem is not None and problem.kind == "locked"


def is_same_failure(first: Exception, second: Exception) -> bool:
    """Return whether both errors have one cause, though they may name other rows."""
    return _signature(first) == _signature(second)


def _signature(error: Exception) -> tuple[str, str]:
    text_without_numbers = re.sub(r"\d+", "", str(error))
    return type(error).__name__, code_of(error) or text_without_numbers
