"""What was stored and counted, in the admin: error logs, groups, and the dashboard over both."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from error_tracking import dashboard, gate, recorder
from error_tracking.models import Dashboard, ErrorGroup, ErrorLog
from error_tracking.views import dashboard_context

from .base import CountedFilter, KindFilter, ReadOnlyAdmin, link_to, preformatted, short_fingerprint

SEARCHED_LOGS = 20_000

_TEXTS = ("traceback", "stacktrace", "request_data", "context", "exception_message", "full_url", "user_agent")


def _as_text(data: dict[str, Any]) -> str | SafeString:
    return preformatted(json.dumps(data, indent=2, ensure_ascii=False) if data else "")


def _part(log: ErrorLog, name: str, default: Any) -> Any:  # noqa: ANN401  stored JSON
    found = log.context.get(name)
    return found if isinstance(found, type(default)) else default


@admin.register(ErrorLog)
class ErrorLogAdmin(ReadOnlyAdmin):
    """Stored events."""

    list_display = (
        *("created", "bug_link", "error_type", "status_code", "method", "url_pattern", "exception_type", "occurrences"),
        *("user_label", short_fingerprint),
    )
    list_filter = ("error_type", ("status_code", CountedFilter), "created", ("environment", CountedFilter))
    search_fields = ("url_pattern", "exception_type", "user_label")
    search_help_text = _(
        "Reference from an error page or fingerprint; or route, exception or user name among the latest 20,000"
    )
    list_select_related = ("group__bug",)
    sortable_by = ("created", "status_code")  # by their indexes
    actions = ("create_bug",)
    fieldsets = (
        (None, {"fields": ("created", "reference", "error_type", "status_code", "occurrences", "group", "bug_link")}),
        (_("Exception"), {"fields": ("exception_type", "exception_message", "traceback")}),
        (_("Request"), {"fields": ("method", "url_pattern", "url", "user_name", "ip_address", "user_agent", "data")}),
        (_("Context"), {"fields": ("tags", "work", "breadcrumbs", "variables")}),
        (_("Where"), {"fields": ("environment", "release", "server_name", "mechanism", "event_id", "fingerprint")}),
    )
    readonly_fields = ("bug_link", "url", "user_name", "data", "tags", "work", "breadcrumbs", "variables")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ErrorLog]:
        """Leave the long texts in the database where only the list is shown (FAULTS A06)."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        return rows.defer(*_TEXTS) if match and str(match.url_name).endswith("_changelist") else rows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show ``error_stats`` above the list."""
        context = {**(extra_context or {}), "error_stats": dashboard.error_stats()}
        return super().changelist_view(request, context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ErrorLog], search_term: str
    ) -> tuple[QuerySet[ErrorLog], bool]:
        """Find a reference or fingerprint by its index; look for other text in the latest logs, not in all of them."""
        term = search_term.strip().lower()
        exact = queryset.filter(Q(reference=term) | Q(fingerprint=term))
        if term and exact.exists():
            return exact, False
        if term:
            latest = ErrorLog.objects.aggregate(pk=Max("pk"))["pk"] or 0
            queryset = queryset.filter(pk__gt=latest - SEARCHED_LOGS)
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=_("URL"))
    def url(self, log: ErrorLog) -> str | SafeString:
        """Return the URL; only http(s) is a link."""
        return link_to(log.full_url) if log.full_url else "-"

    @admin.display(description=_("user"))
    def user_name(self, log: ErrorLog) -> str:
        """Return label and key of the user without reading the user."""
        return f"{log.user_label} ({log.user_id})" if log.user_id else log.user_label or "-"

    @admin.display(description=_("data"))
    def data(self, log: ErrorLog) -> str | SafeString:
        """Return headers, query and body as text (FAULTS A08)."""
        return _as_text(log.request_data)

    @admin.display(description=_("tags"))
    def tags(self, log: ErrorLog) -> str | SafeString:
        """Return the tags, one a line."""
        return preformatted("\n".join(f"{name}: {value}" for name, value in _part(log, "tags", {}).items()))

    @admin.display(description=_("task, command, extra"))
    def work(self, log: ErrorLog) -> str | SafeString:
        """Return what is known besides the request."""
        rest = {name: value for name, value in log.context.items() if name not in {"tags", "breadcrumbs"}}
        return _as_text(rest)

    @admin.display(description=_("breadcrumbs"))
    def breadcrumbs(self, log: ErrorLog) -> str | SafeString:
        """Return what happened before, the latest last."""
        lines = [
            f"{dt.datetime.fromtimestamp(crumb['timestamp'], tz=dt.UTC):%H:%M:%S.%f} "
            f"{crumb['level']:8}{crumb['category']}: {crumb['message']} {crumb.get('data', '')}".rstrip()
            for crumb in _part(log, "breadcrumbs", [])
        ]
        return preformatted("\n".join(lines))

    @admin.display(description=_("local variables"))
    def variables(self, log: ErrorLog) -> str | SafeString:
        """Return the variables of the innermost frames of the site's own code."""
        blocks = [
            f"{frame['module']}.{frame['function']}, line {frame['lineno']}\n"
            + "\n".join(
                f"    {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in frame["vars"].items()
            )
            for info in log.stacktrace[:1]
            for frame in info["frames"]
            if frame.get("vars")
        ]
        return preformatted("\n\n".join(blocks))

    def has_create_bug_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may make bugs."""
        return request.user.has_perm("error_tracking.add_knownbug")

    @admin.action(description=_("Create a bug"), permissions=["create_bug"])
    def create_bug(self, request: HttpRequest, queryset: QuerySet[ErrorLog]) -> None:
        """Make one bug of each group of the selected error logs, unless it has one."""
        by = request.user.get_username()
        groups = ErrorGroup.objects.filter(pk__in=queryset.order_by().values("group")).order_by("first_seen")
        results = [gate.open_bug(group, by=by) for group in groups]
        made = [bug.bug_id for bug, is_new in results if is_new]
        there = [bug.bug_id for bug, is_new in results if not is_new]
        if made:
            text = ngettext("New bug: %s", "New bugs: %s", len(made)) % ", ".join(made)
            self.message_user(request, text, messages.SUCCESS)
            recorder.sweep_soon()
        if there:
            text = ngettext("There is a bug already: %s", "There are bugs already: %s", len(there)) % ", ".join(there)
            self.message_user(request, text, messages.INFO)


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnlyAdmin):
    """Groups, with the reason where one has not become a bug."""

    list_display = ("title", "bug_link", "times_seen", "last_seen", "kind", "status_code", "first_seen", "why")
    list_filter = (
        *(("error_type", KindFilter), ("status_code", CountedFilter), ("environment", CountedFilter)),
        "last_seen",
    )
    search_fields = ("title", "=fingerprint", "route", "culprit")
    search_help_text = _("Title, route, place in the code, or a whole fingerprint")
    list_select_related = ("bug",)
    fields = (
        *("title", "kind", "status_code", "environment", "culprit", "route", "fingerprint"),
        *("times_seen", "first_seen", "last_seen", "first_release", "last_release", "bug_link", "why", "logs"),
    )
    readonly_fields = ("kind", "bug_link", "why", "logs")

    @admin.display(description=_("kind"), ordering="error_type")
    def kind(self, group: ErrorGroup) -> str:
        """Return the kind as people name it."""
        return str(dict(ErrorLog.ErrorType.choices).get(group.error_type, group.error_type))

    @admin.display(description=_("error logs"))
    def logs(self, group: ErrorGroup) -> SafeString:
        """Return a link to the error logs of the group."""
        url = reverse("admin:error_tracking_errorlog_changelist")
        return format_html('<a href="{}?group__id__exact={}">{}</a>', url, group.pk, _("those that are kept"))

    @admin.display(description=_("why no bug"))
    def why(self, group: ErrorGroup) -> str:
        """Return why the gate holds the group back."""
        return "" if group.bug_id else group.verdict_reason


@admin.register(Dashboard)
class DashboardAdmin(ReadOnlyAdmin):
    """The dashboard, at the place of a list."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the numbers."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        page = {**self.admin_site.each_context(request), "opts": self.opts}
        context = {**page, **dashboard_context(request), **(extra_context or {})}
        return TemplateResponse(request, "error_tracking/admin/dashboard.html", context)
