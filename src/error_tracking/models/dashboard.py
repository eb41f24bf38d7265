"""
``Dashboard``: a proxy model without rows.

With it the admin lists the dashboard, and checks a permission of its own.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .error_group import ErrorGroup


class Dashboard(ErrorGroup):
    """Gives the dashboard its place and permission in the admin."""

    class Meta:
        proxy = True
        verbose_name = _("dashboard")
        verbose_name_plural = _("dashboard")
        default_permissions = ("view",)
