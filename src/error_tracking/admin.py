"""
The admin: what broke, the bugs made of it, and what people do with them.

Evidence is read-only, lists are cheap, nothing from outside becomes markup or
a link that is not http(s) (FAULTS A01-A07).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from . import conf, dashboard, filing, gate, recorder
from .models import Activity, Dashboard, ErrorGroup, ErrorLog, Filing, KnownBug
from .views import dashboard_context

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
else:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin
    _TabularInline = admin.TabularInline

SHORT_FINGERPRINT = 8
_TEXTS = ("traceback", "stacktrace", "request_data", "exception_message", "full_url", "user_agent")


def link_to(url: str, text: str = "") -> str | SafeString:
    """Return *url* as a link when it is http(s), as plain text when it is anything else (FAULTS A02)."""
    if urlsplit(url).scheme not in {"http", "https"}:
        return text or url
    return format_html('<a href="{}" rel="noopener noreferrer" target="_blank">{}</a>', url, text or url)


def _link_to_row(row: Model | None, text: str) -> str | SafeString:
    if row is None:
        return "-"
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(name, args=[row.pk]), text)


def _preformatted(text: str) -> str | SafeString:
    return format_html('<pre class="et-pre">{}</pre>', text) if text else "-"


def _short(fingerprint: str) -> SafeString:
    return format_html('<code title="{}">{}</code>', fingerprint, fingerprint[:SHORT_FINGERPRINT])


class ReadOnlyAdmin(_ModelAdmin):
    """Shows rows and changes none."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  Django's signature
        """Return False: only the recorder adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401, ARG002
        """Return False: evidence is not edited (FAULTS A07)."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401, ARG002
        """Return False: counts would no longer add up."""
        return False


class ReadOnlyInline(_TabularInline):
    """Lists rows of a bug and changes none."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401, ARG002
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401, ARG002
        """Return False."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401, ARG002
        """Return True: who sees the bug sees what belongs to it."""
        return True


class FilingInline(ReadOnlyInline):
    """Where the bug was filed, and why not."""

    model = Filing
    fields = ("tracker", "state", "reference", "attempts", "next_attempt_at", "reason")
    readonly_fields = fields


class ActivityInline(ReadOnlyInline):
    """What happened to the bug."""

    model = Activity
    fields = ("created", "verb", "by", "text")
    readonly_fields = fields


class GroupInline(ReadOnlyInline):
    """The groups that make up the bug."""

    model = ErrorGroup
    fields = ("title", "times_seen", "first_seen", "last_seen", "first_release", "last_release")
    readonly_fields = fields
    verbose_name_plural = _("error groups")
    show_change_link = True


