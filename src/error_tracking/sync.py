"""
Everything that can be done now: adopt journals, sweep, file, read the issues back.

The management command ``error_tracking_sync`` and the Celery task
``error_tracking.sync`` are this function with a way to show its result.
"""

from __future__ import annotations

import dataclasses

from . import recorder
from .bugs.sweep import Round, sweep


def sync() -> Round:
    """
    Store what dead processes left, then do one round and wait for all of it.

    Safe beside a running site, and in several processes at once.

    Returns:
        What was done here. What other processes did meanwhile is not in it.

    Raises:
        Exception: The database could not store something. Nothing is lost.

    """
    adopted = recorder.store_orphans()
    done = sweep(waits_for_filing=True)
    return dataclasses.replace(done, adopted=adopted)
