"""The story's site for a WSGI server; with a broker it has a Celery app, as a project's own would."""

from __future__ import annotations

import importlib
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
if os.environ.get("STORY_BROKER"):
    importlib.import_module("tests.integration.celery_app")

application = get_wsgi_application()
