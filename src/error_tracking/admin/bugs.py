"""Bugs in the admin: what people change, and the actions that change the rest."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from error_tracking import conf, filing, recorder, trackers
from error_tracking.models import Activity, KnownBug

from .base import PageAdmin, link_to, short_fingerprint

LISTED = 100
CHANGES = {  # from which status
    "start": {"open"},
    "mark_resolved": {"open", "in_progress", "muted"},
    "mute": {"open", "in_progress"},
    "reopen": {"resolved", "muted"},
}

FIELDSETS: Any = (
    (None, {"fields": ("bug_id", "title", "severity", "status", "description", "public_message", "assignee")}),
    (
        _("When a muted bug opens by itself"),
        {
            "classes": ("collapse",),
            "description": _("At a moment, or when it has occurred so many times in all; with neither never."),
            "fields": ("muted_until", "muted_until_count"),
        },
    ),
    (_("Occurrences"), {"fields": ("occurrence_count", "first_occurrence", "last_occurrence", "first_release")}),
    (_("Life"), {"fields": ("kind", "resolved_at", "resolved_in_release", "regressed_at", "merged_into")}),
    (_("Filed"), {"fields": ("issue", "file_name", "fingerprint", "environment", "uuid", "is_deleted")}),
)
EDITED_BY_PEOPLE = {
    *("title", "severity", "description", "public_message", "assignee"),
    *("muted_until", "muted_until_count", "resolved_in_release"),
}
READ_ONLY = tuple(name for _, part in FIELDSETS for name in part["fields"] if name not in EDITED_BY_PEOPLE)


class FilingFilter(admin.ChoicesFieldListFilter):
    """Finds the bugs that are not filed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Django's
        """Name it by what has the state."""
        super().__init__(*args, **kwargs)
        self.title = _("filing")


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
class KnownBugAdmin(PageAdmin):
    """Bugs; deleting one marks it, so that it is not filed again."""

    list_display = (
        *("bug_id", "title", "severity", "status", "occurrence_count", "last_occurrence", "issue", "came_back"),
        *("environment", short_fingerprint),
    )
    list_filter = ("status", "severity", ("filings__state", FilingFilter), "environment", DeletedFilter)
    search_fields = ("bug_id", "title", "=fingerprint", "=github_issue_number")
    search_help_text = _("Bug id, title, fingerprint or number of the GitHub issue")
    actions = ("mark_resolved", "start", "reopen", "mute", "merge", "create_github_issue", "restore")
    raw_id_fields = ("assignee",)
    fieldsets = FIELDSETS
    readonly_fields = READ_ONLY

    def get_queryset(self, request: HttpRequest) -> QuerySet[KnownBug]:  # noqa: ARG002
        """Return all bugs; the filter hides deleted ones, their pages stay in reach."""
        return KnownBug.all_objects.order_by("-number")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ANN401
        """Return what there is to fill in of a new bug, and all that is known of others."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        return ((None, {"fields": ("title", "severity", "description", "public_message", "assignee")}),)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Add where the bug was filed, its groups and its history, as tables: forms of them would be sent with it."""
        bug = context["original"]
        if bug is not None:
            offered = self._offered(bug)
            choices = self.get_action_choices(request, [])
            context |= {
                "actions": [(name, description) for name, description in choices if name in offered],
                "filings": [(row, link_to(row.url, row.reference) or "-") for row in bug.filings.order_by("tracker")],
                "groups": bug.groups.order_by("-last_seen")[:LISTED],
                "activities": bug.activities.order_by("-pk")[:LISTED],
                "listed": LISTED,
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def response_change(self, request: HttpRequest, obj: KnownBug) -> HttpResponse:
        """Do the action whose button was pressed, after what was edited is saved, and stay on the page."""
        name = request.POST.get("_act", "")
        if name not in self._offered(obj) or name not in dict(self.get_action_choices(request, [])):
            return super().response_change(request, obj)
        getattr(self, name)(request, KnownBug.all_objects.filter(pk=obj.pk))
        return HttpResponseRedirect(request.get_full_path())

    @staticmethod
    def _offered(bug: KnownBug) -> set[str]:
        """Return the actions that would change *bug*."""
        if bug.is_deleted:
            return {"restore"}
        offered = {name for name, statuses in CHANGES.items() if bug.status in statuses}
        has_issue = bug.github_issue_number or not conf.get_settings().GITHUB_REPO
        return offered if has_issue else {*offered, "create_github_issue"}

    def save_model(self, request: HttpRequest, obj: KnownBug, form: Any, change: bool) -> None:  # noqa: ANN401, FBT001
        """Save what was edited and nothing that is counted meanwhile; a bug added by hand is filed like any other."""
        if change:
            obj.has_manual_severity = obj.has_manual_severity or "severity" in form.changed_data
            obj.save(update_fields=[*form.changed_data, "has_manual_severity", "modified"])
            what = ", ".join(str(form.fields[name].label).lower() for name in form.changed_data)
            verb = Activity.Verb.EDITED
        else:
            super().save_model(request, obj, form, change)
            filing.request(obj)
            verb, what = Activity.Verb.CREATED, ""
        if form.changed_data:
            KnownBug.all_objects.filter(pk=obj.pk).note(verb, by=request.user.get_username(), text=what)
            recorder.sweep_soon()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:  # noqa: ANN401, ARG002
        """Return only the bugs themselves: nothing else is deleted with a mark."""
        return [str(bug) for bug in objs], {str(KnownBug._meta.verbose_name_plural): len(objs)}, set(), []

    @admin.display(description=_("issue"))
    def issue(self, bug: KnownBug) -> str | SafeString:
        """Return a link to the GitHub issue."""
        return link_to(bug.github_issue_url, f"#{bug.github_issue_number}") if bug.github_issue_number else "-"

    @admin.display(description=_("came back"), ordering="regressed_at", empty_value="")
    def came_back(self, bug: KnownBug) -> dt.datetime | None:
        """Return since when it is a regression, None else, so that only those catch the eye."""
        return bug.regressed_at if bug.is_regression else None

    @admin.action(description=_("Mark as resolved"), permissions=["change"])
    def mark_resolved(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Resolve the selected bugs, in the next release."""
        changed = self._bugs(queryset).resolve(by=request.user.get_username())
        self._tell(request, ngettext("%d bug resolved.", "%d bugs resolved.", len(changed)) % len(changed))

    @admin.action(description=_("Start work"), permissions=["change"])
    def start(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Mark the selected open bugs as in progress."""
        changed = self._bugs(queryset).start(by=request.user.get_username())
        self._tell(request, ngettext("%d bug in progress.", "%d bugs in progress.", len(changed)) % len(changed))

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

    @admin.action(description=_("Merge into the oldest"), permissions=["change"])
    def merge(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Merge the selected bugs into the one with the lowest number."""
        bugs = self._bugs(queryset).order_by("number")
        survivor = bugs.first()
        if len(bugs) < 2:  # noqa: PLR2004  a pair
            self.message_user(request, _("Select the bugs that are one: two at least."), messages.WARNING)
            return
        try:
            merged = bugs.merge_into(survivor, by=request.user.get_username())
        except ValueError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        count = ngettext("%d bug merged into", "%d bugs merged into", len(merged)) % len(merged)
        self._tell(request, f"{count} {survivor.bug_id}.")

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
        if count and (why_not := trackers.configured()["github"].why_not()):
            warning = _("This process cannot create them; another one has to: %s.") % why_not
            self.message_user(request, warning, messages.WARNING)

    @staticmethod
    def _bugs(queryset: QuerySet[Any]) -> Any:  # noqa: ANN401  KnownBugQuerySet, which Django's signature hides
        return KnownBug.all_objects.filter(pk__in=list(queryset.values_list("pk", flat=True)))

    def _tell(self, request: HttpRequest, text: Any) -> None:  # noqa: ANN401  text, lazy or not
        self.message_user(request, text, messages.SUCCESS)
        recorder.sweep_soon()  # trackers are told now, and pages know