@admin.register(ErrorLog)
class ErrorLogAdmin(ReadOnlyAdmin):
    """Stored events."""

    list_display = (
        "created",
        "error_type",
        "status_code",
        "method",
        "url_pattern",
        "exception_type",
        "short_fingerprint",
        "occurrences",
        "user_label",
        "bug",
    )
    list_filter = ("error_type", "status_code", "created", "environment")
    search_fields = ("reference", "=fingerprint", "url_pattern", "exception_type", "user_label")
    search_help_text = _("Reference from an error page, fingerprint, route, exception or user name")
    list_select_related = ("group__bug",)
    change_list_template = "error_tracking/admin/errorlog_changelist.html"
    actions = ("create_bug",)
    fieldsets = (
        (None, {"fields": ("created", "reference", "error_type", "status_code", "occurrences", "group_link", "bug")}),
        (_("Exception"), {"fields": ("exception_type", "exception_message_text", "traceback_text")}),
        (
            _("Request"),
            {"fields": ("method", "url_pattern", "url", "user_name", "ip_address", "user_agent", "data")},
        ),
        (_("Where"), {"fields": ("environment", "release", "server_name", "mechanism", "event_id", "fingerprint")}),
    )
    readonly_fields = (
        "group_link",
        "bug",
        "exception_message_text",
        "traceback_text",
        "url",
        "user_name",
        "data",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ErrorLog]:
        """Leave the long texts in the database where only the list is shown (FAULTS A06)."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        return rows.defer(*_TEXTS) if match and str(match.url_name).endswith("_changelist") else rows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show ``error_stats`` above the list."""
        context = {**(extra_context or {}), "error_stats": dashboard.error_stats()}
        return super().changelist_view(request, context)

    @admin.display(description=_("fingerprint"), ordering="fingerprint")
    def short_fingerprint(self, log: ErrorLog) -> SafeString:
        """Return the first digits; all of them on hover."""
        return _short(log.fingerprint)

    @admin.display(description=_("bug"))
    def bug(self, log: ErrorLog) -> str | SafeString:
        """Return the bug that the event belongs to."""
        bug = log.group.bug
        return _link_to_row(bug, bug.bug_id if bug else "")

    @admin.display(description=_("group"))
    def group_link(self, log: ErrorLog) -> str | SafeString:
        """Return the group."""
        return _link_to_row(log.group, log.group.title)

    @admin.display(description=_("URL"))
    def url(self, log: ErrorLog) -> str | SafeString:
        """Return the URL; only http(s) is a link."""
        return link_to(log.full_url) if log.full_url else "-"

    @admin.display(description=_("user"))
    def user_name(self, log: ErrorLog) -> str:
        """Return label and key of the user without reading the user."""
        return f"{log.user_label} ({log.user_id})" if log.user_id else log.user_label or "-"

    @admin.display(description=_("message"))
    def exception_message_text(self, log: ErrorLog) -> str | SafeString:
        """Return the message as text."""
        return _preformatted(log.exception_message)

    @admin.display(description=_("traceback"))
    def traceback_text(self, log: ErrorLog) -> str | SafeString:
        """Return the traceback as text."""
        return _preformatted(log.traceback)

    @admin.display(description=_("data"))
    def data(self, log: ErrorLog) -> str | SafeString:
        """Return headers, query and body as text (FAULTS A08)."""
        return _preformatted(json.dumps(log.request_data, indent=2, ensure_ascii=False) if log.request_data else "")

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


