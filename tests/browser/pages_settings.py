"""A site that shows every error page, under a strict policy written around our middleware."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.settings import *  # noqa: F403

BASE_DIR = Path(os.environ.get("PAGES_DIR") or tempfile.gettempdir())
ROOT_URLCONF = "tests.browser.pages_urls"
ALLOWED_HOSTS = ["127.0.0.1"]
STATIC_URL = "/static/"
LANGUAGE_CODE = "en"
MIDDLEWARE = [
    "tests.browser.pages_urls.csp_middleware",
    "error_tracking.middleware.ErrorCaptureMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ERROR_TRACKING = {
    "ENVIRONMENT": "production",
    "AUTO_CREATE_BUGS": False,
    "JOURNAL_DIR": BASE_DIR / "journals",
    "SITE": {
        "name": "Acme Shop",
        "color": "#2563eb",
        "support": "mailto:help@acme.example",
        "search": "/search/",
    },
}
