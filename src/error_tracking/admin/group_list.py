"""What is not a bug, and why: groups that the gate holds back or people hid."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from error_tracking.dashboard.relative_time import age_text
from error_tracking.models import ErrorGroup, ErrorLog

from .bug_page import why_no_bug
from .keyset import AFTER, BEFORE, KeysetChangeList
from .list_parts import (
    DAYS_SHOWN,
    Bar,
    Limit,
    Select,
    View,
    bars_of,
    chart_label,
    choices_counted,
    counted,
    counts_by,
    limits_of,
    message_of_group,
    people_by,
    selects_of,
)
from .search_terms import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

VIEW = "view"
ALL = "all"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """What one row of the list says."""

    group: ErrorGroup
    url: str
    action_url: str
    headline: str
    kind: str
    bars: tuple[Bar, ...]
    chart_label: str
    day_count: int
    people: int
    last: str
    why: str
    bug_url: str
    is_hidden: bool


def views() -> list[View]:
    """Return the views of the list, the one that is shown first at the beginning."""
    hidden = Q(verdict=ErrorGroup.Verdict.HIDDEN)
    no_bug = Q(bug=None)
    return [
        View("not_bugs", _("Not bugs"), no_bug & ~hidden),
        View("hidden", _("Hidden"), no_bug & hidden),
        View("bugs", _("Bugs"), Q(bug__isnull=False)),
        View(ALL, _("All error groups"), Q()),
    ]


class GroupChangeList(KeysetChangeList):
    """The groups of one view, those that were seen last first."""

    keyset = "last_seen"
    own_params = frozenset({AFTER, BEFORE, VIEW})

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Read from the query which groups are meant."""
        self.views = views()
        self.view = self._chosen_view(request)
        super().__init__(request, *args, **kwargs)

    def _chosen_view(self, request: HttpRequest) -> View:
        by_name = {view.name: view for view in self.views}
        is_of_one_bug = any(name.startswith("bug") for name in request.GET)
        names_one = parse(request.GET.get("q", "")).names_one_thing
        default = ALL if is_of_one_bug or names_one else "not_bugs"
        return by_name.get(request.GET.get(VIEW, ""), by_name[default])

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Any]:
        """Return the groups of the view; an action gets those that were ticked."""
        groups = super().get_queryset(request, exclude_parameters)
        self.of_all_views = groups
        if request.method == "POST":
            return groups
        return groups.filter(self.view.condition)

    def view_links(self) -> list[tuple[str, View, bool]]:
        """
        Return address, view and whether it is shown, of each view with its number.

        A view keeps the filters, but not what is searched, nor the bug.
        """
        groups = self.of_all_views
        removed = [AFTER, BEFORE]
        if self.query or any(name.startswith("bug") for name in self.params):
            groups = ErrorGroup.objects.all()
            removed = list(self.params)
        links = []
        for view in counted(self.views, groups):
            address = self.get_query_string({VIEW: view.name}, remove=removed)
            links.append((address, view, view.name == self.view.name))
        return links


def rows_for(groups: Sequence[Any], *, shows_messages: bool, site: str) -> Any:
    """
    Return the rows of the list.

    Args:
        groups: The groups of one page.
        shows_messages: Whether messages may be seen with their values.
        site: The name of the admin site, for the addresses.

    """
    now = timezone.now()
    keys = [group.pk for group in groups]
    counts = counts_by("group", keys, now)
    people = people_by("group", keys, now)
    kinds = dict(ErrorLog.ErrorType.choices)
    rows = []
    for group in groups:
        daily = counts.get(group.pk, (0,) * DAYS_SHOWN)
        message = message_of_group(group, shows_messages=shows_messages)
        bug_url = ""
        if group.bug_id is not None:
            bug_url = _url("knownbug_change", group.bug_id, site)
        rows.append(
            GroupRow(
                group=group,
                url=_url("errorgroup_change", group.pk, site),
                action_url=_url("errorgroup_action", group.pk, site),
                headline=message or group.title,
                kind=str(kinds.get(group.error_type, group.error_type)),
                bars=bars_of(daily),
                chart_label=chart_label(daily),
                day_count=daily[-1],
                people=people.get(group.pk, 0),
                last=age_text(group.last_seen, now),
                why=why_no_bug(group),
                bug_url=bug_url,
                is_hidden=group.verdict == ErrorGroup.Verdict.HIDDEN,
            )
        )
    return rows


def _url(page: str, pk: int, site: str) -> str:
    name = f"admin:error_tracking_{page}"
    return reverse(name, args=[pk], current_app=site)


def selects_for(cl: GroupChangeList) -> list[Select]:
    """Return the filters above the list; what they offer was counted."""
    fields = (
        ("error_type", _("Kind"), ErrorLog.ErrorType.choices),
        ("status_code", _("Status"), choices_counted("status_code")),
        ("environment", _("Environment"), choices_counted("environment")),
    )
    return selects_of(cl, fields)


def limits_for(cl: GroupChangeList) -> list[Limit]:
    """Return what the address asks for that no filter shows."""
    return limits_of(
        cl,
        {
            "last_seen__gte": _("seen since %s"),
            "verdict_reason__exact": _("why no bug: %s"),
        },
    )