class DeletedFilter(admin.SimpleListFilter):
    """Hides deleted bugs unless they are asked for."""

    title = _("deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ANN401, ARG002
        """Return the choices beside "all", which means those that are not deleted."""
        return [("yes", _("Deleted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the bugs that are deleted, or those that are not."""
        return queryset.filter(is_deleted=self.value() == "yes")


@admin.register(KnownBug)
class KnownBugAdmin(_ModelAdmin):
    """Bugs; deleting one marks it, so that it is not filed again."""

    list_display = (
        "bug_id",
        "title",
        "severity",
        "status",
        "came_back",
        "occurrence_count",
        "last_occurrence",
        "issue",
        "short_fingerprint",
        "environment",
    )
    list_filter = ("status", "severity", "environment", DeletedFilter)
    search_fields = ("bug_id", "title", "=fingerprint", "=github_issue_number")
    search_help_text = _("Bug id, title, fingerprint or number of the GitHub issue")
    show_full_result_count = False
    actions = ("mark_resolved", "reopen", "mute", "create_github_issue", "restore")
    inlines = (FilingInline, GroupInline, ActivityInline)
    raw_id_fields = ("assignee",)
    fieldsets = (
        (None, {"fields": ("bug_id", "title", "severity", "status", "description", "public_message", "assignee")}),
        (_("Occurrences"), {"fields": ("occurrence_count", "first_occurrence", "last_occurrence", "first_release")}),
        (_("Life"), {"fields": ("resolved_at", "resolved_in_release", "regressed_at", "is_deleted")}),
        (_("Filed"), {"fields": ("issue", "file_name", "fingerprint", "environment", "uuid")}),
    )
    readonly_fields = (
        "bug_id",
        "status",
        "occurrence_count",
        "first_occurrence",
        "last_occurrence",
        "first_release",
        "resolved_at",
        "resolved_in_release",
        "regressed_at",
        "is_deleted",
        "issue",
        "file_name",
        "fingerprint",
        "environment",
        "uuid",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[KnownBug]:  # noqa: ARG002
        """Return all bugs; the filter hides deleted ones, their pages stay in reach."""
        return KnownBug.all_objects.order_by("-number")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:  # noqa: ANN401, ARG002
        """Return only the bugs themselves: nothing else is deleted with a mark."""
        return [str(bug) for bug in objs], {str(KnownBug._meta.verbose_name_plural): len(objs)}, set(), []

    @admin.display(description=_("issue"))
    def issue(self, bug: KnownBug) -> str | SafeString:
        """Return a link to the GitHub issue."""
        return link_to(bug.github_issue_url, f"#{bug.github_issue_number}") if bug.github_issue_number else "-"

    @admin.display(description=_("fingerprint"))
    def short_fingerprint(self, bug: KnownBug) -> str | SafeString:
        """Return the first digits; all of them on hover."""
        return _short(bug.fingerprint) if bug.fingerprint else "-"

    @admin.display(description=_("came back"), boolean=True)
    def came_back(self, bug: KnownBug) -> bool | None:
        """Return True for a regression, None else, so that only those catch the eye."""
        return True if bug.is_regression else None

    @admin.action(description=_("Mark as resolved"), permissions=["change"])
    def mark_resolved(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Resolve the selected bugs."""
        changed = self._bugs(queryset).resolve(by=request.user.get_username(), release=conf.get_settings().release)
        self._tell(request, ngettext("%d bug resolved.", "%d bugs resolved.", len(changed)) % len(changed))

    @admin.action(description=_("Open again"), permissions=["change"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Open resolved and muted bugs again."""
        by = request.user.get_username()
        changed = self._bugs(queryset).reopen(by=by) + self._bugs(queryset).unmute(by=by)
        self._tell(request, ngettext("%d bug opened.", "%d bugs opened.", len(changed)) % len(changed))

    @admin.action(description=_("Mute"), permissions=["change"])
    def mute(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Mute the selected bugs: counted on, nothing filed."""
        changed = self._bugs(queryset).mute(by=request.user.get_username())
        self._tell(request, ngettext("%d bug muted.", "%d bugs muted.", len(changed)) % len(changed))

    @admin.action(description=_("Restore"), permissions=["delete"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Bring deleted bugs back."""
        count = self._bugs(queryset).restore()
        self._tell(request, ngettext("%d bug restored.", "%d bugs restored.", count) % count)

    def has_file_issue_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may file bugs."""
        return request.user.has_perm("error_tracking.file_issue")

    @admin.action(description=_("Create GitHub issue"), permissions=["file_issue"])
    def create_github_issue(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Ask for the issues of the selected bugs; the outbox makes them, not this request."""
        if not conf.get_settings().GITHUB_REPO:
            text = _('No repository to file in: set ERROR_TRACKING["GITHUB_REPO"] to "owner/name".')
            self.message_user(request, text, messages.ERROR)
            return
        wanted = self._bugs(queryset).filter(github_issue_number=None)
        for bug in wanted:
            filing.request(bug, is_retry=True)
        recorder.sweep_soon()
        count = len(wanted)
        asked = ngettext("%d issue is being created.", "%d issues are being created.", count) % count
        how = _("The page of the bug shows how far it is.")
        self._tell(request, f"{asked} {how}" if count else _("All have an issue."))

    @staticmethod
    def _bugs(queryset: QuerySet[Any]) -> Any:  # noqa: ANN401  KnownBugQuerySet, which Django's signature hides
        return KnownBug.all_objects.filter(pk__in=list(queryset.values_list("pk", flat=True)))

    def _tell(self, request: HttpRequest, text: Any) -> None:  # noqa: ANN401  text, lazy or not
        self.message_user(request, text, messages.SUCCESS)


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnlyAdmin):
    """Groups, with the reason where one has not become a bug."""

    list_display = ("title", "error_type", "status_code", "times_seen", "first_seen", "last_seen", "bug_link", "why")
    list_filter = ("error_type", "status_code", "environment", "last_seen")
    search_fields = ("title", "=fingerprint", "route", "culprit")
    list_select_related = ("bug",)
    fields = (
        "title",
        "error_type",
        "status_code",
        "culprit",
        "route",
        "times_seen",
        "first_seen",
        "last_seen",
        "first_release",
        "last_release",
        "environment",
        "fingerprint",
        "bug_link",
        "why",
    )
    readonly_fields = ("bug_link", "why")

    @admin.display(description=_("bug"))
    def bug_link(self, group: ErrorGroup) -> str | SafeString:
        """Return the bug of the group."""
        return _link_to_row(group.bug, group.bug.bug_id if group.bug else "")

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
