"""What the admin's pages share: read-only rows, and text from outside that never becomes markup."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.db import DatabaseError
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from error_tracking.dashboard.views import missing_tables
from error_tracking.models import ErrorLog
from error_tracking.pages.degradation import savepoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    from error_tracking.models import ErrorGroup

    ModelAdmin = admin.ModelAdmin[Any]
else:  # generic for the type checker only
    ModelAdmin = admin.ModelAdmin


def is_web(url: str) -> bool:
    """Return whether *url* may become a link: ``javascript:`` never does."""
    try:
        return urlsplit(url).scheme in {"http", "https"}
    except ValueError:  # http://[bad/
        return False


def without_nul(text: str) -> str:
    """Return *text* from an address without NUL, which PostgreSQL refuses."""
    return text.replace("\0", "")


def link_to(url: str, text: str = "") -> str | SafeString:
    """Return *url* as a link when it is http(s), as plain text when it is anything else."""
    if not is_web(url):
        return text or url
    return format_html(
        '<a href="{}" rel="noopener noreferrer" target="_blank">{}</a>',
        url,
        text or url,
    )


def preformatted(text: str) -> str | SafeString:
    """Return *text* with its lines as they are."""
    if not text:
        return "-"
    return format_html('<pre class="et-pre">{}</pre>', text)


def explains_missing_tables(
    view: Callable[..., HttpResponse],
) -> Callable[..., HttpResponse]:
    """Make a *view* of a list say what to do where the tables are not there yet."""

    @functools.wraps(view)
    def explaining(
        self: PageAdmin,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            with savepoints():
                return view(self, request, extra_context)
        except DatabaseError as error:
            problem = missing_tables(error)
            if not problem:
                raise
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("The list cannot be shown"),
            "problem": problem,
        }
        template = "error_tracking/admin/list/problem.html"
        return TemplateResponse(request, template, context)

    return explaining


class PageAdmin(ModelAdmin):
    """Has the pages that all of ours look like."""

    show_full_result_count = False
    list_per_page = 50
    change_list_template = "error_tracking/admin/list/base.html"
    change_form_template = "error_tracking/admin/change_form.html"

    @explains_missing_tables
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with our rows, filters and search box around them."""
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        cl = context.get("cl")
        # An action may answer with a page of its own, without a list.
        if cl is not None:
            context |= self.list_context(request, cl)
            context["search_text"] = cl.query
        return response

    def list_context(self, request: HttpRequest, cl: Any) -> dict[str, Any]:
        """Return what the list shows besides the admin's own."""
        return {"rows": cl.result_list}

    class Media:
        css = {"all": ("error_tracking/admin.css",)}


class ReadOnlyAdmin(PageAdmin):
    """Shows rows and changes none: evidence is not edited, and counts have to add up."""

    show_facets = admin.ShowFacets.NEVER  # would count all rows for each choice

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False

    has_change_permission = has_delete_permission = has_add_permission

    @admin.display(description=_("bug"))
    def bug_link(self, row: ErrorGroup | ErrorLog) -> str | SafeString:
        """Return a link to the bug that the row belongs to."""
        bug = row.group.bug if isinstance(row, ErrorLog) else row.bug
        if bug is None:
            return "-"
        page = "admin:error_tracking_knownbug_change"
        site = self.admin_site.name
        address = reverse(page, args=[bug.pk], current_app=site)
        return format_html('<a href="{}">{}</a>', address, bug.bug_id)
