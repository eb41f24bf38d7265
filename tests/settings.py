"""Settings of the test suite; the database is chosen by TEST_DATABASE."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pymysql

pymysql.install_as_MySQLdb()

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
USE_TZ = True
LANGUAGE_CODE = "en"
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/assets/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_ENGINES = {
    "sqlite": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("TEST_SQLITE_FILE", ":memory:"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        # A file: threads and processes of a test share it as they would share a site's.
        "TEST": {
            "NAME": str(
                Path(
                    tempfile.gettempdir(), f"error_tracking_test_{os.getpid()}.sqlite3"
                )
            )
        },
    },
    "postgres": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("TEST_POSTGRES_NAME", "error_tracking"),
        "USER": os.environ.get("TEST_POSTGRES_USER", "postgres"),
        "HOST": os.environ.get("TEST_POSTGRES_HOST", "127.0.0.1"),
        "TEST": {"NAME": f"test_error_tracking_{os.getpid()}"},
    },
    "mariadb": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": os.environ.get("TEST_MARIADB_NAME", "error_tracking"),
        "USER": os.environ.get("TEST_MARIADB_USER", "root"),
        "HOST": os.environ.get("TEST_MARIADB_HOST", "127.0.0.1"),
        "OPTIONS": {"charset": "utf8mb4"},
        "TEST": {"NAME": f"test_error_tracking_{os.getpid()}", "CHARSET": "utf8mb4"},
    },
}
TEST_DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
DATABASES = {"default": _ENGINES[TEST_DATABASE]}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "error_tracking",
]
MIDDLEWARE = [
    "error_tracking.middleware.ErrorCaptureMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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
MAILERS = {
    "default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}
}  # from Django 6.1 on
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ERROR_TRACKING: dict[str, object] = {}
REST_FRAMEWORK: dict[str, object] = {
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_AUTHENTICATION_CLASSES": [],
}
