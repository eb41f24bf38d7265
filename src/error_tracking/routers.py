"""The database router that keeps our tables in the database named by ``DATABASE``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import router

from . import conf

if TYPE_CHECKING:
    from django.db.models import Model

APP_LABEL = "error_tracking"


class ErrorTrackingRouter:
    """Put it in ``DATABASE_ROUTERS`` when ``ERROR_TRACKING["DATABASE"]`` is not ``"default"``."""

    def db_for_read(self, model: type[Model], instance: Model | None = None, **_hints: object) -> str | None:
        """Return our database for our models; for what a row of ours points to, such as a user, where that is."""
        if model._meta.app_label == APP_LABEL:
            return conf.get_settings().DATABASE
        return router.db_for_read(model) if instance is not None and instance._meta.app_label == APP_LABEL else None

    def db_for_write(self, model: type[Model], **_hints: object) -> str | None:
        """Return our database for our models."""
        return self.db_for_read(model)

    def allow_relation(self, obj1: Model, obj2: Model, **_hints: object) -> bool | None:
        """Allow what our models point to; there is no constraint behind it."""
        return True if APP_LABEL in {obj1._meta.app_label, obj2._meta.app_label} else None

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool | None:  # noqa: ANN401
        """Migrate our tables in our database, and nothing else there when it is one of our own."""
        ours = conf.get_settings().DATABASE
        if app_label == APP_LABEL:
            return db == ours
        return False if db == ours and ours != "default" else None
