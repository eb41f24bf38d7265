"""Bugs in the admin: what people change, and the actions that change the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection
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
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from error_tracking import conf, recorder, trackers
from error_tracking.bugs import undo
from error_tracking.filing import outbox
from error_tracking.models import Activity, Filing, KnownBug
from error_tracking.report import links
from error_tracking.report.builder import build_report
from error_tracking.report.markdown import bug_file

from . import bug_actions, bug_list, search, undo_steps
from .base import PageAdmin, is_web, link_to, without_nul
from .bug_page import bug_page_for

LISTED = 100
#: In the query of a bug's page: show Django's form.
EDIT = "edit"
CHANGES = {  # from which status
    "start": {"open"},
    "mark_resolved": {"open", "in_progress", "muted"},
    "mute": {"open", "in_progress"},
    "reopen": {"resolved", "muted"},
}

FIELDSETS: Any = (
    (
        None,
        {
            "fields": (
                "bug_id",
                "title",
                "severity",
                "status",
                "description",
                "public_message",
                "public_workaround",
                "public_link",
                "assignee",
            )
        },
    ),
    (
        _("When a muted bug opens by itself"),
        {
            "classes": ("collapse",),
            "description": _(
                "At a moment, or after so many occurrences or affected people in all; with none of these never."
            ),
            "fields": ("muted_until", "muted_until_count", "muted_until_people"),
        },
    ),
    (
        _("Occurrences"),
        {
            "fields": (
                "occurrence_count",
                "first_occurrence",
                "last_occurrence",
                "first_release",
            )
        },
    ),
    (
        _("Life"),
        {
            "fields": (
                "kind",
                "resolved_at",
                "resolved_in_release",
                "regressed_at",
                "merged_into",
            )
        },
    ),
    (
        _("Filed"),
        {
            "fields": (
                "issue",
                "file_name",
                "fingerprint",
                "environment",
                "uuid",
                "deleted_at",
            )
        },
    ),
)
EDITED_BY_PEOPLE = {
    *("title", "severity", "description", "public_message", "assignee"),
    *("public_workaround", "public_link"),
    *("muted_until", "muted_until_count", "muted_until_people"),
    "resolved_in_release",
}
READ_ONLY = tuple(
    name
    for _, part in FIELDSETS
    for name in part["fields"]
    if name not in EDITED_BY_PEOPLE
)


class FilingFilter(admin.ChoicesFieldListFilter):
    """Finds the bugs that are not filed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name it by what has the state."""
        super().__init__(*args, **kwargs)
        self.title = _("filing")


@admin.register(KnownBug)
class KnownBugAdmin(PageAdmin):
    """Bugs; deleting one marks it, so that it is not filed again."""

    list_display = (
        *("bug_id", "title", "severity", "status"),
        *("occurrence_count", "last_occurrence"),
    )
    list_filter = ("status", "severity", ("filings__state", FilingFilter))
    search_fields = ("bug_id", "title", "description")
    show_facets = admin.ShowFacets.NEVER  # the views have their numbers
    delete_confirmation_template = "error_tracking/admin/delete.html"
    delete_selected_confirmation_template = "error_tracking/admin/delete.html"
    change_list_template = "error_tracking/admin/list/bugs.html"
    actions = (
        "mark_resolved",
        "start",
        "assign_to_me",
        "reopen",
        "mute",
        "merge",
        "create_github_issue",
        "restore",
    )
    fieldsets = FIELDSETS
    readonly_fields = READ_ONLY

    def get_queryset(self, request: HttpRequest) -> QuerySet[KnownBug]:
        """Return all bugs; a view hides deleted ones, their pages stay in reach."""
        return KnownBug.all_objects.order_by("-number")

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer no buttons that change or delete the assignee's account."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "assignee":
            widget: Any = field.widget
            widget.can_add_related = widget.can_change_related = False
            widget.can_delete_related = widget.can_view_related = False
        return field

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the people who may change bugs by name, and whoever has the bug now."""
        if db_field.name == "assignee":
            match = request.resolver_match
            key = match.kwargs.get("object_id") if match else None
            current = None
            if key is not None:
                bug = self.get_object(request, unquote(key))
                current = bug.assignee_id if bug is not None else None
            kwargs["queryset"] = bug_actions.people_offered(current)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what there is to fill in of a new bug, and all that is known of others."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        return (
            (
                None,
                {
                    "fields": (
                        "title",
                        "severity",
                        "description",
                        "public_message",
                        "public_workaround",
                        "public_link",
                        "assignee",
                    )
                },
            ),
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add where the bug was filed, its groups and its history, as tables: forms of them would be sent with it."""
        bug = context["original"]
        if bug is not None:
            offered = self._offered(bug)
            choices = self.get_action_choices(request, [])
            context |= {
                "actions": [
                    (name, description)
                    for name, description in choices
                    if name in offered
                ],
                "filings": [
                    (row, _place_of(row, bug))
                    for row in bug.filings.order_by("tracker")
                ],
                "groups": bug.groups.order_by("-last_seen")[:LISTED],
                "activities": bug.activities.order_by("-pk")[:LISTED],
                "listed": LISTED,
                "sees_groups": request.user.has_perm("error_tracking.view_errorgroup"),
                "sees_logs": request.user.has_perm("error_tracking.view_errorlog"),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that knows the views."""
        return bug_list.BugChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find what the search box understands."""
        seer = search.Seer.of(request)
        found = search.found_by(search.bugs_matching, search_term, queryset, seer)
        return found, False

    def list_context(self, request: HttpRequest, cl: Any) -> dict[str, Any]:
        """Return what the list shows besides the admin's own."""
        seer = search.Seer.of(request)
        name = self.admin_site.name
        rows = bug_list.rows_for(
            cl.result_list, shows_messages=seer.sees_people, site=name
        )
        view_links = cl.view_links()
        report = search.report_for(cl.query, seer, found=len(rows), site=name)
        return {
            "rows": rows,
            "view_links": view_links,
            "has_bugs": any(view.count for _address, view, _is_shown in view_links),
            "selects": bug_list.selects_for(cl),
            "limits": bug_list.limits_for(cl),
            "kept_params": bug_list.kept_params(cl),
            "own_environment": conf.get_settings().environment,
            "search_report": report,
            "bulk_actions": self._bulk_actions(request, cl),
            **undo_steps.context_for(request),
        }

    def _bulk_actions(self, request: HttpRequest, cl: Any) -> list[tuple[str, str]]:
        """Return the actions that make sense for the bugs of the view."""
        is_of_deleted = cl.view.name == "deleted"
        return [
            (name, label)
            for name, label in self.get_action_choices(request, [])
            if (name == "restore") == is_of_deleted
        ]

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Lead to what was typed into the search box, or to a list of it."""
        seer = search.Seer.of(request)
        if not (
            seer.sees_bugs or seer.may("view_errorgroup") or seer.may("view_errorlog")
        ):
            raise PermissionDenied
        address = search.address_for(
            without_nul(request.GET.get("q", "")),
            request,
            bugs=bug_list.with_annotations(KnownBug.all_objects.all()),
            site=self.admin_site.name,
        )
        return HttpResponseRedirect(address)

    def get_urls(self) -> list[Any]:
        """Add the addresses of the search box and of the buttons of a bug's page."""
        search_box = path(
            "search/",
            self.admin_site.admin_view(self.search_view),
            name="error_tracking_knownbug_search",
        )
        action = path(
            "<path:object_id>/action/",
            self.admin_site.admin_view(self.action_view),
            name="error_tracking_knownbug_action",
        )
        undo_last = path(
            "undo/",
            self.admin_site.admin_view(self.undo_view),
            name="error_tracking_knownbug_undo",
        )
        return [search_box, undo_last, action, *super().get_urls()]

    def undo_view(self, request: HttpRequest) -> HttpResponse:
        """Undo what was done last in this session, and go back to where that was."""
        may_change = self.has_change_permission(request)
        if not (may_change or self.has_delete_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            address = undo_steps.undo_last(request)
        except undo.CannotUndoError as error:
            self.message_user(request, str(error), messages.ERROR)
            address = ""
        else:
            self._tell(request, _("Undone."))
        lists = "admin:error_tracking_knownbug_changelist"
        return HttpResponseRedirect(
            address or reverse(lists, current_app=self.admin_site.name)
        )

    def _recorded(
        self,
        request: HttpRequest,
        keys: Collection[int],
        change: Callable[[], Any],
        *,
        text: Callable[[Any], Any],
        address: str,
    ) -> Any:
        """
        Do *change* to the bugs *keys*, and say what follows; it can be undone.

        Args:
            request: The request of whoever does it.
            keys: The primary keys of the bugs.
            change: What to do.
            text: Returns the sentence from what *change* returned.
            address: Where one is led when it was undone.

        """
        by = request.user.get_username()
        result, step = undo.recorded(keys, change, by=by)
        sentence = str(text(result))
        self._tell(request, sentence)
        if len(keys) == 1:
            # It is shown on the pages of other bugs, too.
            for bug in KnownBug.all_objects.filter(pk__in=keys):
                sentence = f"{bug.bug_id}: {sentence}"
        undo_steps.remember(request, step, text=sentence, address=address)
        return result

    def _change_many(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        change: Callable[[Any], Any],
        text: Callable[[int], str],
    ) -> None:
        """Do *change* to the bugs of a list's action, and say how many that were."""
        bugs = self._bugs(queryset)
        keys = list(bugs.values_list("pk", flat=True))

        def words(count: int) -> Any:
            if not count:
                return _("Nothing has changed.")
            return text(count) % count

        def count_changed() -> int:
            changed = change(bugs)
            return changed if isinstance(changed, int) else len(changed)

        self._recorded(
            request,
            keys,
            count_changed,
            text=words,
            address=request.get_full_path(),
        )

    def delete_model(self, request: HttpRequest, obj: KnownBug) -> None:
        """Mark the bug as deleted; the page says so itself."""
        self._delete(request, [obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Mark the bugs as deleted."""
        self._delete(request, list(queryset.values_list("pk", flat=True)))

    def _delete(self, request: HttpRequest, keys: Collection[int]) -> None:
        bugs = KnownBug.all_objects.filter(pk__in=keys)
        names = ", ".join(bugs.order_by("pk").values_list("bug_id", flat=True)[:10])
        by = request.user.get_username()
        _result, step = undo.recorded(keys, bugs.delete, by=by)
        lists = "admin:error_tracking_knownbug_changelist"
        undo_steps.remember(
            request,
            step,
            text=_("Deleted: %s") % names,
            address=reverse(lists, current_app=self.admin_site.name),
        )

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the history on the page of the bug; Django's own knows nothing of it."""
        bug = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, bug):
            raise PermissionDenied
        if bug is None:
            raise Http404(object_id)
        page = "admin:error_tracking_knownbug_change"
        site = self.admin_site.name
        address = reverse(page, args=[quote(bug.pk)], current_app=site)
        return HttpResponseRedirect(f"{address}#history")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the page of the bug; Django's form is behind *Edit*."""
        if request.method == "POST" or EDIT in request.GET:
            return super().change_view(request, object_id, form_url, extra_context)
        bug = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, bug):
            raise PermissionDenied
        if bug is None:
            return super().change_view(request, object_id, form_url, extra_context)
        context = {
            **self.admin_site.each_context(request),
            **self._page_context(request, bug),
            **undo_steps.context_for(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "error_tracking/admin/bug_page.html", context)

    def _page_context(self, request: HttpRequest, bug: KnownBug) -> dict[str, Any]:
        can_change = self.has_change_permission(request, bug)
        shows_request = request.user.has_perm("error_tracking.view_request_data")
        page = bug_page_for(
            bug,
            reference=without_nul(request.GET.get("occurrence", ""))[:10].lower(),
            shows_request=shows_request,
        )
        filings = list(bug.filings.order_by("tracker"))
        context = {
            "opts": self.opts,
            "title": bug.bug_id,
            "page": page,
            "can_change": can_change,
            "sees_groups": request.user.has_perm("error_tracking.view_errorgroup"),
            "can_delete": self.has_delete_permission(request, bug),
            "edit_url": f"?{EDIT}=1",
            "action_url": reverse(
                "admin:error_tracking_knownbug_action",
                args=[quote(bug.pk)],
                current_app=self.admin_site.name,
            ),
            "filings": [(row, _place_of(row, bug)) for row in filings],
            "has_local_file": any(row.state == Filing.State.LOCAL for row in filings),
            # It has the message as it is.
            "agent_text": bug_file(build_report(bug)) if shows_request else "",
            "issue_url": bug.github_issue_url if is_web(bug.github_issue_url) else "",
        }
        if can_change:
            can_file = self.has_file_issue_permission(request)
            is_here = not bug.is_deleted and bug.merged_into_id is None
            actions = bug_actions.offered(bug, can_file=can_file)
            has_people_menu = any(action.menu == "people" for action in actions)
            context |= {
                "actions": actions,
                # Elsewhere it is beside "Assign to me".
                "has_people_menu": is_here and not has_people_menu,
                "can_merge": is_here,
                "can_mute": is_here and bug.status in {"open", "in_progress"},
                "can_comment": can_file and bug.github_issue_number is not None,
                "mute_choices": bug_actions.MUTE_CHOICES,
                "assignees": bug_actions.assignable(),
                "assignee": str(bug.assignee_id or ""),
                "running_release": conf.get_settings().release,
            }
        return context

    def action_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Do what a button of the page stands for, say what follows, and show the page again."""
        name = request.POST.get("action", "")
        bug = self.get_object(request, unquote(object_id))
        may_do = self.has_change_permission(request, bug)
        if name in {"file", "retry"}:
            may_do = self.has_file_issue_permission(request)
        if not may_do:
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if bug is None:
            raise Http404(object_id)
        if name == "file":
            self.create_github_issue(request, KnownBug.all_objects.filter(pk=bug.pk))
        elif name == "retry":
            bug.filings.retry()
            self._tell(
                request, _("Filing is tried again. This page shows how far it is.")
            )
        else:
            self._perform(request, bug, name)
        address = reverse(
            "admin:error_tracking_knownbug_change",
            args=[quote(bug.pk)],
            current_app=self.admin_site.name,
        )
        reference = request.POST.get("occurrence", "")[:10]
        if reference.isalnum():
            address += f"?occurrence={reference}"
        return HttpResponseRedirect(address)

    def _perform(self, request: HttpRequest, bug: KnownBug, name: str) -> None:
        if not bug_actions.is_known(name):
            self.message_user(request, _("There is no such action."), messages.ERROR)
            return
        page = "admin:error_tracking_knownbug_change"
        site = self.admin_site.name
        try:
            self._recorded(
                request,
                [bug.pk],
                lambda: bug_actions.perform(name, bug, request),
                text=lambda sentence: sentence,
                address=reverse(page, args=[quote(bug.pk)], current_app=site),
            )
        except ValueError as error:
            self.message_user(request, str(error), messages.ERROR)

    def response_change(self, request: HttpRequest, obj: KnownBug) -> HttpResponse:
        """Do the action whose button was pressed, after what was edited is saved, and stay on the page."""
        name = request.POST.get("_act", "")
        if name not in self._offered(obj) or name not in dict(
            self.get_action_choices(request, [])
        ):
            return super().response_change(request, obj)
        getattr(self, name)(request, KnownBug.all_objects.filter(pk=obj.pk))
        return HttpResponseRedirect(request.get_full_path())

    def response_post_save_change(
        self, request: HttpRequest, obj: KnownBug
    ) -> HttpResponseRedirect:
        """Show the page of the bug again, from which one came."""
        page = "admin:error_tracking_knownbug_change"
        site = self.admin_site.name
        return HttpResponseRedirect(
            reverse(page, args=[quote(obj.pk)], current_app=site)
        )

    @staticmethod
    def _offered(bug: KnownBug) -> set[str]:
        """Return the actions that would change *bug*."""
        if bug.is_deleted:
            return {"restore"}
        if bug.merged_into_id is not None:
            # Its groups belong to another bug now, so nothing would happen to it.
            return set()
        offered = {name for name, statuses in CHANGES.items() if bug.status in statuses}
        has_issue = bug.github_issue_number or not conf.get_settings().GITHUB_REPO
        return offered if has_issue else {*offered, "create_github_issue"}

    def save_model(
        self, request: HttpRequest, obj: KnownBug, form: Any, change: bool
    ) -> None:
        """Save what was edited and nothing that is counted meanwhile; a bug added by hand is filed like any other."""
        if change:
            obj.has_manual_severity = (
                obj.has_manual_severity or "severity" in form.changed_data
            )
            obj.save(
                update_fields=[*form.changed_data, "has_manual_severity", "modified"]
            )
            what = ", ".join(
                str(form.fields[name].label).lower() for name in form.changed_data
            )
            verb = Activity.Verb.EDITED
        else:
            super().save_model(request, obj, form, change)
            outbox.request(obj)
            verb, what = Activity.Verb.CREATED, ""
        if form.changed_data:
            KnownBug.all_objects.filter(pk=obj.pk).record_activity(
                verb, by=request.user.get_username(), text=what
            )
            recorder.sweep_soon()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return only the bugs themselves: nothing else is deleted with a mark."""
        return (
            [str(bug) for bug in objs],
            {str(KnownBug._meta.verbose_name_plural): len(objs)},
            set(),
            [],
        )

    @admin.display(description=_("issue"))
    def issue(self, bug: KnownBug) -> str | SafeString:
        """Return a link to the GitHub issue."""
        return (
            link_to(bug.github_issue_url, f"#{bug.github_issue_number}")
            if bug.github_issue_number
            else "-"
        )

    @admin.action(description=_("Mark as resolved"), permissions=["change"])
    def mark_resolved(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Resolve the selected bugs, in the next release."""
        by = request.user.get_username()
        self._change_many(
            request,
            queryset,
            lambda bugs: bugs.resolve(by=by),
            lambda n: ngettext("%d bug resolved.", "%d bugs resolved.", n),
        )

    @admin.action(description=_("Start work"), permissions=["change"])
    def start(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Mark the selected open bugs as in progress."""
        by = request.user.get_username()
        self._change_many(
            request,
            queryset,
            lambda bugs: bugs.start(by=by),
            lambda n: ngettext("%d bug in progress.", "%d bugs in progress.", n),
        )

    @admin.action(description=_("Open again"), permissions=["change"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Open resolved and muted bugs again."""
        by = request.user.get_username()
        self._change_many(
            request,
            queryset,
            lambda bugs: bugs.reopen(by=by) + bugs.unmute(by=by),
            lambda n: ngettext("%d bug opened.", "%d bugs opened.", n),
        )

    @admin.action(description=_("Mute"), permissions=["change"])
    def mute(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Mute the selected bugs: counted on, nothing filed."""
        by = request.user.get_username()
        self._change_many(
            request,
            queryset,
            lambda bugs: _muted(bugs, by),
            lambda n: ngettext("%d bug muted.", "%d bugs muted.", n),
        )

    @admin.action(description=_("Assign to me"), permissions=["change"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Assign the selected bugs to whoever asks."""
        user = request.user
        by = user.get_username()
        self._change_many(
            request,
            queryset,
            lambda bugs: bugs.record_activity(
                Activity.Verb.EDITED, by=by, text=f"assignee: {user}", assignee=user.pk
            ),
            lambda n: ngettext(
                "%d bug assigned to you.", "%d bugs assigned to you.", n
            ),
        )

    @admin.action(description=_("Merge…"), permissions=["change"])
    def merge(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Ask which of the selected bugs the others are merged into, then do it."""
        bugs = self._bugs(queryset)
        into = without_nul(request.POST.get("into", "")).strip()
        if into:
            bugs |= KnownBug.all_objects.filter(bug_id__iexact=into)
        candidates = list(bugs.order_by("number", "pk"))
        if len(candidates) < 2:
            text = str(_("Select at least two bugs to merge."))
            if into:
                text = str(_("There is no other bug %s.") % into)
            self.message_user(request, text, messages.WARNING)
            return None
        chosen = [bug for bug in candidates if bug.bug_id.lower() == into.lower()]
        unresolved = [bug for bug in candidates if not bug.is_resolved]
        survivor = (chosen or unresolved or candidates)[0]
        if request.POST.get("post") != "yes":
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("Merge these bugs?"),
                "bugs": candidates,
                "survivor": survivor,
            }
            template = "error_tracking/admin/merge.html"
            return TemplateResponse(request, template, context)
        for bug in candidates:
            if str(bug.pk) == request.POST.get("survivor", ""):
                survivor = bug
        self._merge(request, candidates, survivor)
        return None

    def _merge(
        self, request: HttpRequest, bugs: list[KnownBug], survivor: KnownBug
    ) -> None:
        survivor = survivor.last_survivor()
        keys = [*(bug.pk for bug in bugs), survivor.pk]
        rows = KnownBug.all_objects.filter(pk__in=keys)
        by = request.user.get_username()

        def sentence(merged: list[KnownBug]) -> str:
            count = len(merged)
            words = ngettext("%d bug merged into", "%d bugs merged into", count)
            return f"{words % count} {survivor.bug_id}."

        page = "admin:error_tracking_knownbug_change"
        site = self.admin_site.name
        try:
            self._recorded(
                request,
                keys,
                lambda: rows.merge_into(survivor, by=by),
                text=sentence,
                address=reverse(page, args=[survivor.pk], current_app=site),
            )
        except ValueError as error:
            self.message_user(request, str(error), messages.ERROR)

    @admin.action(description=_("Restore"), permissions=["delete"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Bring deleted bugs back."""
        self._change_many(
            request,
            queryset,
            lambda bugs: bugs.restore(),
            lambda n: ngettext("%d bug restored.", "%d bugs restored.", n),
        )

    def has_file_issue_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may file bugs."""
        return request.user.has_perm("error_tracking.file_issue")

    @admin.action(description=_("Create GitHub issue"), permissions=["file_issue"])
    def create_github_issue(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> None:
        """Ask for the issues of the selected bugs; the outbox makes them, not this request."""
        if not conf.get_settings().GITHUB_REPO:
            text = _(
                'No repository to file in: set ERROR_TRACKING["GITHUB_REPO"] to "owner/name".'
            )
            self.message_user(request, text, messages.ERROR)
            return
        wanted = self._bugs(queryset).filter(github_issue_number=None)
        for bug in wanted:
            outbox.request(bug, is_retry=True)
        recorder.sweep_soon()
        count = len(wanted)
        asked = (
            ngettext(
                "%d issue is being created.", "%d issues are being created.", count
            )
            % count
        )
        how = _("The page of the bug shows how far it is.")
        self._tell(request, f"{asked} {how}" if count else _("All have an issue."))
        if count and (why_not := trackers.configured()["github"].unavailable_reason()):
            warning = (
                _("This process cannot create them; another one has to: %s.") % why_not
            )
            self.message_user(request, warning, messages.WARNING)

    @staticmethod
    def _bugs(queryset: QuerySet[Any]) -> Any:
        return KnownBug.all_objects.filter(
            pk__in=list(queryset.values_list("pk", flat=True))
        )

    def _tell(self, request: HttpRequest, text: Any) -> None:
        self.message_user(request, text, messages.SUCCESS)
        recorder.sweep_soon()  # trackers are told now, and pages know


def _muted(bugs: Any, by: str) -> int:
    """Mute *bugs*, each until what was filled in before. Return how many changed."""
    changed = 0
    for bug in bugs:
        events = None
        if bug.muted_until_count is not None:
            events = max(bug.muted_until_count - bug.occurrence_count, 1)
        people = None
        if bug.muted_until_people is not None:
            people = max(bug.muted_until_people - bug.count_people(), 1)
        changed += bug.mute(by=by, until=bug.muted_until, events=events, people=people)
    return changed


def _place_of(filing: Filing, bug: KnownBug) -> str | SafeString:
    """Return where *bug* was filed, as a link where its address is known."""
    url = filing.url
    if bug.file_name and filing.reference == bug.file_name:
        # The tracker knows the path on its own machine only.
        url = links.file_url(bug.file_name) or url
    return link_to(url, filing.reference) or "-"
