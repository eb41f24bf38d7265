"""The list of error logs: found by index, read page by page, never counted."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from django.db.models.functions import Substr
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from error_tracking.dashboard.relative_time import ago_text
from error_tracking.events.message_pattern import message_pattern
from error_tracking.models import ErrorLog, KnownBug
from error_tracking.utils import clean_line

from .keyset import AFTER, BEFORE, KeysetChangeList
from .list_parts import Limit, Select, choices_counted, limits_of, selects_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

SINCE = "since"
PERIODS = {
    "1h": dt.timedelta(hours=1),
    "24h": dt.timedelta(hours=24),
    "7d": dt.timedelta(days=7),
    "30d": dt.timedelta(days=30),
}
# The first line is in them; the rest of a long message stays in the database.
MESSAGE_CHARS = 300


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """What one row of the list says."""

    log: ErrorLog
    url: str
    ago: str
    headline: str
    who: str
    bug: KnownBug | None
    bug_url: str


class LogChangeList(KeysetChangeList):
    """The error logs of a period, the latest first."""

    own_params = frozenset({AFTER, BEFORE, SINCE})

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Any]:
        """Return the error logs, with the beginning of their messages."""
        start = Substr("exception_message", 1, MESSAGE_CHARS)
        self.root_queryset = self.root_queryset.annotate(message_start=start)
        logs = super().get_queryset(request, exclude_parameters)
        period = PERIODS.get(self.params.get(SINCE, ""))
        if period is not None:
            logs = logs.filter(created__gte=timezone.now() - period)
        return logs


def rows_for(logs: Sequence[Any], *, shows_people: bool, site: str) -> list[LogRow]:
    """
    Return the rows of the list.

    Args:
        logs: The error logs of one page.
        shows_people: Whether people and the values of messages may be seen.
        site: The name of the admin site, for the addresses.

    """
    now = timezone.now()
    rows = []
    for log in logs:
        bug = log.group.bug
        bug_url = ""
        if bug is not None:
            bug_url = reverse(
                "admin:error_tracking_knownbug_change",
                args=[bug.pk],
                current_app=site,
            )
        rows.append(
            LogRow(
                log=log,
                url=reverse(
                    "admin:error_tracking_errorlog_change",
                    args=[log.pk],
                    current_app=site,
                ),
                ago=ago_text(log.created, now),
                headline=_headline(log, shows_people=shows_people),
                who=_who(log) if shows_people else "",
                bug=bug,
                bug_url=bug_url,
            )
        )
    return rows


def _headline(log: Any, *, shows_people: bool) -> str:
    lines = log.message_start.strip().splitlines()
    message = lines[0] if lines else ""
    if not shows_people:
        message = message_pattern(message)
    name = log.exception_type.rpartition(".")[2]
    headline = ": ".join(part for part in (name, message) if part)
    return clean_line(headline, MESSAGE_CHARS) or log.group.title


def _who(log: ErrorLog) -> str:
    return log.user_label or str(log.user_id or "")


def selects_for(cl: LogChangeList) -> list[Select]:
    """Return the filters above the list; what they offer was counted."""
    fields = (
        ("error_type__exact", _("Kind"), ErrorLog.ErrorType.choices),
        ("status_code", _("Status"), choices_counted("status_code")),
        (SINCE, _("Time"), [(name, name) for name in PERIODS]),
        ("environment", _("Environment"), choices_counted("environment")),
    )
    return selects_of(cl, fields)


def limits_for(cl: LogChangeList) -> list[Limit]:
    """Return what the address asks for that no filter shows."""
    return limits_of(
        cl,
        {
            "created__gte": _("from %s"),
            "created__lt": _("until %s"),
        },
    )
