"""Settings of the stories' site: the suite's own, with database, folder, repository and broker from outside."""

from __future__ import annotations

import os
from pathlib import Path

from tests.settings import *  # noqa: F403  the site is the suite's, run for real

BASE_DIR = Path(os.environ["STORY_DIR"])
ROOT_URLCONF = "tests.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
ERROR_TRACKING = {
    "GITHUB_REPO": os.environ.get("STORY_REPO") or None,
    "ENVIRONMENT": "production",
    "JOURNAL_DIR": os.environ.get("STORY_JOURNALS") or BASE_DIR / "journals",
}
if os.environ.get("TEST_POSTGRES_PORT"):
    DATABASES["default"]["PORT"] = os.environ["TEST_POSTGRES_PORT"]  # noqa: F405
if os.environ.get("STORY_CONN_MAX_AGE"):
    max_age = int(os.environ["STORY_CONN_MAX_AGE"])
    DATABASES["default"]["CONN_MAX_AGE"] = max_age  # noqa: F405
CELERY_BROKER_URL = os.environ.get("STORY_BROKER", "")
WSGI_APPLICATION = "tests.integration.wsgi.application"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"error_tracking": {"handlers": ["console"], "level": "INFO"}},
}
