"""
The dashboard as views, for the admin and for projects that want it at an address of their own.

Staff with the permission ``error_tracking.view_dashboard`` only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from . import charts, conf, dashboard, recorder
from .models import ErrorLog, Filing, KnownBug

PERMISSION = "error_tracking.view_dashboard"


def dashboard_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the template ``error_tracking/admin/dashboard.html`` shows for *request*."""
    numbers = _numbers(request)
    names, severities = dict(ErrorLog.ErrorType.choices), dict(KnownBug.Severity.choices)
    return {
        "title": _("Error dashboard"),
        "numbers": numbers,
        "health": recorder.health(),
        "has_release": bool(conf.get_settings().release),
        "kinds": [(kind, names[kind], count) for kind, count in numbers.by_kind.items()],
        "severities": [(name, severities[name], count) for name, count in numbers.by_severity.items() if count],
        "unfiled": [(Filing.State(state), *rest) for state, *rest in numbers.unfiled],
        "periods": dashboard.PERIODS,
        "chart": charts.bar_chart(
            [_bar(bucket, numbers.period) for bucket in numbers.buckets],
            title=_("Errors over time"),
            description=_("%(count)s in all") % {"count": numbers.total},
        ),
    }


def _numbers(request: HttpRequest) -> dashboard.Dashboard:
    return dashboard.look(request.GET.get("period", ""), request.GET.get("environment", "")[:50])


def _bar(bucket: dashboard.Bucket, period: str) -> charts.Bar:
    is_hourly = period == "24h"
    label = formats.time_format(bucket.start, "H:i") if is_hourly else formats.date_format(bucket.start, "j M")
    when = formats.date_format(bucket.start, "SHORT_DATETIME_FORMAT" if is_hourly else "SHORT_DATE_FORMAT")
    count = ngettext("%(count)s error", "%(count)s errors", bucket.total) % {"count": bucket.total}
    return charts.Bar(label, f"{when}: {count}", bucket.counts)


def _guarded(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Let only staff with the permission in; everybody else logs in, or is told no."""
    allowed = permission_required(PERMISSION, raise_exception=True)(view)
    return staff_member_required(require_safe(allowed))


@_guarded
def show_dashboard(request: HttpRequest) -> HttpResponse:
    """Show the dashboard."""
    context = {**dashboard_context(request), "has_permission": True, "site_header": _("Error tracking")}
    return render(request, "error_tracking/admin/dashboard.html", context)


@_guarded
def dashboard_json(request: HttpRequest) -> HttpResponse:
    """Give the dashboard's numbers as JSON."""
    return JsonResponse({**_numbers(request).as_json(), "health": recorder.health().as_dict()})
