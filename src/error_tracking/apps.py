"""The app: connects to Django and to the libraries of the project."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ErrorTrackingConfig(AppConfig):
    """Configuration of the app ``error_tracking``."""

    name = "error_tracking"
    verbose_name = _("Error tracking")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and connect to Django; no thread, no table is read."""
        # Our models, which these modules need, are importable only now.
        from . import (
            checks,
            conf,
            middleware,
            recorder,
            tasks,  # noqa: F401  registers ``create_bug_task`` with Celery
        )
        from .capture.no_queries import refuse_queries
        from .events import borders, object_text
        from .filing import broker
        from .integrations.install import install_all

        borders.install_log_filter()
        object_text.before_reading(refuse_queries)
        checks.register()
        # Runs git, and so at start-up rather than while a request waits.
        conf.find_release()
        middleware.install()
        broker.at_worker_shutdown(recorder.stop)
        install_all(disabled=conf.get_settings().DISABLE)
