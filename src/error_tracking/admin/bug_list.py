"""
The list of bugs: which ones a view has, and what a row says.

A page takes the same number of queries however many bugs, groups and counts there are,
and reads no error log.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    Subquery,
    Sum,
    When,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from error_tracking import conf
from error_tracking.dashboard import attention
from error_tracking.dashboard.bug_rows import names_of_users
from error_tracking.dashboard.relative_time import age_text, ago_text
from error_tracking.models import (
    ErrorGroup,
    Filing,
    HourlyCount,
    KnownBug,
)

from .base import link_to, without_nul
from .keyset import AFTER, BEFORE, KeysetChangeList, hidden_fields
from .list_parts import (
    DAYS_SHOWN,
    Bar,
    Limit,
    Select,
    View,
    bars_of,
    chart_label,
    counted,
    counts_by,
    limits_of,
    message_of_group,
    people_by,
)
from .search_terms import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

VIEW = "view"
SORT = "sort"
#: In the query: the state of filings, and which tracker and reason these have.
UNFILED = "unfiled"
TRACKER = "tracker"
REASON = "reason"
#: The view of what the dashboard lists under "Needs attention".
ATTENTION = "attention"
ENVIRONMENT = "environment"
#: In the query: bugs of every environment.
EVERYWHERE = "*"
TO_DO = "open"
ALL = "all"
FILED = (Filing.State.FILED, Filing.State.LOCAL)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BugRow:
    """What one row of the list says."""

    bug: KnownBug
    url: str
    headline: str
    location: str
    route: str
    more_groups: str
    badges: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]
    chart_label: str
    day_count: int
    people: int
    last: str
    who: str
    issue: str
    not_filed: str


def views_for(request: HttpRequest) -> list[View]:
    """Return the views of the list, the most important one first."""
    status = KnownBug.Status
    open_ones = Q(
        status__in=(status.OPEN, status.IN_PROGRESS),
        is_deleted=False,
    )
    present = Q(is_deleted=False)
    release = conf.get_settings().release
    views = [View(TO_DO, _("To do"), open_ones)]
    if release:
        label = _("New in %(release)s") % {"release": release}
        new = Q(first_release=release) & present & ~Q(status=status.RESOLVED)
        views.append(View("new", label, new))
    regressed = open_ones & Q(regressed_at__isnull=False)
    mine = present & ~Q(status=status.RESOLVED) & Q(assignee_id=request.user.pk)
    views += [
        View("regressed", _("Regressed"), regressed),
        View("mine", _("Mine"), mine),
        View("unassigned", _("Unassigned"), open_ones & Q(assignee_id=None)),
        View("unfiled", _("Not filed"), open_ones & Q(is_unfiled=True)),
        View("muted", _("Muted"), present & Q(status=status.MUTED)),
        View("resolved", _("Resolved"), present & Q(status=status.RESOLVED)),
        View("deleted", _("Deleted"), Q(is_deleted=True)),
        View(ALL, _("All"), present),
    ]
    if request.GET.get(VIEW) == ATTENTION:
        environment = without_nul(request.GET.get(ENVIRONMENT, ""))
        if environment in {"", EVERYWHERE}:
            environment = conf.get_settings().environment
        needs = attention.condition(environment, timezone.now())
        views.insert(0, View(ATTENTION, _("Needs attention"), needs))
    return views


def with_annotations(bugs: Any) -> Any:
    """Return *bugs* with what the views and the order ask for."""
    filings = Filing.objects.filter(bug=OuterRef("pk"))
    unfinished = filings.exclude(state__in=FILED)
    return bugs.annotate(
        is_unfiled=Exists(unfinished) | ~Exists(filings),
        last_change=Coalesce("last_occurrence", "created"),
    )


def with_day_count(bugs: Any, now: dt.datetime) -> Any:
    """Return *bugs* with how often each was seen in the 24 hours that end *now*."""
    day_ago = now - dt.timedelta(days=1)
    counts = HourlyCount.objects.filter(
        group__bug=OuterRef("pk"), hour__gt=day_ago, hour__lte=now
    )
    per_bug = counts.order_by().values("group__bug").annotate(seen=Sum("count"))
    # Most bugs were last seen longer ago: nothing is added up for these.
    seen = Case(
        When(last_occurrence__gt=day_ago, then=Subquery(per_bug.values("seen"))),
        output_field=BigIntegerField(),
    )
    return bugs.annotate(day_count=Coalesce(seen, 0))


class BugChangeList(KeysetChangeList):
    """The bugs of one view and environment, in a form that the admin's actions know."""

    own_params = frozenset({AFTER, BEFORE, VIEW, SORT, UNFILED, TRACKER, REASON})
    #: What the pages are ordered by, by the name of the order in the address.
    KEYSETS: ClassVar[dict[str, str]] = {
        "last": "last_change",
        "count": "occurrence_count",
        "day": "day_count",
    }

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Read from the query which bugs are meant, and in which order."""
        self.sort = request.GET.get(SORT, "")
        if self.sort not in self.KEYSETS:
            self.sort = "last"
        self.keyset = self.KEYSETS[self.sort]
        self.is_number = self.sort != "last"
        self.views = views_for(request)
        self.view = self._chosen_view(request)
        super().__init__(request, *args, **kwargs)

    def _chosen_view(self, request: HttpRequest) -> View:
        by_name = {view.name: view for view in self.views}
        search = parse(request.GET.get("q", ""))
        if search.names_one_thing or "deleted" in search.states:
            return View(ALL, _("All"), Q())
        if any(
            values for name, values in request.GET.items() if name.startswith("status")
        ):
            # Each view has a status of its own.
            return by_name[ALL]
        default = TO_DO
        if request.GET.get(UNFILED) or not search.is_empty:
            default = ALL
        return by_name.get(request.GET.get(VIEW, ""), by_name[default])

    @property
    def environment(self) -> str:
        """The environment whose bugs are shown, ``""`` for those of every one."""
        chosen = without_nul(self.params.get(ENVIRONMENT) or "")
        if self.query and not chosen:
            return ""
        return _environment_called(chosen)

    def get_filters_params(self, params: Any = None) -> Any:
        """Return Django's own parameters; the environment has a default here."""
        found = super().get_filters_params(params)
        found.pop(ENVIRONMENT, None)
        return found

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Any]:
        """
        Return the bugs of the view.

        An action gets the bugs that were ticked, whatever has become of them since the
        page was shown.
        """
        self.root_queryset = with_annotations(self.root_queryset)
        if self.sort == "day":
            self.root_queryset = with_day_count(self.root_queryset, timezone.now())
        bugs = super().get_queryset(request, exclude_parameters)
        self.of_all_views = self._with_unfiled(_of(self.environment, bugs))
        if request.method == "POST":
            return bugs
        of_view: QuerySet[Any] = self.of_all_views.filter(self.view.condition)
        return of_view

    def _with_unfiled(self, bugs: Any) -> Any:
        """Return those of *bugs* that are not filed for the reason in the address."""
        state = self.params.get(UNFILED, "")
        if not state:
            return bugs
        filings = Filing.objects.all()
        if self.environment:
            filings = filings.wanted(self.environment)
        for_reason = filings.filter(
            state=state,
            tracker=without_nul(self.params.get(TRACKER, "")),
            reason=without_nul(self.params.get(REASON, "")),
        )
        return bugs.filter(pk__in=for_reason.values("bug"))

    def view_links(self) -> list[tuple[str, View, bool]]:
        """
        Return address, view and whether it is shown, of each view with its number.

        A view keeps the filters. It does not keep what is searched, nor a status: each
        view has one of its own.
        """
        bugs = self.of_all_views
        removed = [AFTER, BEFORE]
        if self.query or any(name.startswith("status") for name in self.params):
            chosen = without_nul(self.params.get(ENVIRONMENT) or "")
            bugs = with_annotations(KnownBug.all_objects.all())
            bugs = _of(_environment_called(chosen), bugs)
            removed = [name for name in self.params if name not in {ENVIRONMENT, SORT}]
        links = []
        for view in counted(self.views, bugs):
            address = self.get_query_string({VIEW: view.name}, remove=removed)
            links.append((address, view, view.name == self.view.name))
        return links


