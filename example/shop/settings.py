"""
Settings of the example: SQLite with the tracker in a file of its own, no broker.

Everything that error_tracking needs is marked with ``error_tracking``.
"""

from __future__ import annotations

import os
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent.parent
BASE_DIR = Path(os.environ.get("EXAMPLE_DATA_DIR", PROJECT_DIR))
DATA_DIR = BASE_DIR / "data"
DATA_DIR.mkdir(parents=True, exist_ok=True)

SECRET_KEY = "the example's key, which protects nothing"
# Friendly pages are shown without DEBUG only: DEBUG=1 shows Django's own.
DEBUG = os.environ.get("DEBUG", "") in {"1", "true"}
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
ASGI_APPLICATION = "shop.asgi.application"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "error_tracking",  # error_tracking
    "shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "error_tracking.middleware.ErrorCaptureMiddleware",  # error_tracking: first, or directly after SecurityMiddleware
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "site.sqlite3",
    },
    # error_tracking: a file of its own, so that the site never waits for the tracker's writes
    "error_tracking": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "error_tracking.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    },
}
DATABASE_ROUTERS = ["error_tracking.routers.ErrorTrackingRouter"]  # error_tracking

ERROR_TRACKING = {
    "DATABASE": "error_tracking",
    "PLANNING_DIR": "planning/tasks",
    "GITHUB_REPO": os.environ.get("ERROR_TRACKING_GITHUB_REPO") or None,
    "SHOW_BUG_ID": True,
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).resolve().parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
