"""What was stored and counted, in the admin: error logs, groups, and the dashboard over both."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from error_tracking import conf, recorder
from error_tracking.bugs.opening import open_bug
from error_tracking.dashboard import queries
from error_tracking.dashboard.views import dashboard_context, retry_filings
from error_tracking.models import Dashboard, ErrorGroup, ErrorLog

from . import evidence, group_list, log_list, search
from .base import (
    ReadOnlyAdmin,
    explains_missing_tables,
    link_to,
    preformatted,
    without_nul,
)
from .bug_page import BugPage, group_page_for, log_page_for, why_no_bug
from .list_parts import kept_params

_TEXTS = (
    "traceback",
    "stacktrace",
    "request_data",
    "context",
    "exception_message",
    "full_url",
    "user_agent",
)


#: Columns that show people, addresses or what a visitor sent.
HIDDEN_COLUMNS = frozenset(
    {*_TEXTS, "message", "user", "user_id", "user_label", "ip_address"}
)


def _as_text(data: dict[str, Any]) -> str | SafeString:
    return preformatted(json.dumps(data, indent=2, ensure_ascii=False) if data else "")


def _part(log: ErrorLog, name: str, default: Any) -> Any:
    found = log.context.get(name)
    return found if isinstance(found, type(default)) else default


#: In the query of a page: show every field as it is stored.
FIELDS = "fields"


class BugMakerAdmin(ReadOnlyAdmin):
    """Makes bugs of what the gate holds back, and shows it as the page of a bug does."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Let nobody filter by what they may not see: the number of rows would tell it."""
        sees_people = request.user.has_perm("error_tracking.view_request_data")
        if lookup.partition("__")[0] in HIDDEN_COLUMNS and not sees_people:
            return False
        return super().lookup_allowed(lookup, value, request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the evidence; the stored fields are behind *All fields*."""
        sees_people = request.user.has_perm("error_tracking.view_request_data")
        shows_fields = FIELDS in request.GET and sees_people
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None or shows_fields or request.method == "POST":
            return super().change_view(request, object_id, form_url, extra_context)
        page = self.page_for(request, row, shows_request=sees_people)
        seer = search.Seer.of(request)
        action = "admin:error_tracking_errorgroup_action"
        group = page.group
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": page.name,
            "page": page,
            "sees_bugs": seer.sees_bugs,
            "sees_groups": seer.may("view_errorgroup"),
            "sees_logs": seer.may("view_errorlog"),
            "may_decide": self.has_create_bug_permission(request),
            "action_url": reverse(
                action, args=[quote(group.pk)], current_app=self.admin_site.name
            ),
            "all_fields_url": f"?{FIELDS}=1" if sees_people else "",
            **(extra_context or {}),
        }
        return TemplateResponse(request, "error_tracking/admin/bug_page.html", context)

    def page_for(self, request: HttpRequest, row: Any, *, shows_request: bool) -> Any:
        """Return what the page of *row* shows."""
        raise NotImplementedError

    def has_create_bug_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may make bugs."""
        return request.user.has_perm("error_tracking.add_knownbug")

    def open_bugs(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        """Make one bug of each of *groups*, unless it has one, and say so."""
        by = request.user.get_username()
        made = []
        there = []
        for group in groups.order_by("first_seen", "pk"):
            bug, is_new = open_bug(group, by=by)
            if is_new:
                made.append(bug.bug_id)
            else:
                there.append(bug.bug_id)
        if made:
            text = ngettext("New bug: %s", "New bugs: %s", len(made)) % ", ".join(made)
            self.message_user(request, text, messages.SUCCESS)
            recorder.sweep_soon()
        if there:
            text = ngettext(
                "There is a bug already: %s", "There are bugs already: %s", len(there)
            ) % ", ".join(there)
            self.message_user(request, text, messages.INFO)


@admin.register(ErrorLog)
class ErrorLogAdmin(BugMakerAdmin):
    """Stored events."""

    list_display = (
        *("created", "status_code", "error_type", "url_pattern"),
        "fingerprint",
    )
    # The list shows choices of its own: those that Django would show are never read.
    list_filter = ("error_type", "status_code", "created", "environment")
    search_fields = ("url_pattern", "exception_message")
    list_select_related = ("group__bug",)
    change_list_template = "error_tracking/admin/list/logs.html"
    actions = ("create_bug",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "created",
                    "reference",
                    "error_type",
                    "status_code",
                    "occurrences",
                    "group",
                    "bug_link",
                )
            },
        ),
        (
            _("Exception"),
            {"fields": ("exception_type", "exception_message", "traceback")},
        ),
        (
            _("Request"),
            {
                "fields": (
                    "method",
                    "url_pattern",
                    "url",
                    "user_name",
                    "ip_address",
                    "user_agent",
                    "data",
                )
            },
        ),
        (_("Context"), {"fields": ("tags", "work", "breadcrumbs", "variables")}),
        (
            _("Where"),
            {
                "fields": (
                    "environment",
                    "release",
                    "server_name",
                    "mechanism",
                    "event_id",
                    "fingerprint",
                )
            },
        ),
    )
    readonly_fields = (
        "bug_link",
        "url",
        "user_name",
        "data",
        "tags",
        "work",
        "breadcrumbs",
        "variables",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ErrorLog]:
        """Leave the long texts in the database where only the list is shown."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        return (
            rows.defer(*_TEXTS)
            if match and str(match.url_name).endswith("_changelist")
            else rows
        )

    @explains_missing_tables
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show ``error_stats`` above the list."""
        context = {**(extra_context or {}), "error_stats": queries.error_stats()}
        return super().changelist_view(request, context)

    def page_for(
        self, request: HttpRequest, row: Any, *, shows_request: bool
    ) -> BugPage:
        """Return what the page of an error log shows."""

        def address(pk: int) -> str:
            page = "admin:error_tracking_errorlog_change"
            return reverse(page, args=[pk], current_app=self.admin_site.name)

        return log_page_for(row, address=address, shows_request=shows_request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that counts nothing."""
        return log_list.LogChangeList

    def list_context(self, request: HttpRequest, cl: Any) -> dict[str, Any]:
        """Return what the list shows besides the admin's own."""
        seer = search.Seer.of(request)
        name = self.admin_site.name
        rows = log_list.rows_for(
            cl.result_list, shows_people=seer.sees_people, site=name
        )
        report = search.report_for(
            cl.query, seer, found=len(rows), site=name, in_logs=True
        )
        selects = log_list.selects_for(cl)
        searched = f"{search.SEARCHED_LOGS:,}" if cl.query else ""
        return {
            "rows": rows,
            "selects": selects,
            "limits": log_list.limits_for(cl),
            "kept_params": kept_params(cl, selects),
            "search_report": report,
            "searched_latest": searched,
            "sees_bugs": seer.sees_bugs,
            "bulk_actions": self.get_action_choices(request, []),
        }

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ErrorLog], search_term: str
    ) -> tuple[QuerySet[ErrorLog], bool]:
        """Find what an index finds, and other text in the latest logs."""
        seer = search.Seer.of(request)
        found = search.found_by(search.logs_matching, search_term, queryset, seer)
        return found, False

    @admin.display(description=_("URL"))
    def url(self, log: ErrorLog) -> str | SafeString:
        """Return the URL; only http(s) is a link."""
        return link_to(log.full_url) if log.full_url else "-"

    @admin.display(description=_("user"))
    def user_name(self, log: ErrorLog) -> str:
        """Return label and key of the user without reading the user."""
        return (
            f"{log.user_label} ({log.user_id})"
            if log.user_id
            else log.user_label or "-"
        )

    @admin.display(description=_("data"))
    def data(self, log: ErrorLog) -> str | SafeString:
        """Return headers, query and body as text."""
        return _as_text(log.request_data)

    @admin.display(description=_("tags"))
    def tags(self, log: ErrorLog) -> str | SafeString:
        """Return the tags, one a line."""
        return preformatted(
            "\n".join(
                f"{name}: {value}" for name, value in _part(log, "tags", {}).items()
            )
        )

    @admin.display(description=_("task, command, extra"))
    def work(self, log: ErrorLog) -> str | SafeString:
        """Return what is known besides the request."""
        rest = {
            name: value
            for name, value in log.context.items()
            if name not in {"tags", "breadcrumbs", "setup"}
        }
        return _as_text(rest)

    @admin.display(description=_("breadcrumbs"))
    def breadcrumbs(self, log: ErrorLog) -> str | SafeString:
        """Return what happened before, the latest last."""
        lines = []
        for crumb in evidence.breadcrumbs_of(log):
            parts = (crumb.before, crumb.level, crumb.category, crumb.message)
            lines.append(" ".join((*parts, crumb.data)).rstrip())
        return preformatted("\n".join(lines))

    @admin.display(description=_("local variables"))
    def variables(self, log: ErrorLog) -> str | SafeString:
        """Return the variables of the innermost frames of the site's own code."""
        blocks = []
        for info in log.stacktrace[:1]:
            for frame in info.get("frames", []):
                lines = [
                    f"    {name} = {json.dumps(value, ensure_ascii=False)}"
                    for name, value in (frame.get("vars") or {}).items()
                ]
                place = f"{frame.get('module')}.{frame.get('function')}"
                heading = f"{place}, line {frame.get('lineno')}"
                if lines:
                    blocks.append("\n".join([heading, *lines]))
        return preformatted("\n\n".join(blocks))

    @admin.action(description=_("Make it a bug"), permissions=["create_bug"])
    def create_bug(self, request: HttpRequest, queryset: QuerySet[ErrorLog]) -> None:
        """Make one bug of each group of the selected error logs, unless it has one."""
        groups = ErrorGroup.objects.filter(pk__in=queryset.order_by().values("group"))
        self.open_bugs(request, groups)


