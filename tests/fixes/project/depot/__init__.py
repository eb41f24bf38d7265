from __future__ import annotations

from celery import Celery

celery = Celery("depot", set_as_current=True)
celery.autodiscover_tasks(["stock"])
