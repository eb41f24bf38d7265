"""What the commands show of bugs, as plain data and as lines for a terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from error_tracking.models import Filing, KnownBug
from error_tracking.models.base import moment_text
from error_tracking.utils import clean_line

#: The fields of a bug that are shown, in this order.
FACTS = (
    "bug_id",
    "title",
    "severity",
    "status",
    "environment",
    "kind",
    "occurrence_count",
    "first_occurrence",
    "last_occurrence",
    "first_release",
    "resolved_at",
    "resolved_in_release",
    "regressed_at",
    "muted_until",
    "muted_until_count",
    "muted_until_people",
    "github_issue_url",
    "file_name",
    "fingerprint",
    "cause",
    "uuid",
    "is_deleted",
)
GROUP_FACTS = ("last_seen", "times_seen", "title", "culprit", "last_release")
HISTORY_FACTS = ("created", "verb", "by", "text")

# Titles have at most 200 characters; anything longer is not for a table.
CELL_CHARS = 300
COLUMN_GAP = "  "


def facts_of(bug: KnownBug) -> dict[str, Any]:
    """Return the fields of *bug*."""
    facts = {name: getattr(bug, name) for name in FACTS}
    facts["merged_into"] = bug.merged_into.bug_id if bug.merged_into else ""
    return facts


def details_of(bug: KnownBug) -> dict[str, Any]:
    """Return the fields of *bug*, its error groups, filings and history."""
    filings = bug.filings.order_by("tracker")
    return {
        **facts_of(bug),
        "description": bug.description,
        "groups": list(bug.groups.order_by("-last_seen").values(*GROUP_FACTS)),
        "filings": [filing_facts(filing) for filing in filings],
        "history": list(bug.activities.values(*HISTORY_FACTS)),
    }


def filing_facts(filing: Filing) -> dict[str, str]:
    """Return where a bug is filed, or why it is not."""
    where = filing.reason or filing.url or filing.reference
    is_waiting = filing.state in {Filing.State.PENDING, Filing.State.PAUSED}
    is_done = filing.bug.status in {KnownBug.Status.MUTED, KnownBug.Status.RESOLVED}
    if not where and is_waiting and is_done:
        where = f"the bug is {filing.bug.get_status_display()}"
    return {
        "tracker": filing.tracker,
        "state": str(filing.get_state_display()),
        "where": where,
    }


def cell(value: object) -> str:
    """Return *value* for a line of a terminal, without control characters."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return moment_text(value)
    return clean_line(str(value), CELL_CHARS)


def table(rows: Sequence[Sequence[str]], *, width: int | None) -> Iterator[str]:
    """
    Yield *rows* as lines with columns.

    Args:
        rows: Cells; all rows have as many.
        width: Where lines are cut, in characters; None cuts none.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [text.ljust(size) for text, size in zip(row, widths, strict=True)]
        line = COLUMN_GAP.join(cells).rstrip()
        if width is not None and len(line) > width:
            line = f"{line[: width - 1]}…"
        yield line
