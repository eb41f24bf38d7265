"""
Measures what the middleware adds to a request: none failing, failing for the first time in a while, failing again.

Plain and tracked requests alternate in one process; medians are compared, so a
noisy machine is noisy for both.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FORM = {f"field_{number}": "some text of a form " * 12 for number in range(36)} | {"password": "x", "card": "y"}


def deep(levels: int) -> None:
    """Raise after *levels* calls, so that there are frames to read."""
    if levels == 0:
        raise ValueError("the benchmark's error")  # noqa: EM101, TRY003  one line is the raising line
    deep(levels - 1)


def configure(folder: Path) -> None:
    """Set up Django with the tracker in a SQLite file in *folder*."""
    from django.conf import settings  # noqa: PLC0415  nothing of Django before its settings
    from django.urls import path  # noqa: PLC0415

    class Urls:
        urlpatterns = (path("fine", fine), path("fail", fail), path("missing", missing))

    settings.configure(
        SECRET_KEY="benchmark",  # noqa: S106  of no site
        ALLOWED_HOSTS=["*"],
        BASE_DIR=folder,
        USE_TZ=True,
        ROOT_URLCONF=Urls,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "error_tracking"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "bench.sqlite3")}},
        LOGGING_CONFIG=None,
    )
    import django  # noqa: PLC0415

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    logging.disable(logging.CRITICAL)


def handlers() -> dict[str, Any]:
    """Return a WSGI handler without and one with the middleware."""
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    found = {}
    for name, middleware in {"plain": [], "tracked": ["error_tracking.middleware.ErrorCaptureMiddleware"]}.items():
        with override_settings(MIDDLEWARE=middleware):
            found[name] = WSGIHandler()
    return found


def measure(path: str, rounds: int, made: dict[str, Any], pause: float) -> dict[str, float]:
    """Return the medians in microseconds and what is added by the middleware."""
    from django.core.signals import got_request_exception  # noqa: PLC0415
    from django.test import RequestFactory  # noqa: PLC0415

    from error_tracking.middleware import remember_exception  # noqa: PLC0415

    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, handler in made.items():
            environ = (
                RequestFactory().post(path, FORM).environ if path != "/fine" else RequestFactory().get(path).environ
            )
            got_request_exception.disconnect(dispatch_uid="error_tracking")  # it captures without the middleware too
            if name == "tracked":
                got_request_exception.connect(remember_exception, dispatch_uid="error_tracking")
            start = time.perf_counter()
            handler(environ, lambda *_: None).close()
            times[name].append(time.perf_counter() - start)
            time.sleep(pause)
    medians = {name: statistics.median(values) * 1e6 for name, values in times.items()}
    added = medians["tracked"] - medians["plain"]
    return {**medians, "added": added, "ratio": medians["tracked"] / medians["plain"]}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=500, help="pairs of requests per case (default: 500)")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON, in microseconds")
    options = parser.parse_args()
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    with tempfile.TemporaryDirectory() as folder:
        configure(Path(folder))
        made = handlers()
        measure("/fine", 50, made, 0)
        results = {
            "request without an error": measure("/fine", options.rounds * 4, made, 0),
            "failing request, 12 frames, form of 9 KB": measure("/fail", options.rounds, made, 0.002),
            "404 of a view": measure("/missing", options.rounds, made, 0.002),
        }
        import error_tracking  # noqa: PLC0415

        error_tracking.flush(60)
    if options.json:
        print(json.dumps(results, indent=2))
        return 0
    print(f"{'µs, medians':42} {'plain':>9} {'tracked':>9} {'added':>9} {'ratio':>7}")
    for name, values in results.items():
        print(
            f"{name:42} {values['plain']:9.1f} {values['tracked']:9.1f} {values['added']:9.1f} {values['ratio']:7.3f}"
        )
    return 0


def fine(_request: object) -> Any:  # noqa: ANN401
    """Answer."""
    from django.http import HttpResponse  # noqa: PLC0415

    return HttpResponse(b"fine")


def fail(request: Any) -> None:  # noqa: ANN401  Django's request, not importable before its settings
    """Read the form, then fail."""
    request.POST.get("field_1")
    deep(9)


def missing(_request: object) -> None:
    """Raise a 404."""
    from django.http import Http404  # noqa: PLC0415

    raise Http404


if __name__ == "__main__":
    sys.exit(main())
