"""The Celery app of the story's site."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
app = Celery("story")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = os.environ.get("STORY_QUEUE", "story")
app.autodiscover_tasks()
