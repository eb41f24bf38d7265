"""Hidden lines in issues: who gave an issue its state, decided from one marker."""

from __future__ import annotations

import pytest

from error_tracking.report.markers import (
    pushed_state_in,
    state_marker,
    with_state_marker,
)
from error_tracking.trackers import Filed
from error_tracking.trackers.issue_state import is_changed_by_person


def issue(state, pushed_state, pushed_activity_id):
    return Filed(
        "#1",
        state=state,
        pushed_state=pushed_state,
        pushed_activity_id=pushed_activity_id,
    )


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_marker_is_found_on_its_own_line_only(line_end):
    marker = state_marker("closed", 12)
    assert pushed_state_in(f"text{line_end}{marker}{line_end}more") == ("closed", 12)
    assert pushed_state_in(f"`{marker}`") == ("", 0)
    assert pushed_state_in("- Status: resolved") == ("", 0)


def test_marker_is_replaced_and_never_added():
    body = f"text\n{state_marker('open', 1)}\nmore"
    replaced = with_state_marker(body, "closed", 7)
    assert pushed_state_in(replaced) == ("closed", 7)
    assert replaced.replace("closed 7", "open 1") == body
    assert with_state_marker("text", "closed", 7) == "text"


@pytest.mark.parametrize(
    ("found", "known_state", "synced_activity_id", "is_changed"),
    [
        # As it was stored.
        (issue("open", "open", 3), "open", 3, False),
        (issue("closed", "open", 3), "closed", 3, False),
        (issue("open", "open", 3), "", 0, False),
        # Our update is not stored yet.
        (issue("closed", "closed", 7), "open", 3, False),
        # Our update is stored, so the change came after it.
        (issue("closed", "closed", 7), "open", 7, True),
        # Another state than the one that we gave it.
        (issue("closed", "open", 3), "open", 3, True),
        (issue("closed", "open", 9), "open", 3, True),
        # The marker was removed, or is older than markers.
        (issue("closed", "", 0), "open", 3, True),
    ],
)
def test_person_is_told_from_our_own_update(
    found, known_state, synced_activity_id, is_changed
):
    assert is_changed is is_changed_by_person(
        found, known_state=known_state, synced_activity_id=synced_activity_id
    )
