"""
Opens the bug of a group: with texts that may leave the site, and put into the outbox.

Used by the gate and by people who make a bug of what the gate has held back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DatabaseError

from error_tracking import trackers
from error_tracking.models import ErrorGroup, KnownBug
from error_tracking.report.automatic_texts import automatic_description, automatic_title

logger = logging.getLogger("error_tracking")


def open_bug(
    group: ErrorGroup, *, by: str = "", **changes: object
) -> tuple[KnownBug, bool]:
    """
    Return the bug of *group*, which is created if the group has none.

    A new one is put into the outbox.

    Args:
        group: The group.
        by: Who creates the bug, empty for the machine.
        changes: Values of a new bug that differ from those of the group.

    Returns:
        The bug, and whether it was created now.

    """
    if group.bug_id is None:
        description = text_or(automatic_description, group, "")
        # Without what the message names.
        title = text_or(automatic_title, group, group.title.partition(" (")[0])
        changes = {
            "title": title,
            "description": description,
            "automatic_description": description,
            **changes,
        }
    bug, is_new = KnownBug.open_for_group(
        group, by=by, trackers=trackers.configured_names(), **changes
    )
    if is_new:
        logger.info("new bug: bug=%s title=%r", bug.bug_id, bug.title)
    return bug, is_new


def text_or(
    make: Callable[[ErrorGroup], str], group: ErrorGroup, otherwise: str
) -> str:
    """
    Return a text about *group* that may leave the site.

    Args:
        make: Makes it. It reads the project's URLs and what was stored, and a bug
            matters more than its texts.
        group: The group.
        otherwise: What is returned when it cannot be made.
    """
    try:
        return make(group)
    except DatabaseError:
        # Busy or away: the whole round is repeated.
        raise
    except Exception:
        logger.exception(
            "a text of a bug could not be made: %s group=%s", make.__name__, group.pk
        )
        return otherwise
