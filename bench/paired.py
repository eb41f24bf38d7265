"""
What the middleware adds to a request, plain and tracked alternating in one process.

Prints JSON, in microseconds: medians, and the medians of the differences of
neighbours, so that a noisy machine is noisy for both.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from typing import Any

FORM = {f"field_{number}": "some text of a form " * 12 for number in range(36)} | {
    "password": "x",
    "card": "y",
}
OURS = "error_tracking.middleware.ErrorCaptureMiddleware"
USUAL = [  # what ``startproject`` writes
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
REST_EVENTS = 20


def handlers(others: list[str]) -> dict[str, Any]:
    """Return a WSGI handler without and one with the middleware, before *others*."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    found = {}
    for name, ours in {"plain": [], "tracked": [OURS]}.items():
        with override_settings(MIDDLEWARE=ours + others):
            found[name] = WSGIHandler()
    return found


def environ_for(path: str) -> dict[str, Any]:
    """Return what a server would give the handler: the form for the view that fails, else nothing but the path."""
    from django.test import RequestFactory

    factory = RequestFactory()
    return (factory.post(path, FORM) if path == "/fail" else factory.get(path)).environ


def store_all_whole() -> None:
    """Lift the bounds on how many events are stored whole, for this process."""
    from error_tracking.events.kinds import QUOTAS

    for kind, quota in QUOTAS.items():
        QUOTAS[kind] = dataclasses.replace(quota, whole=10**9)


def measure(path: str, rounds: int, made: dict[str, Any]) -> dict[str, float]:
    """Return the medians and what is added by the middleware; the writer rests every few events."""
    from django.core.signals import got_request_exception

    import error_tracking
    from error_tracking.middleware import remember_exception

    times: dict[str, list[float]] = {name: [] for name in made}
    for number in range(rounds):
        for name, handler in made.items():
            environ = environ_for(path)
            got_request_exception.disconnect(
                dispatch_uid="error_tracking"
            )  # it captures without the middleware too
            if name == "tracked":
                got_request_exception.connect(
                    remember_exception, dispatch_uid="error_tracking"
                )
            start = time.perf_counter()
            handler(environ, lambda *_: None).close()
            times[name].append((time.perf_counter() - start) * 1e6)
        if path != "/fine" and number % REST_EVENTS == 0:
            error_tracking.flush(
                30
            )  # outside of the measured time, as on a site that is not in a storm
    added = [
        tracked - plain
        for plain, tracked in zip(times["plain"], times["tracked"], strict=True)
    ]
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        **medians,
        "added": statistics.median(added),
        "ratio": 1 + statistics.median(added) / medians["plain"],
    }


def scrubbing_in(handler: Any, rounds: int) -> float:
    """Return the median of what a failing request that is stored whole spends in the scrubber."""
    import error_tracking
    from error_tracking.scrubbing.scrubber import Scrubber

    spent: list[float] = []
    depth = 0

    def timed(function: Any) -> Any:
        def method(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            depth += 1
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                depth -= 1
                spent[-1] += 0 if depth else (time.perf_counter() - start) * 1e6

        return method

    public = {
        name: method
        for name, method in vars(Scrubber).items()
        if name[0] != "_" and callable(method)
    }
    for name, method in public.items():
        setattr(Scrubber, name, timed(method))
    try:
        for _ in range(rounds):
            environ = environ_for("/fail")
            spent.append(0.0)
            handler(environ, lambda *_: None).close()
            if len(spent) % REST_EVENTS == 0:
                error_tracking.flush(30)
    finally:
        for name, method in public.items():
            setattr(Scrubber, name, method)
    return statistics.median(spent)


def repeated(rounds: int, made: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return what failures cost that are counted only, because equal ones were stored."""
    results = {}
    measure("/fail", 40, made)
    results["failing request, repeated"] = measure("/fail", rounds * 2, made)
    for name, path in {
        "of a view": "/missing",
        "that does not resolve": "/none",
        "of a scanner": "/.env",
    }.items():
        measure(path, 40, made)
        results[f"404 {name}, repeated"] = measure(path, rounds, made)
    return results


def main() -> int:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_FOLDER"] = folder
        from bench import site

        site.VARIANT = "django-error-tracking"
        site.configure(EVENTS_PER_MINUTE=10**9)
        from django.conf import settings
        from django.core.management import call_command
        from django.test import override_settings

        call_command("migrate", verbosity=0)
        logging.disable(logging.CRITICAL)
        results = {}
        for name, others in {
            "request without an error": USUAL,
            "the same, no other middleware": [],
        }.items():
            made = handlers(others)
            measure("/fine", 200, made)
            results[name] = measure("/fine", rounds * 8, made)
        store_all_whole()
        measure("/fail", 40, made)
        whole = results["failing request, stored whole"] = measure(
            "/fail", rounds, made
        )
        whole["scrubbing"] = scrubbing_in(made["tracked"], rounds // 2)
        # With Django's signal: what is read of the settings is kept until it comes.
        few_whole = {**settings.ERROR_TRACKING, "EVENTS_PER_MINUTE": 1}
        with override_settings(ERROR_TRACKING=few_whole):
            results |= repeated(rounds, made)
    print(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
