"""What the admin's pages share: read-only rows, and text from outside that never becomes markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:  # generic for the type checker only
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline

SHORT_FINGERPRINT = 8


def link_to(url: str, text: str = "") -> str | SafeString:
    """Return *url* as a link when it is http(s), as plain text when it is anything else (FAULTS A02)."""
    try:
        is_web = urlsplit(url).scheme in {"http", "https"}
    except ValueError:  # http://[bad/
        is_web = False
    if not is_web:
        return text or url
    return format_html('<a href="{}" rel="noopener noreferrer" target="_blank">{}</a>', url, text or url)


def link_to_row(row: Model | None, text: str) -> str | SafeString:
    """Return *text* as a link to the admin's page of *row*."""
    if row is None:
        return "-"
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(name, args=[row.pk]), text)


def preformatted(text: str) -> str | SafeString:
    """Return *text* with its lines as they are."""
    return format_html('<pre class="et-pre">{}</pre>', text) if text else "-"


@admin.display(description=_("fingerprint"), ordering="fingerprint")
def short_fingerprint(row: Any) -> str | SafeString:  # noqa: ANN401  a bug or an error log
    """Return the first digits of the row's fingerprint; all of them on hover."""
    full = row.fingerprint
    return format_html('<code title="{}">{}</code>', full, full[:SHORT_FINGERPRINT]) if full else "-"


class Unchanging:
    """Lets nobody change rows: evidence is not edited, and counts have to add up (FAULTS A07)."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401, ARG002  Django's
        """Return False."""
        return False

    has_change_permission = has_delete_permission = has_add_permission


class ReadOnlyAdmin(Unchanging, ModelAdmin):
    """Shows rows and changes none."""

    show_full_result_count = False
    list_per_page = 50

    class Media:
        css = {"all": ("error_tracking/admin.css",)}


class ReadOnlyInline(Unchanging, TabularInline):
    """Lists rows of a bug and changes none; who sees the bug sees what belongs to it."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401, ARG002  Django's
        """Return True."""
        return True
