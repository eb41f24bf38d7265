"""An RQ worker of a Django project, as django-rq starts it."""

from __future__ import annotations

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

from redis import Redis  # noqa: E402
from rq import Queue, SimpleWorker, Worker  # noqa: E402

queue = Queue(
    os.environ["STORY_QUEUE"], connection=Redis.from_url(os.environ["STORY_BROKER"])
)

if __name__ == "__main__":
    worker_class = {"fork": Worker, "simple": SimpleWorker}[sys.argv[1]]
    worker_class([queue], connection=queue.connection).work(burst=True)
