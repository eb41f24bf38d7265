"""
The dashboard as views, for the admin and for projects that want it at an address of their own.

Staff with the permission ``error_tracking.view_dashboard`` only. Programs that ask for
the numbers are answered in JSON, also when they may not see them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.utils import formats
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from error_tracking import conf, recorder
from error_tracking.database_problems import problem_for
from error_tracking.events.borders import markdown_span
from error_tracking.models import ErrorLog, Filing, KnownBug
from error_tracking.models.base import alias_or_default
from error_tracking.pages import policy, preview
from error_tracking.pages.degradation import savepoints

from . import charts, queries
from .access import PERMISSION, refusal
from .addresses import Lists
from .relative_time import age_text

#: Kinds of database problems that somebody expects who has just installed the app.
NOT_MIGRATED = {"no table", "no column"}
PEOPLE_PERMISSION = "view_request_data"


def dashboard_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the template ``error_tracking/admin/dashboard.html`` shows for *request*."""
    health = recorder.health()
    may = _may(request)
    context: dict[str, Any] = {
        "title": _("Error dashboard"),
        "health": health,
        "has_release": bool(conf.get_settings().release),
        "periods": queries.PERIODS,
        "may": may,
    }
    try:
        with savepoints():
            numbers = _numbers(request)
    except DatabaseError as error:
        problem = missing_tables(error)
        if not problem:
            raise
        context["problem"] = problem
        return context
    names = dict(ErrorLog.ErrorType.choices)
    lists = Lists(request, numbers, may)
    new_url, regressed_url = lists.of_release()
    return {
        **context,
        "numbers": numbers,
        "bug_lists": _bug_lists(numbers, lists),
        "kinds": [
            (kind, names[kind], count) for kind, count in numbers.by_kind.items()
        ],
        "severities": _severities(numbers, lists),
        "unfiled": _unfiled(numbers, lists),
        "suppressed": [
            (row, lists.groups(verdict_reason__exact=row.reason))
            for row in numbers.suppressed
        ],
        "errors_url": lists.logs(numbers.since),
        "open_url": lists.bugs("open"),
        "needs_url": lists.bugs("attention"),
        "groups_url": lists.groups(),
        "new_in_release_url": new_url,
        "regressed_in_release_url": regressed_url,
        "chart": _chart(numbers, lists),
        "recorder_text": _recorder_text(health),
    }


def missing_tables(error: DatabaseError) -> str:
    """Return what to do about tables that are not there, ``""`` for any other *error*."""
    problem = problem_for(error, alias_or_default(ErrorLog))
    if problem is None or problem.kind not in NOT_MIGRATED:
        return ""
    return str(problem)


