"""
Dead links: addresses that answer 404, and the page that has the link.

From the latest error logs with the status 404, by their index; that is a bounded number
of rows however many there are. Only paths are shown, for a query may name a person.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from urllib.parse import urlsplit

from error_tracking.models import ErrorLog

NOT_FOUND = 404
# Enough to see which links are followed often.
LATEST_LOGS = 500
LONGEST_PATH = 200


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLink:
    """
    A link that leads nowhere.

    Attributes:
        address: The path that does not exist.
        page: The path of the page with the link; with its host if that is another one.
        count: How often it was followed, among the latest error logs.
        is_internal: Whether the page is one of this site, so that it can be fixed here.

    """

    address: str
    page: str
    count: int
    is_internal: bool


def dead_links(environment: str, since: dt.datetime, *, number: int) -> list[DeadLink]:
    """Return the links that were followed most, those of this site's own pages first."""
    logs = ErrorLog.objects.filter(
        status_code=NOT_FOUND, environment=environment, created__gte=since
    )
    latest = logs.order_by("-created").values_list(
        "full_url", "request_data", "occurrences"
    )
    counts: Counter[tuple[bool, str, str]] = Counter()
    for url, data, times in latest[:LATEST_LOGS]:
        link = _link_of(url, data)
        if link is not None:
            counts[link] += times
    rows = sorted(counts.items(), key=lambda item: (not item[0][0], -item[1], item[0]))
    return [
        DeadLink(address, page, count, is_internal)
        for (is_internal, address, page), count in rows[:number]
    ]


def _link_of(url: str, data: object) -> tuple[bool, str, str] | None:
    """Return whether the page is internal, the address and the page; None without one."""
    referer = _referer(data)
    if not referer:
        return None
    try:
        target, source = urlsplit(url), urlsplit(referer)
    except ValueError:
        # Visitors send anything: http://[bad/
        return None
    is_internal = bool(source.netloc) and source.netloc == target.netloc
    page = source.path or "/"
    if not is_internal:
        page = f"{source.hostname or ''}{page}"
    return is_internal, target.path[:LONGEST_PATH], page[:LONGEST_PATH]


def _referer(data: object) -> str:
    if not isinstance(data, dict):
        return ""
    headers = data.get("headers")
    if not isinstance(headers, dict):
        return ""
    for name, value in headers.items():
        if str(name).lower() == "referer" and isinstance(value, str):
            return value
    return ""
