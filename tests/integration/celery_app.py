"""The Celery app of the story's site."""

from __future__ import annotations

import os
import sys
import time

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


class ApiError(Exception):
    """An exception that cannot be pickled: its arguments are not those of its base."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


@app.task(name="story.own")
def own():
    """Fail with an exception of one's own."""
    raise ApiError(402, "card refused")


@app.task(name="story.leave")
def leave():
    """End the worker's child."""
    sys.exit(3)


@app.task(name="story.hard", time_limit=1)
def hard():
    """Run into the hard time limit."""
    time.sleep(60)


@app.task(name="story.soft", soft_time_limit=1)
def soft():
    """Run into the soft time limit."""
    while True:
        time.sleep(0.01)
