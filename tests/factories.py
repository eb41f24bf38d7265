"""Values for tests; exceptions are raised, not built."""

from __future__ import annotations

import time

from error_tracking.events.event import EXCEPTION, Event
from error_tracking.utils import uuid7


def make_event(**values) -> Event:
    identity = uuid7()
    defaults = {
        "event_id": str(identity),
        "reference": f"{identity.int & 0xFF_FFFF_FFFF:010x}",
        "timestamp": time.time(),
        "error_type": EXCEPTION,
        "mechanism": "middleware",
        "fingerprint": "f" * 32,
        "fingerprint_version": 1,
        "title": "ValueError in shop.pay",
        "culprit": "shop.pay",
        "status_code": 500,
        "method": "GET",
        "route": "/pay/{id}/",
        "environment": "production",
    }
    return Event(**{**defaults, **values})


def raised(function, *args) -> BaseException:
    """Return the exception that *function* raises."""
    try:
        function(*args)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")