def _environment_called(name: str) -> str:
    """Return the environment that is meant in the address, ``""`` for every one."""
    if name == EVERYWHERE:
        return ""
    return name or conf.get_settings().environment


def _of(environment: str, bugs: Any) -> Any:
    """Return those of *bugs* that are of *environment*, all for ``""``."""
    if not environment:
        return bugs
    return bugs.filter(environment=environment)


def environments() -> list[str]:
    """Return the environments that have bugs, and this process's own."""
    found = KnownBug.all_objects.order_by("environment").values_list(
        "environment", flat=True
    )
    return sorted({*found.distinct(), conf.get_settings().environment})


def rows_for(bugs: Sequence[KnownBug], *, shows_messages: bool, site: str) -> Any:
    """
    Return the rows of the list.

    Args:
        bugs: The bugs of one page.
        shows_messages: Whether messages may be seen with their values.
        site: The name of the admin site, for the addresses.

    """
    keys = [bug.pk for bug in bugs]
    now = timezone.now()
    groups = _latest_groups(keys)
    counts = counts_by("group__bug", keys, now)
    people = people_by("group__bug", keys, now)
    names = names_of_users({bug.assignee_id for bug in bugs if bug.assignee_id})
    reasons = _reasons_not_filed(keys)
    running = conf.get_settings().release
    rows = []
    for bug in bugs:
        group = groups.get(bug.pk)
        daily = counts.get(bug.pk, (0,) * DAYS_SHOWN)
        rows.append(
            BugRow(
                bug=bug,
                url=reverse(
                    "admin:error_tracking_knownbug_change",
                    args=[bug.pk],
                    current_app=site,
                ),
                headline=_headline(bug, group, shows_messages=shows_messages),
                location=group.culprit if group else "",
                route=group.route if group else "",
                more_groups=_more_groups(group),
                badges=tuple(_badges(bug, running)),
                bars=bars_of(daily),
                chart_label=chart_label(daily),
                day_count=daily[-1],
                people=people.get(bug.pk, 0),
                last=age_text(bug.last_occurrence, now),
                who=_who(bug, names),
                issue=_issue(bug),
                not_filed=reasons.get(bug.pk, ""),
            )
        )
    return rows


