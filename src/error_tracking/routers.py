"""The database router that keeps our tables in the database named by ``DATABASE``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import router

from . import conf

if TYPE_CHECKING:
    from django.db.models import Model

APP_LABEL = "error_tracking"


class ErrorTrackingRouter:
    """Needed in ``DATABASE_ROUTERS`` if our ``DATABASE`` is not "default"."""

    def db_for_read(
        self, model: type[Model], instance: Model | None = None, **_hints: object
    ) -> str | None:
        """
        Return the database for *model*, None to let other routers decide.

        Args:
            model: The model that is read.
            instance: The row that refers to it, where there is one.
        """
        if _is_ours(model):
            return conf.get_settings().DATABASE
        if instance is not None and _is_ours(instance):
            # Django would read what our row refers to, such as a user, from our
            # database. It is where the project has it.
            return router.db_for_read(model)
        return None

    def db_for_write(self, model: type[Model], **_hints: object) -> str | None:
        """Return our database for our models."""
        if _is_ours(model):
            return conf.get_settings().DATABASE
        return None

    def allow_relation(self, obj1: Model, obj2: Model, **_hints: object) -> bool | None:
        """Allow what our models refer to: no constraint in the database forbids it."""
        if _is_ours(obj1) or _is_ours(obj2):
            return True
        return None

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool | None:
        """Create our tables in our database, and no others where it is only ours."""
        our_database = conf.get_settings().DATABASE
        if app_label == APP_LABEL:
            return db == our_database
        if db == our_database and our_database != "default":
            return False
        return None


def _is_ours(model: Model | type[Model]) -> bool:
    return model._meta.app_label == APP_LABEL
