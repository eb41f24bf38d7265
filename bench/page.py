"""
What a friendly page costs once its variant is rendered, and that it asks no database.

Prints JSON, in microseconds of CPU time: medians of single calls.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: The examples of the preview that are measured, as people read them.
EXAMPLES = {
    "new": "error, seen for the first time",
    "open": "error whose bug is known, with a public message",
    "404": "address that does not exist",
}
IN_PLACE = "in the place of Django's own page, with its headers"
WARM_UP_CALLS = 50


class QueryError(Exception):
    """A page has asked the database."""


def measure(call: Callable[[], object], calls: int) -> float:
    """
    Return the median CPU time of *call*, in microseconds.

    Raises:
        QueryError: It has asked the database.
    """
    from django.db import connection

    def refuse(_execute: Any, sql: str, *_args: Any) -> Any:
        raise QueryError(sql)

    for _ in range(WARM_UP_CALLS):
        call()
    times = []
    with connection.execute_wrapper(refuse):
        for _ in range(calls):
            start = time.thread_time_ns()
            call()
            times.append((time.thread_time_ns() - start) / 1e3)
    return statistics.median(times)


def replacing() -> Callable[[], object]:
    """Return a call that puts our page in the place of Django's bare one."""
    from django.http import HttpResponse
    from django.test import RequestFactory
    from django.views.defaults import server_error

    from error_tracking.bugs import known
    from error_tracking.events.event import EXCEPTION, Event
    from error_tracking.pages import page
    from error_tracking.pages.preview import REFERENCE, example

    request = RequestFactory().get("/", headers={"Accept": "text/html"})
    bare = server_error(request)
    event = Event(
        event_id="0192d3b0-0000-7000-8000-000000000000",
        reference=REFERENCE,
        timestamp=time.time(),
        error_type=EXCEPTION,
        mechanism="middleware",
        fingerprint="f" * 32,
        fingerprint_version=1,
        title="ValueError in shop.pay",
    )
    bug = example("open").bug
    if bug is not None:
        known.publish({event.fingerprint: bug})

    def replace() -> None:
        response = HttpResponse(bare.content, status=500)
        page.replace(request, response, event, is_unhandled=True)
        if b"know about this problem" not in response.content:
            raise AssertionError("our page was not put in its place")

    return replace


def main() -> int:
    """Measure and print."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_FOLDER"] = folder
        from bench import site

        site.VARIANT = "django-error-tracking"
        site.configure()
        from error_tracking.pages import rendering
        from error_tracking.pages.preview import example

        results = {}
        for name, label in EXAMPLES.items():
            situation = example(name)

            def render(situation: Any = situation) -> str:
                return rendering.text_for(situation, rendering.HTML, nonce="n")

            results[label] = measure(render, calls)
        results[IN_PLACE] = measure(replacing(), calls)
    print(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
