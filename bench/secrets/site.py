"""The site that the project runs in, with the tracker that is measured."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.secrets import planting

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = "django-error-tracking"
SENTRY = "sentry-sdk"
# What there is to keep: sentry-sdk with everything it can send, and nothing filtered.
UNFILTERED = "sentry-sdk, filtering nothing"
TRACKERS = (OURS, SENTRY, UNFILTERED)
ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "accounts",
    "payments",
    "api",
    "integrations",
    "storage",
    "objects",
    "jobs",
    "logs",
    "harmless",
)

# What stays open as long as the process.
_open = contextlib.ExitStack()


def start(name: str) -> Callable[[], list[dict[str, Any]]]:
    """
    Set Django up with the tracker *name*, and load the project.

    Returns a function that returns the events since it was called last.
    """
    if name == OURS:
        events = _ours()
    else:
        events = _sentry(_everything() if name == UNFILTERED else {})
    _configure(is_ours=name == OURS)
    for module in MODULES:
        importlib.import_module(f"bench.secrets.project.{module}")
    from django.test.utils import setup_test_environment

    setup_test_environment(debug=False)
    _jobs()
    if name == OURS:
        import error_tracking
        from error_tracking.integrations.logging import ErrorLogHandler

        logging.getLogger("shop").addHandler(ErrorLogHandler())
        planting.tracker.breadcrumb = lambda message, data: (
            error_tracking.add_breadcrumb(message, category="shop", data=data)
        )
        planting.tracker.tag = error_tracking.set_tag
    return events


def _configure(*, is_ours: bool) -> None:
    import django
    from django.conf import settings

    ours = "error_tracking.middleware.ErrorCaptureMiddleware"
    settings.configure(
        SECRET_KEY="of no site",  # noqa: S106
        ALLOWED_HOSTS=["testserver"],
        BASE_DIR=ROOT,
        USE_TZ=True,
        ROOT_URLCONF="bench.secrets.planting",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            *(["error_tracking"] if is_ours else []),
        ],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        MIDDLEWARE=[
            *([ours] if is_ours else []),
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
            }
        ],
        LOGGING_CONFIG=None,
        # The outbox of the test environment gets what would be stored.
        ERROR_TRACKING={"PLANNING_DIR": tempfile.gettempdir()},
    )
    django.setup()
    # What Django logs of failing requests is not of interest on the terminal.
    logging.getLogger("django").addHandler(logging.NullHandler())
    for logger in ("django", "shop", "celery"):
        logging.getLogger(logger).propagate = False
    logging.getLogger("shop").addHandler(logging.NullHandler())


def _jobs() -> None:
    from celery import Celery

    app = Celery("shop", broker="memory://", set_as_current=True)
    app.conf.update(task_store_eager_result=False, worker_hijack_root_logger=False)
    app.set_default()
    app.finalize()


def _ours() -> Callable[[], list[dict[str, Any]]]:
    from error_tracking.testing import captured_events

    kept = _open.enter_context(captured_events())

    def events() -> list[dict[str, Any]]:
        found = [dataclasses.asdict(event) for event in kept]
        kept.clear()
        return found

    return events


def _everything() -> dict[str, Any]:
    from sentry_sdk.scrubber import EventScrubber

    return {
        "send_default_pii": True,
        "event_scrubber": EventScrubber(denylist=[], pii_denylist=[]),
        "max_request_body_size": "always",
        "max_value_length": 100_000,
    }


def _sentry(options: dict[str, Any]) -> Callable[[], list[dict[str, Any]]]:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    kept: list[dict[str, Any]] = []

    class Collector(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            """Keep each item of *envelope* as it would be sent."""
            kept.extend(
                item.payload.json for item in envelope.items if item.payload.json
            )

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Collector, **options)
    planting.tracker.breadcrumb = lambda message, data: sentry_sdk.add_breadcrumb(
        message=message, category="shop", data=data
    )
    planting.tracker.tag = sentry_sdk.set_tag

    def events() -> list[dict[str, Any]]:
        found = list(kept)
        kept.clear()
        return found

    return events
