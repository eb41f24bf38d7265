"""``ErrorLog``: a stored event, which stands for one or more equal events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings as django_settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .base import OwnQuerySet, TimestampedModel
from .error_group import ErrorGroup


class ErrorLogQuerySet(OwnQuerySet["ErrorLog"]):
    """Finds one of the error logs of many groups."""

    def first_of(self, groups: Iterable[Any], *order: str) -> ErrorLog | None:
        """
        Return the first of these error logs that is of one of *groups*.

        Asks the index once for each group: sorting what many groups have takes long.

        Args:
            groups: Primary keys of groups, or a query for them.
            order: What comes first, beginning with ``created`` or ``-created``.

        """
        logs = self.order_by(*order)
        first = logs.filter(group=models.OuterRef("pk")).values("pk")[:1]
        found = ErrorGroup.objects.filter(pk__in=groups)
        keys = found.order_by().values_list(models.Subquery(first))
        return logs.filter(pk__in=[pk for (pk,) in keys if pk is not None]).first()


class ErrorLog(TimestampedModel):
    """
    One stored event. It is evidence, so nothing edits it and nothing points to it.

    ``created`` is the event's own time. Of ``user`` only ``user_id`` and ``user_label``
    are read, and the database has no constraint: the user may be in another database,
    or be deleted.
    """

    class ErrorType(models.TextChoices):
        """The kinds of events."""

        EXCEPTION = "exception", _("exception")
        SERVER_ERROR = "http_5xx", _("server error")
        CLIENT_ERROR = "http_4xx", _("client error")
        CSRF = "csrf", _("CSRF failure")
        MESSAGE = "message", _("message")

    event_id = models.UUIDField(_("event id"), unique=True, editable=False)
    reference = models.CharField(_("reference"), max_length=10, db_index=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    # The index et_log_group begins with this column, so it needs none of its own.
    group = models.ForeignKey(
        "error_tracking.ErrorGroup",
        models.CASCADE,
        related_name="logs",
        verbose_name=_("group"),
        db_index=False,
    )
    occurrences = models.PositiveIntegerField(_("occurrences"), default=1)
    error_type = models.CharField(_("kind"), max_length=20, choices=ErrorType)
    mechanism = models.CharField(_("mechanism"), max_length=20, blank=True)
    status_code = models.PositiveSmallIntegerField(
        _("status code"), null=True, blank=True
    )
    url_pattern = models.CharField(_("URL pattern"), max_length=255, blank=True)
    full_url = models.TextField(_("URL"), blank=True)
    method = models.CharField(_("method"), max_length=16, blank=True)
    # The indexes et_log_user and et_log_user_group begin with this column.
    user = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
    )
    user_label = models.CharField(_("user name"), max_length=150, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=300, blank=True)
    request_data = models.JSONField(_("request data"), default=dict, blank=True)
    exception_type = models.CharField(_("exception type"), max_length=255, blank=True)
    exception_message = models.TextField(_("exception message"), blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    context = models.JSONField(_("context"), default=dict, blank=True)
    stacktrace = models.JSONField(_("stacktrace"), default=list, blank=True)
    release = models.CharField(_("release"), max_length=100, blank=True)
    environment = models.CharField(_("environment"), max_length=50, blank=True)
    server_name = models.CharField(_("server"), max_length=100, blank=True)
    personal_data_removed = models.BooleanField(
        _("personal data removed"), default=False, editable=False
    )

    objects = ErrorLogQuerySet.as_manager()

    class Meta:
        verbose_name = _("error log")
        verbose_name_plural = _("error logs")
        ordering = ["-created", "-id"]
        get_latest_by = "created"
        indexes = [
            models.Index(fields=["fingerprint", "created"], name="et_log_fingerprint"),
            models.Index(fields=["status_code", "created"], name="et_log_status"),
            models.Index(fields=["group", "created"], name="et_log_group"),
            models.Index(fields=["created"], name="et_log_created"),
            # The list's filters: a kind or an environment that is rare, or that nothing
            # has, must not be looked for in all rows.
            models.Index(fields=["error_type", "created"], name="et_log_kind"),
            models.Index(fields=["environment", "created"], name="et_log_environment"),
            # The error logs of one person, the latest first; and the bugs that they
            # met, which are read from the index alone.
            models.Index(fields=["user", "created"], name="et_log_user"),
            models.Index(fields=["user", "group"], name="et_log_user_group"),
            models.Index(
                fields=["personal_data_removed", "created"], name="et_log_stripped"
            ),
        ]
        permissions = [
            ("export_errorlog", "Can export error logs"),
            ("view_request_data", "Can view request data, local variables and people"),
        ]

    def __str__(self) -> str:
        what = self.exception_type or self.status_code
        return f"{what} {self.url_pattern}".strip()