def _issue(bug: KnownBug) -> str:
    if not bug.github_issue_number:
        return ""
    return link_to(bug.github_issue_url, f"#{bug.github_issue_number}")


def _headline(bug: KnownBug, group: Any, *, shows_messages: bool) -> str:
    """Return the title that a person gave, else the message, else the title."""
    if group is None or bug.title != group.title or bug.kind != KnownBug.Kind.ERROR:
        return bug.title
    return message_of_group(group, shows_messages=shows_messages) or bug.title


def _latest_groups(bugs: Iterable[int]) -> dict[int, Any]:
    """Return the group of each bug that was seen last, with how many groups there are."""
    by_bug = [F("bug")]
    groups = ErrorGroup.objects.filter(bug__in=bugs).annotate(
        rank=Window(
            RowNumber(), partition_by=by_bug, order_by=[F("last_seen").desc(), "pk"]
        ),
        groups_of_bug=Window(Count("pk"), partition_by=by_bug),
    )
    latest: dict[Any, Any] = {}
    for group in groups.filter(rank=1):
        latest[group.bug_id] = group
    return latest


def _more_groups(group: Any) -> str:
    more = group.groups_of_bug - 1 if group else 0
    if more < 1:
        return ""
    return ngettext("and %d more", "and %d more", more) % more


def _who(bug: KnownBug, names: dict[Any, str]) -> str:
    if bug.assignee_id is None:
        return ""
    return names.get(bug.assignee_id, _("somebody who is gone"))


def _reasons_not_filed(bugs: Iterable[int]) -> dict[int, str]:
    """Return in one line why a bug is not filed; what only waits its turn has no reason."""
    filings = Filing.objects.filter(bug__in=bugs).exclude(state__in=FILED)
    reasons: dict[int, str] = {}
    for filing in filings.exclude(reason="").order_by("tracker"):
        reasons.setdefault(filing.bug_id, f"{filing.tracker}: {filing.reason}")
    return reasons


def _badges(bug: KnownBug, running: str) -> Iterable[tuple[str, str]]:
    """Return text and kind of what catches the eye."""
    if bug.is_regression:
        ago = ago_text(bug.regressed_at)
        yield _("regressed %(ago)s") % {"ago": ago}, "alert"
    elif running and bug.first_release == running and not bug.is_resolved:
        yield _("new in %(release)s") % {"release": running}, "alert"
    if bug.kind == KnownBug.Kind.INCIDENT:
        yield _("incident"), "alert"
    if bug.merged_into_id is not None:
        yield _("merged"), "muted"
    if bug.is_deleted:
        yield _("deleted"), "muted"


def selects_for(cl: BugChangeList) -> list[Select]:
    """Return the filters above the list of bugs."""
    anything = ("", _("any"))
    found = []
    own_environments = environments()
    if len(own_environments) > 1:
        choices = [(EVERYWHERE, _("all")), *((name, name) for name in own_environments)]
        chosen = cl.environment or EVERYWHERE
        found.append(Select.of(ENVIRONMENT, _("Environment"), choices, chosen))
    fields = (
        ("severity__exact", _("Severity"), KnownBug.Severity.choices),
        ("status__exact", _("Status"), KnownBug.Status.choices),
        ("filings__state__exact", _("Filing"), Filing.State.choices),
    )
    for name, label, values in fields:
        chosen = cl.params.get(name, "")
        found.append(Select.of(name, label, (anything, *values), chosen))
    orders = (
        ("last", _("last seen")),
        ("day", _("most in 24 hours")),
        ("count", _("most often")),
    )
    found.append(Select.of(SORT, _("Order"), orders, cl.sort))
    return found


def limits_for(cl: BugChangeList) -> list[Limit]:
    """Return what the address asks for that no filter shows: the dashboard links to it."""
    limits = limits_of(
        cl,
        {
            "created__gte": _("new since %s"),
            "regressed_at__gte": _("regressed since %s"),
            "resolved_at__gte": _("resolved since %s"),
            "first_release__exact": _("first seen in %s"),
        },
    )
    state = cl.params.get(UNFILED, "")
    if state:
        tracker, reason = cl.params.get(TRACKER, ""), cl.params.get(REASON, "")
        label = dict(Filing.State.choices).get(state, state)
        text = ": ".join(part for part in (tracker, str(label), reason) if part)
        removed = [UNFILED, TRACKER, REASON, AFTER, BEFORE]
        limits.append(Limit(text, cl.get_query_string(remove=removed)))
    return limits


def kept_params(cl: KeysetChangeList) -> list[tuple[str, str]]:
    """Return what the form of the filters has to send along."""
    own = (ENVIRONMENT, SORT, "severity__exact", "status__exact")
    return hidden_fields(cl.filter_params, but=(*own, "filings__state__exact"))
