"""The app: wires the signal, the log filter and the checks when Django is ready."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ErrorTrackingConfig(AppConfig):
    """Configuration of the app ``error_tracking``."""

    name = "error_tracking"
    verbose_name = _("Error tracking")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and connect to Django; starts no thread and reads no table."""
        from . import checks, conf, middleware, recorder, tasks  # noqa: PLC0415  models are loaded only now
        from .integrations.install import SOURCES, install  # noqa: PLC0415

        checks.register()
        middleware.install()
        tasks.at_worker_shutdown(recorder.stop)
        for name in SOURCES:
            if name == "celery" or name not in conf.get_settings().DISABLE:  # Celery's worker has a task of ours too
                install(name)