@admin.register(ErrorGroup)
class ErrorGroupAdmin(BugMakerAdmin):
    """Groups, with the reason where one has not become a bug."""

    list_display = (
        "title",
        "bug_link",
        "times_seen",
        "last_seen",
        "kind",
        "status_code",
        "first_seen",
        "why",
    )
    list_filter = ("error_type", "status_code", "environment", "last_seen")
    search_fields = ("title", "fingerprint", "route", "culprit")
    actions = ("create_bug", "hide", "show_again")
    change_list_template = "error_tracking/admin/list/groups.html"
    list_select_related = ("bug",)
    fields = (
        *(
            "title",
            "kind",
            "status_code",
            "environment",
            "culprit",
            "route",
            "fingerprint",
        ),
        *(
            "times_seen",
            "first_seen",
            "last_seen",
            "first_release",
            "last_release",
            "bug_link",
            "why",
            "logs",
        ),
    )
    readonly_fields = ("kind", "bug_link", "why", "logs")

    def page_for(
        self, request: HttpRequest, row: Any, *, shows_request: bool
    ) -> BugPage:
        """Return what the page of a group shows."""
        reference = without_nul(request.GET.get("occurrence", ""))[:10].lower()
        return group_page_for(row, reference=reference, shows_request=shows_request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that knows the views."""
        return group_list.GroupChangeList

    def list_context(self, request: HttpRequest, cl: Any) -> dict[str, Any]:
        """Return what the list shows besides the admin's own."""
        seer = search.Seer.of(request)
        name = self.admin_site.name
        rows = group_list.rows_for(
            cl.result_list, shows_messages=seer.sees_people, site=name
        )
        report = search.report_for(cl.query, seer, found=len(rows), site=name)
        view_links = cl.view_links()
        selects = group_list.selects_for(cl)
        return {
            "rows": rows,
            "view_links": view_links,
            "has_groups": any(view.count for _address, view, _is_shown in view_links),
            "selects": selects,
            "limits": group_list.limits_for(cl),
            "kept_params": kept_params(cl, selects),
            "own_environment": conf.get_settings().environment,
            "search_report": report,
            "sees_bugs": seer.sees_bugs,
            "may_decide": self.has_create_bug_permission(request),
            "bulk_actions": self._bulk_actions(request, cl),
        }

    def _bulk_actions(self, request: HttpRequest, cl: Any) -> list[tuple[str, str]]:
        """Return the actions that make sense for the groups of the view."""
        unwanted = "hide" if cl.view.name == "hidden" else "show_again"
        choices = self.get_action_choices(request, [])
        return [(name, label) for name, label in choices if name != unwanted]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ErrorGroup], search_term: str
    ) -> tuple[QuerySet[ErrorGroup], bool]:
        """Find what the search box understands."""
        seer = search.Seer.of(request)
        found = search.found_by(search.groups_matching, search_term, queryset, seer)
        return found, False

    def get_urls(self) -> list[Any]:
        """Add the address that the buttons of a group send to."""
        action = path(
            "<path:object_id>/action/",
            self.admin_site.admin_view(self.action_view),
            name="error_tracking_errorgroup_action",
        )
        return [action, *super().get_urls()]

    def action_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Do what a button of one group stands for, and go back to where it was."""
        if not self.has_create_bug_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        group = self.get_object(request, unquote(object_id))
        if group is None:
            raise Http404(object_id)
        groups = ErrorGroup.objects.filter(pk=group.pk)
        actions = {
            "create_bug": self.open_bugs,
            "hide": self.hide,
            "show_again": self.show_again,
        }
        name = request.POST.get("act", "")
        if name in actions:
            actions[name](request, groups)
        else:
            self.message_user(request, _("There is no such action."), messages.ERROR)
        group.refresh_from_db()
        return HttpResponseRedirect(self._address_after(group, name))

    def _address_after(self, group: ErrorGroup, name: str) -> str:
        site = self.admin_site.name
        if name == "create_bug" and group.bug_id is not None:
            page = "admin:error_tracking_knownbug_change"
            return reverse(page, args=[group.bug_id], current_app=site)
        page = "admin:error_tracking_errorgroup_changelist"
        return reverse(page, current_app=site)

    @admin.action(description=_("Make it a bug"), permissions=["create_bug"])
    def create_bug(self, request: HttpRequest, queryset: QuerySet[ErrorGroup]) -> None:
        """Make a bug of each of the groups."""
        keys = list(queryset.values_list("pk", flat=True))
        self.open_bugs(request, ErrorGroup.objects.filter(pk__in=keys))

    @admin.action(description=_("Never show again"), permissions=["create_bug"])
    def hide(self, request: HttpRequest, queryset: QuerySet[ErrorGroup]) -> None:
        """Hide the groups for good."""
        keys = list(queryset.values_list("pk", flat=True))
        count = ErrorGroup.objects.filter(pk__in=keys).hide()
        text = ngettext(
            "%d hidden: it is counted, and never becomes a bug.",
            "%d hidden: they are counted, and never become bugs.",
            count,
        )
        self.message_user(request, text % count, messages.SUCCESS)

    @admin.action(description=_("Show again"), permissions=["create_bug"])
    def show_again(self, request: HttpRequest, queryset: QuerySet[ErrorGroup]) -> None:
        """Undo hiding: the gate decides again."""
        keys = list(queryset.values_list("pk", flat=True))
        count = ErrorGroup.objects.filter(pk__in=keys).show_again()
        text = ngettext("%d shown again.", "%d shown again.", count) % count
        self.message_user(request, text, messages.SUCCESS)
        recorder.sweep_soon()

    @admin.display(description=_("kind"), ordering="error_type")
    def kind(self, group: ErrorGroup) -> str:
        """Return the kind as people name it."""
        return str(
            dict(ErrorLog.ErrorType.choices).get(group.error_type, group.error_type)
        )

    @admin.display(description=_("error logs"))
    def logs(self, group: ErrorGroup) -> SafeString:
        """Return a link to the error logs of the group."""
        page = "admin:error_tracking_errorlog_changelist"
        url = reverse(page, current_app=self.admin_site.name)
        return format_html(
            '<a href="{}?group__id__exact={}">{}</a>',
            url,
            group.pk,
            _("those that are kept"),
        )

    @admin.display(description=_("why no bug"))
    def why(self, group: ErrorGroup) -> str:
        """Return why the gate holds the group back."""
        return why_no_bug(group)


@admin.register(Dashboard)
class DashboardAdmin(ReadOnlyAdmin):
    """The dashboard, at the place of a list; it has no other page."""

    def get_urls(self) -> list[Any]:
        """
        Return the address of the dashboard only.

        Its model is a proxy of groups, so the admin's other pages of it would show any
        group to whoever may see the dashboard.
        """
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name=name)]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the numbers."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return retry_filings(request)
        page = {**self.admin_site.each_context(request), "opts": self.opts}
        context = {**page, **dashboard_context(request), **(extra_context or {})}
        return TemplateResponse(request, "error_tracking/admin/dashboard.html", context)
