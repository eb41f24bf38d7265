"""A dramatiq worker's actors, connected as the how-to shows."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

import dramatiq  # noqa: E402
from dramatiq.brokers.redis import RedisBroker  # noqa: E402

import error_tracking  # noqa: E402

from .functions import fail as _fail  # noqa: E402


class CaptureErrors(dramatiq.Middleware):
    def after_process_message(self, broker, message, *, result=None, exception=None):
        actor = broker.get_actor(message.actor_name)
        if exception is None or isinstance(
            exception, actor.options.get("throws") or ()
        ):
            return
        is_last = message.options.get("retries", 0) >= actor.options.get(
            "max_retries", 20
        )
        if is_last:
            error_tracking.capture_exception(
                exception, tags={"task": message.actor_name}
            )


broker = RedisBroker(
    url=os.environ["STORY_BROKER"], namespace=os.environ["STORY_QUEUE"]
)
broker.add_middleware(CaptureErrors())
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=1, min_backoff=10, max_backoff=20)
def fail(number):
    _fail(number)
