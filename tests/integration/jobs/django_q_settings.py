"""Settings of a site with django-q2, whose queue is the site's database."""

from __future__ import annotations

from tests.integration.site_settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "django_q"]  # noqa: F405
Q_CLUSTER = {
    "name": "story",
    "orm": "default",
    "workers": 1,
    "poll": 0.2,
    "retry": 120,
    "timeout": 60,
    "max_attempts": 1,
    "error_reporter": {"error_tracking": {}},
}