@dataclasses.dataclass(frozen=True, slots=True)
class Unfiled:
    """So many bugs are not filed with a tracker, for one reason."""

    state: Filing.State
    tracker: str
    reason: str
    count: int
    url: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether nothing tries again unless somebody asks for it."""
        return self.state == Filing.State.FAILED

    @property
    def can_retry(self) -> bool:
        """Whether it would wait longer without somebody who asks for it."""
        return self.state in {Filing.State.FAILED, Filing.State.PAUSED}


@dataclasses.dataclass(frozen=True, slots=True)
class BugList:
    """A list of bugs of the period: its name in the address, its words, its rows."""

    view: str
    label: str
    empty: str
    bugs: queries.SomeBugs
    url: str
    markdown: str = ""


def _may(request: HttpRequest) -> dict[str, bool]:
    """Return what the user may open and do: nobody is sent to a page that refuses."""

    def has(name: str) -> bool:
        return bool(request.user.has_perm(f"error_tracking.{name}"))

    changes = has("change_knownbug")
    return {
        "bugs": has("view_knownbug") or changes,
        "change": changes,
        "groups": has("view_errorgroup"),
        "logs": has("view_errorlog"),
        "file": has("file_issue"),
        "people": has(PEOPLE_PERMISSION),
    }


def _bug_lists(numbers: queries.Dashboard, lists: Lists) -> list[BugList]:
    lines = [
        f"* {bug.bug_id} {markdown_span(bug.title)}" for bug in numbers.resolved.bugs
    ]
    return [
        BugList(
            "new", _("New"), _("No new bugs."), numbers.new, lists.of_period("new")
        ),
        BugList(
            "regressed",
            _("Regressed"),
            _("No regressions."),
            numbers.regressed,
            lists.of_period("regressed"),
        ),
        BugList(
            "resolved",
            _("Resolved"),
            _("No bugs were resolved."),
            numbers.resolved,
            lists.of_period("resolved"),
            markdown="\n".join(lines),
        ),
    ]


def _severities(
    numbers: queries.Dashboard, lists: Lists
) -> list[tuple[str, str, int, str]]:
    """Return name, label, number and address of each severity that open bugs have."""
    labels = dict(KnownBug.Severity.choices)
    return [
        (name, str(labels[name]), count, lists.bugs("open", severity__exact=name))
        for name, count in numbers.by_severity.items()
        if count
    ]


def _unfiled(numbers: queries.Dashboard, lists: Lists) -> list[Unfiled]:
    rows = []
    for state, tracker, reason, count in numbers.unfiled:
        url = lists.bugs("all", unfiled=state, tracker=tracker, reason=reason)
        rows.append(Unfiled(Filing.State(state), tracker, reason, count, url))
    return rows


def _plain(data: QueryDict, name: str, limit: int) -> str:
    """Return a value from an address or form, without NUL, which PostgreSQL refuses."""
    return data.get(name, "").replace("\0", "")[:limit]


def _numbers(request: HttpRequest) -> queries.Dashboard:
    return queries.look(
        request.GET.get("period", ""),
        _plain(request.GET, "environment", 50),
        shows_messages=request.user.has_perm(f"error_tracking.{PEOPLE_PERMISSION}"),
    )


def _chart(numbers: queries.Dashboard, lists: Lists) -> SafeString:
    kinds = dict(ErrorLog.ErrorType.choices)
    starts = [bucket.start for bucket in numbers.buckets]
    bars = []
    for number, bucket in enumerate(numbers.buckets):
        end = starts[number + 1] if number + 1 < len(starts) else None
        bars.append(_bar(bucket, end, numbers, lists))
    total = ngettext("%(count)s error", "%(count)s errors", numbers.total)
    most = max(numbers.buckets, key=lambda bucket: bucket.total)
    description = _("%(total)s in all, the most, %(most)s, from %(when)s.") % {
        "total": total % {"count": f"{numbers.total:,}"},
        "most": f"{most.total:,}",
        "when": formats.date_format(most.start, "SHORT_DATETIME_FORMAT"),
    }
    return charts.bar_chart(
        bars,
        title=_("Errors over time"),
        description=description,
        kinds={kind: str(kinds[kind]) for kind in numbers.by_kind},
    )


def _bar(
    bucket: queries.Bucket,
    end: dt.datetime | None,
    numbers: queries.Dashboard,
    lists: Lists,
) -> charts.Bar:
    label_format, title_format = "j M", "SHORT_DATE_FORMAT"
    if numbers.period == "24h":
        label_format, title_format = "H:i", "SHORT_DATETIME_FORMAT"
    when = formats.date_format(bucket.start, title_format)
    count = ngettext("%(count)s error", "%(count)s errors", bucket.total)
    url = ""
    if bucket.total:
        # The first day is not counted whole.
        url = lists.logs(max(bucket.start, numbers.since), end)
    releases = [
        release.version
        for release in numbers.releases
        if release.first_seen >= bucket.start
        and (end is None or release.first_seen < end)
    ]
    return charts.Bar(
        formats.date_format(bucket.start, label_format),
        f"{when}: {count % {'count': f'{bucket.total:,}'}}",
        bucket.counts,
        url=url,
        releases=releases,
    )


def _recorder_text(health: recorder.Health) -> str:
    """Return in one sentence whether everything is stored, and since when."""
    if health.stored_at is None:
        return _("The recorder has stored nothing yet.")
    values = {
        "time": age_text(health.stored_at),
        "lost": f"{health.lost:,}",
        "waiting": filesizeformat(health.waiting_bytes),
    }
    if health.lost:
        return (
            _("Recorder: last stored %(time)s ago; %(lost)s events lost in 30 days.")
            % values
        )
    if health.waiting_bytes:
        return (
            _(
                "Recorder: last stored %(time)s ago, nothing lost in 30 days; "
                "%(waiting)s in the journals of this server."
            )
            % values
        )
    return (
        _("Recorder: everything is stored, last %(time)s ago; nothing lost in 30 days.")
        % values
    )


def retry_filings(request: HttpRequest) -> HttpResponse:
    """
    File again what failed for the reason in the form, and show the dashboard again.

    Raises:
        PermissionDenied: The user may not file bugs.
    """
    if request.POST.get("action") != "retry":
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if not request.user.has_perm("error_tracking.file_issue"):
        raise PermissionDenied
    environment = (
        _plain(request.GET, "environment", 50) or conf.get_settings().environment
    )
    rows = Filing.objects.wanted(environment).filter(
        tracker=_plain(request.POST, "tracker", 50),
        reason=_plain(request.POST, "reason", 500),
        state__in=(Filing.State.FAILED, Filing.State.PAUSED),
    )
    keys = list(rows.values_list("pk", flat=True))
    count = Filing.objects.filter(pk__in=keys).retry()
    recorder.sweep_soon()
    text = ngettext(
        "%(count)s bug is filed again.", "%(count)s bugs are filed again.", count
    )
    messages.success(request, text % {"count": count}, fail_silently=True)
    return HttpResponseRedirect(request.get_full_path())


def _guarded(
    view: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let only staff with the permission in; everybody else logs in, or gets a 403."""
    allowed = permission_required(PERMISSION, raise_exception=True)(view)
    return staff_member_required(allowed)


