"""
Where the numbers of the dashboard lead: to the lists of the admin that show what they count.

Each address has the same period, environment and conditions as its number. Whoever may
not open a list gets no address.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from .queries import Dashboard


class Lists:
    """The addresses of the lists for the numbers of one dashboard."""

    def __init__(
        self, request: HttpRequest, numbers: Dashboard, may: Mapping[str, bool]
    ) -> None:
        """
        Find out which lists there are.

        Args:
            request: Who looks, and in which admin site.
            numbers: The dashboard.
            may: Which of ``bugs``, ``groups`` and ``logs`` the user may open.

        """
        self._numbers = numbers
        self._bugs = _address("knownbug", request) if may["bugs"] else ""
        self._groups = _address("errorgroup", request) if may["groups"] else ""
        self._logs = _address("errorlog", request) if may["logs"] else ""

    def bugs(self, view: str, **conditions: str) -> str:
        """Return the address of the bugs of *view* that meet *conditions*, or ``""``."""
        return self._with(self._bugs, view=view, **conditions)

    def groups(self, **conditions: str) -> str:
        """Return the address of the groups that are no bugs and meet *conditions*."""
        since = self._numbers.since.isoformat()
        return self._with(self._groups, last_seen__gte=since, **conditions)

    def logs(self, since: dt.datetime, until: dt.datetime | None = None) -> str:
        """Return the address of the error logs between two moments."""
        conditions = {"created__gte": since.isoformat()}
        if until is not None:
            conditions["created__lt"] = until.isoformat()
        return self._with(self._logs, **conditions)

    def of_period(self, name: str) -> str:
        """Return the address of the bugs that are *name*: new, regressed or resolved."""
        since = self._numbers.since.isoformat()
        if name == "new":
            return self.bugs("all", created__gte=since)
        if name == "regressed":
            return self.bugs("regressed", regressed_at__gte=since)
        return self.bugs("resolved", resolved_at__gte=since)

    def of_release(self) -> tuple[str, str]:
        """Return the addresses of what is new, and of what regressed, in the release that runs."""
        running = self._numbers.running
        if running is None:
            return "", ""
        since = running.first_seen.isoformat()
        return (
            self.bugs("all", first_release__exact=running.version),
            self.bugs("regressed", regressed_at__gte=since),
        )

    def _with(self, address: str, **conditions: str) -> str:
        if not address:
            return ""
        query = {**conditions, "environment": self._numbers.environment}
        return f"{address}?{urlencode(query)}"


def _address(model: str, request: HttpRequest) -> str:
    """Return the address of the admin's list of *model*, empty if it has none."""
    # A project may have several admin sites; this is the one that shows the page.
    site = None
    if request.resolver_match is not None:
        site = request.resolver_match.namespace
    try:
        return reverse(f"admin:error_tracking_{model}_changelist", current_app=site)
    except NoReverseMatch:
        return ""
