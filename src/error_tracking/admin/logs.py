"""Evidence in the admin: error logs, groups, and the dashboard over both."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from error_tracking import dashboard, gate, recorder
from error_tracking.models import Dashboard, ErrorGroup, ErrorLog
from error_tracking.views import dashboard_context

from .base import ReadOnlyAdmin, link_to, link_to_row, preformatted, short_fingerprint

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
        *("created", "error_type", "status_code", "method", "url_pattern", "exception_type", short_fingerprint),
        *("occurrences", "user_label", "bug"),
    )
    list_filter = ("error_type", "status_code", "created", "environment")
    search_fields = ("reference", "=fingerprint", "url_pattern", "exception_type", "user_label")
    search_help_text = _("Reference from an error page, fingerprint, route, exception or user name")
    list_select_related = ("group__bug",)
    change_list_template = "error_tracking/admin/errorlog_changelist.html"
    actions = ("create_bug",)
    fieldsets = (
        (None, {"fields": ("created", "reference", "error_type", "status_code", "occurrences", "group", "bug")}),
        (_("Exception"), {"fields": ("exception_type", "exception_message", "traceback")}),
        (_("Request"), {"fields": ("method", "url_pattern", "url", "user_name", "ip_address", "user_agent", "data")}),
        (_("Context"), {"fields": ("tags", "work", "breadcrumbs", "variables")}),
        (_("Where"), {"fields": ("environment", "release", "server_name", "mechanism", "event_id", "fingerprint")}),
    )
    readonly_fields = ("bug", "url", "user_name", "data", "tags", "work", "breadcrumbs", "variables")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ErrorLog]:
        """Leave the long texts in the database where only the list is shown (FAULTS A06)."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        return rows.defer(*_TEXTS) if match and str(match.url_name).endswith("_changelist") else rows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show ``error_stats`` above the list."""
        context = {**(extra_context or {}), "error_stats": dashboard.error_stats()}
        return super().changelist_view(request, context)

    @admin.display(description=_("bug"))
    def bug(self, log: ErrorLog) -> str | SafeString:
        """Return the bug that the event belongs to."""
        bug = log.group.bug
        return link_to_row(bug, bug.bug_id if bug else "")

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

    list_display = ("title", "error_type", "status_code", "times_seen", "first_seen", "last_seen", "bug_link", "why")
    list_filter = ("error_type", "status_code", "environment", "last_seen")
    search_fields = ("title", "=fingerprint", "route", "culprit")
    list_select_related = ("bug",)
    fields = (
        "title",
        ("error_type", "status_code", "environment"),
        ("culprit", "route", "fingerprint"),
        ("times_seen", "first_seen", "last_seen"),
        ("first_release", "last_release"),
        ("bug_link", "why"),
    )
    readonly_fields = ("bug_link", "why")

    @admin.display(description=_("bug"))
    def bug_link(self, group: ErrorGroup) -> str | SafeString:
        """Return the bug of the group."""
        return link_to_row(group.bug, group.bug.bug_id if group.bug else "")

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
        context = {
            **self.admin_site.each_context(request),
            **dashboard_context(request),
            "opts": self.opts,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "error_tracking/admin/dashboard.html", context)