@require_http_methods(["GET", "HEAD", "POST"])
@_guarded
@csrf_protect
def show_dashboard(request: HttpRequest) -> HttpResponse:
    """Show the dashboard, on a page of its own; a form on it files again what failed."""
    if request.method == "POST":
        return retry_filings(request)
    context = dashboard_context(request)
    return render(request, "error_tracking/dashboard.html", context)


@require_safe
@_guarded
def preview_pages(request: HttpRequest) -> HttpResponse:
    """
    Show what visitors see of each kind of failure, in each language of the site.

    The query names the page and the language (``?page=404&language=de``); without a
    page all are listed.
    """
    name = request.GET.get("page", "")
    language = request.GET.get("language", "")
    if language not in dict(preview.languages()):
        language = preview.current_language()
    if name not in preview.NAMES:
        context = {
            "title": _("Error pages"),
            "pages": preview.NAMES.items(),
            "languages": preview.languages(),
            "language": language,
        }
        return render(request, "error_tracking/admin/pages.html", context)
    response = HttpResponse()
    nonce = policy.nonce_for(request, response)
    response.content = preview.page_for(name, language, nonce=nonce).encode()
    return response


@require_safe
def dashboard_json(request: HttpRequest) -> HttpResponse:
    """
    Give the dashboard's numbers as JSON.

    Whoever may not see them gets a JSON object with ``error`` and ``detail``: status
    401 without a session of a signed-in user, else 403. Only a browser that is not
    signed in is sent to the login page, as it asks for HTML.
    """
    denied = refusal(request)
    if denied is not None:
        return denied
    return JsonResponse(
        {**_numbers(request).as_json(), "health": recorder.health().as_dict()}
    )
