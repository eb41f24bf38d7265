"""
What several tables share: timestamps, soft delete, the database they live in.

Must not know any one noun.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import models, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def moment_from(timestamp: float) -> dt.datetime:
    """Return *timestamp*, seconds since the epoch, as the host's databases keep time (USE_TZ or not)."""
    moment = dt.datetime.fromtimestamp(timestamp, tz=dt.UTC)
    return moment if timezone.is_aware(timezone.now()) else timezone.make_naive(moment)


def write_alias(model: type[models.Model]) -> str:
    """Return the database that *model* is written to."""
    return router.db_for_write(model)


def commit_by_itself(connection: Any, **options: object) -> None:  # noqa: ANN401  stubs know no settings_dict
    """
    Have the connection of a thread of ours commit, and give it *options*.

    With the host's AUTOCOMMIT off a transaction of ours would be a savepoint
    that nobody commits (FAULTS S02).
    """
    settings = connection.settings_dict
    wanted = {**settings, "AUTOCOMMIT": True, "OPTIONS": {**settings["OPTIONS"], **options}}
    if wanted != settings:
        connection.close()
        connection.settings_dict = wanted


class TimestampedModel(models.Model):
    """Adds ``created`` and ``modified``."""

    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    modified = models.DateTimeField(_("modified"), auto_now=True, editable=False)

    class Meta:
        abstract = True


class SoftDeleteQuerySet(models.QuerySet[Any]):
    """Deletes by marking; ``hard_delete()`` is for those who mean it."""

    def delete(self) -> tuple[int, dict[str, int]]:
        """Mark the rows as deleted; return what ``QuerySet.delete`` would."""
        count = self.filter(is_deleted=False).update(is_deleted=True, deleted_at=timezone.now())
        return count, {self.model._meta.label: count}

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def hard_delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows from the database."""
        return super().delete()

    hard_delete.alters_data = True  # type: ignore[attr-defined]
    hard_delete.queryset_only = True  # type: ignore[attr-defined]

    def restore(self) -> int:
        """Bring deleted rows back; return how many."""
        return self.filter(is_deleted=True).update(is_deleted=False, deleted_at=None)


class SoftDeleteModel(models.Model):
    """Adds ``is_deleted`` and ``deleted_at``; deleting an instance marks it."""

    is_deleted = models.BooleanField(_("deleted"), default=False, editable=False)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:  # noqa: ARG002, FBT001, FBT002  Django's signature
        """Mark this row as deleted."""
        result = type(self)._base_manager.using(using or self._state.db).filter(pk=self.pk).delete()
        self.refresh_from_db(fields=["is_deleted", "deleted_at"])
        return result

    def hard_delete(self) -> tuple[int, dict[str, int]]:
        """Delete this row from the database."""
        return super().delete()

    def restore(self) -> None:
        """Bring this row back."""
        SoftDeleteQuerySet(type(self), using=self._state.db).filter(pk=self.pk).restore()
        self.refresh_from_db(fields=["is_deleted", "deleted_at"])
