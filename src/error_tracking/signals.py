"""The signals we send to the project; we receive none of our own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from django.db.models import Model

logger = logging.getLogger("error_tracking")

#: A new bug was made. Arguments: ``bug``.
bug_created = Signal()
#: A resolved bug came back. Arguments: ``bug``.
bug_regressed = Signal()
#: A bug was resolved. Arguments: ``bug``.
bug_resolved = Signal()
#: A tracker gave a bug up. Arguments: ``bug``, ``tracker``, ``reason``.
filing_failed = Signal()


def send(signal: Signal, bug: Model, **extra: object) -> None:
    """Send *signal* robustly: a receiver that raises is logged and harms nothing."""
    for receiver, answer in signal.send_robust(sender=type(bug), bug=bug, **extra):
        if isinstance(answer, Exception):
            logger.error("a receiver failed: receiver=%r", receiver, exc_info=answer)


def send_on_commit(signal: Signal, alias: str, bug: Model) -> None:
    """Send *signal* when the transaction on the database *alias* is committed."""
    transaction.on_commit(lambda: send(signal, bug), using=alias, robust=True)
