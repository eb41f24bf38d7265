"""The site that is measured: settings from the environment, three views, and the trackers it is compared with."""

from __future__ import annotations

import os
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KIND = os.environ.get("BENCH_DATABASE", "sqlite")
VARIANT = os.environ.get("BENCH_VARIANT", "none")
FOLDER = os.environ.get("BENCH_FOLDER") or tempfile.gettempdir()

_DATABASES: dict[str, dict[str, Any]] = {
    "sqlite": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(FOLDER, "bench.sqlite3"),  # noqa: PTH118  Django takes text
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
    },
    "postgres": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("BENCH_NAME", ""),
        "USER": "postgres",
        "HOST": "127.0.0.1",
        "CONN_MAX_AGE": None,
    },
    "mariadb": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": os.environ.get("BENCH_NAME", ""),
        "USER": "root",
        "HOST": "127.0.0.1",
        "OPTIONS": {"charset": "utf8mb4"},
        "CONN_MAX_AGE": None,
    },
}
OURS = "error_tracking.middleware.ErrorCaptureMiddleware"
MIDDLEWARE = {
    "row per error": ["bench.site.RowMiddleware"],
    "django-error-tracking": [OURS],
}
APPS = {
    "django-error-tracking": ["error_tracking"],
    "django-admin-errors": ["django.contrib.admin", "admin_errors"],
}
# As its README says: the app is all that is needed, it logs what Django logs. What of
# the code is the project's it takes from BASE_DIR, which is another folder here.
ADMIN_ERRORS = {"IN_APP_INCLUDE": [str(Path(__file__).parent)]}


def configure(
    *,
    middleware: Sequence[str] = (),
    admin_errors: Mapping[str, Any] | None = None,
    urlconf: str = "bench.urls",
    **extra: Any,
) -> None:
    """
    Set Django up with the variant of BENCH_VARIANT.

    Args:
        middleware: What comes after the variant's own.
        admin_errors: Settings of django-admin-errors besides the usual.
        urlconf: The module with the views.
        extra: Settings of ours besides the usual.

    """
    import django
    from django.conf import settings

    if KIND == "mariadb":
        import pymysql

        pymysql.install_as_MySQLdb()
    settings.configure(
        SECRET_KEY="benchmark",  # noqa: S106  of no site
        ALLOWED_HOSTS=["*"],
        BASE_DIR=FOLDER,
        USE_TZ=True,
        ROOT_URLCONF=urlconf,
        INSTALLED_APPS=[
            *(
                f"django.contrib.{name}"
                for name in ("contenttypes", "auth", "sessions", "messages")
            ),
            *APPS.get(VARIANT, []),
            "bench",
        ],
        DATABASES={"default": _DATABASES[KIND]},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MIDDLEWARE=[*MIDDLEWARE.get(VARIANT, []), *middleware],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
            }
        ],
        LOGGING_CONFIG=None,
        ADMIN_ERRORS={**ADMIN_ERRORS, **(admin_errors or {})},
        ERROR_TRACKING={"JOURNAL_DIR": os.path.join(FOLDER, "journals"), **extra},  # noqa: PTH118
    )
    if VARIANT == "sentry-sdk":
        import sentry_sdk

        sentry_sdk.init(
            dsn=os.environ["BENCH_DSN"], traces_sample_rate=0.0, send_default_pii=False
        )
    django.setup()


def row_model() -> type[models.Model]:
    """Return the table of the simplest tracker: a row for each error."""
    from django.apps import apps

    try:
        return apps.get_model("bench", "Row")
    except LookupError:
        pass

    class Row(models.Model):  # noqa: DJ008  nobody looks at it
        created = models.DateTimeField(auto_now_add=True)
        path = models.TextField()
        text = models.TextField()
        data = models.JSONField(default=dict)

        class Meta:
            app_label = "bench"

    return Row


class RowMiddleware:
    """Writes a row for each error in the request."""

    def __init__(self, get_response: Any) -> None:
        """Wrap *get_response*."""
        self.get_response = get_response
        self.model = row_model()

    def __call__(self, request: Any) -> Any:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: Any, exception: Exception) -> None:
        """Write the row."""
        text = "".join(traceback.format_exception(exception))
        self.model.objects.create(
            path=request.path, text=text, data=dict(request.POST.items())
        )
