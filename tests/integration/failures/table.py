"""
The table *failure and library, how it is stored* in the docs, held to what stories see.

``FAILURES_WRITE=1`` writes what was seen into the page instead.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "sources.md"
BEGIN, END = "<!-- failures: begin -->", "<!-- failures: end -->"
#: In this order they stand on the page.
LIBRARIES = (
    *("Django", "gunicorn", "Django REST framework", "django-ninja"),
    *("graphene", "ariadne", "strawberry", "Channels"),
    *("Celery", "RQ", "django-q2", "huey", "dramatiq"),
)
HEAD = (
    "| failure | library | stored as | events | sentry-sdk |\n|---|---|---|--:|---|\n"
)


def note(failure, library, title, events, others="-"):
    """Compare what was seen of a failure with its row in the docs, or write the row."""
    row = f"| {failure} | {library} | {_short(title)} | {events} | {others} |"
    if os.environ.get("FAILURES_WRITE"):
        _write(failure, library, row)
    assert row in rows(), f"the page has another row than\n{row}"


def rows():
    """Return the rows of the table in the docs."""
    body = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    return [line for line in body.splitlines() if line.startswith("| ")][1:]


def _short(title):
    """Return *title* without the names of the stories' own packages."""
    return re.sub(r"tests\.integration\.(?:\w+\.)*?(?=\w+\.\w)", "…", title)


def _write(failure, library, row):
    key = f"| {failure} | {library} |"
    kept = [line for line in rows() if not line.startswith(key)]
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    body = "\n".join(sorted([*kept, row], key=_order))
    PAGE.write_text(f"{before}{BEGIN}\n\n{HEAD}{body}\n\n{END}{after}")


def _order(row):
    failure, library, *_rest = row.removeprefix("| ").split(" | ")
    return LIBRARIES.index(library), failure
