"""The Celery app of the story's site."""

from __future__ import annotations

import os

from celery import Celery

import error_tracking

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
app = Celery("story")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = os.environ.get("STORY_QUEUE", "story")
app.autodiscover_tasks()


@app.task(name="story.explode")
def explode(number):
    """Capture an error in a worker's child."""
    try:
        raise ValueError(f"task {number} failed")
    except ValueError as error:
        error_tracking.capture_exception(error)


@app.task(name="story.fail")
def fail(number, password=""):
    """Fail, unhandled."""
    raise ValueError(f"task {number} failed")


@app.task(name="story.retry", bind=True, max_retries=1, default_retry_delay=0)
def retry(self):
    """Fail twice, which is one failure."""
    try:
        raise KeyError("gone")
    except KeyError as error:
        raise self.retry(exc=error) from error


@app.task(name="story.expected", throws=(LookupError,))
def expected():
    """Fail as it may."""
    raise LookupError("nothing to do")
