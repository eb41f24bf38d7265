"""Decides whether a person or we gave an issue its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Filed


def is_changed_by_person(
    issue: Filed, *, known_state: str, synced_activity_id: int
) -> bool:
    """
    Return whether a person gave *issue* its state since we last stored it.

    This is the only place that decides so.

    Args:
        issue: The issue as GitHub shows it now.
        known_state: Its state as stored with the bug, ``""`` before the first time.
        synced_activity_id: The activity up to which the stored filing is synced.
    """
    if issue.state == (known_state or "open"):
        return False
    # An update of ours reached GitHub, but its answer was lost before it was stored.
    is_push_unstored = issue.pushed_activity_id > synced_activity_id
    is_our_state = issue.state == issue.pushed_state
    return not (is_push_unstored and is_our_state)
