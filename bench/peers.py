"""
What other error trackers add to a request, next to ours, each in a process of its own.

The processes are all there at the same time and take turns of some requests, so
that a noisy machine is noisy for all of them. What is added is the median over the
turns of the difference to the plain site of the same turn. Each tracker is
installed as its documentation says, and has stored or sent what it captured before
the next turn begins. Prints JSON, in microseconds.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import sink
from bench.paired import USUAL, environ_for, store_all_whole

ROOT = Path(__file__).resolve().parent.parent
PLAIN = "none"
VARIANTS = (PLAIN, "django-error-tracking", "django-admin-errors", "sentry-sdk")
# After the rest the first requests of a turn find cold caches: most should not.
REQUESTS_PER_TURN = 40
WARM_UP_TURNS = 2
FLUSH_SECONDS = 30
UNLIMITED = 10**9

#: Row of the table → the path, and whether each failure is to be stored whole.
CASES = {
    "request without an error": ("/fine", False),
    "failing request, stored whole": ("/fail", True),
    "failing request, repeated": ("/fail", False),
}


class Site:
    """A process that serves one variant, and measures each request itself."""

    def __init__(self, variant: str, dsn: str, folder: str, *, is_whole: bool) -> None:
        """Start the process and wait until it is ready."""
        environment = {
            **os.environ,
            "BENCH_VARIANT": variant,
            "BENCH_DATABASE": "sqlite",
            "BENCH_DSN": dsn,
            "BENCH_FOLDER": folder,
            "BENCH_WHOLE": "1" if is_whole else "",
        }
        self.variant = variant
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.peers", "serve"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._answer() != "ready":
            sys.exit(f"{variant} did not start")

    def turn(self, path: str, requests: int) -> list[float]:
        """Return how long each of *requests* requests took, in microseconds."""
        assert self.process.stdin is not None  # noqa: S101  for the type checker
        print(path, requests, file=self.process.stdin, flush=True)
        found: list[float] = json.loads(self._answer())
        return found

    def _answer(self) -> str:
        assert self.process.stdout is not None  # noqa: S101  for the type checker
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None  # noqa: S101  for the type checker
        self.process.stdin.close()
        self.process.wait(FLUSH_SECONDS)


def measure(turns: int, dsn: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return case → variant → medians in microseconds."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    for case, (path, is_whole) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            sites = []
            for variant in VARIANTS:
                own = Path(folder, variant)
                own.mkdir()
                sites.append(Site(variant, dsn, str(own), is_whole=is_whole))
            times = _times_of(sites, path, turns)
            for site in sites:
                site.close()
        results[case] = {
            variant: _summary(found, times[PLAIN]) for variant, found in times.items()
        }
    return results


def _times_of(sites: list[Site], path: str, turns: int) -> dict[str, list[float]]:
    """Return the median of each turn by variant, in microseconds; the sites take turns."""
    times: dict[str, list[float]] = {site.variant: [] for site in sites}
    for number in range(WARM_UP_TURNS + turns):
        # Each comes first as often as any other.
        first = number % len(sites)
        for site in sites[first:] + sites[:first]:
            spent = site.turn(path, REQUESTS_PER_TURN)
            if number >= WARM_UP_TURNS:
                times[site.variant].append(statistics.median(spent))
    return times


def _summary(found: list[float], plain: list[float]) -> dict[str, float]:
    differences = [own - other for own, other in zip(found, plain, strict=True)]
    added = statistics.median(differences)
    return {
        "median": statistics.median(found),
        "added": added,
        "ratio": 1 + added / statistics.median(plain),
    }


def serve() -> None:
    """Answer lines of "path number" with the times of so many requests, until the input ends."""
    from bench import site

    is_whole = bool(os.environ["BENCH_WHOLE"])
    if is_whole:
        site.configure(
            EVENTS_PER_MINUTE=UNLIMITED,
            middleware=USUAL,
            admin_errors={"EVENT_SAMPLE_PER_HOUR": UNLIMITED},
        )
        if site.VARIANT == "django-error-tracking":
            store_all_whole()
    else:
        site.configure(EVENTS_PER_MINUTE=1, middleware=USUAL)
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.management import call_command

    # Django logs each failure; where it goes is not measured.
    logging.getLogger().addHandler(logging.NullHandler())
    call_command("migrate", verbosity=0)
    handler = WSGIHandler()
    flush = _flush_of(site.VARIANT)
    print("ready", flush=True)
    for line in sys.stdin:
        path, count = line.split()
        spent = [_timed(handler, environ_for(path)) for _ in range(int(count))]
        if path != "/fine":
            flush()
        print(json.dumps(spent), flush=True)


def _timed(handler: Any, environ: dict[str, Any]) -> float:
    start = time.perf_counter()
    handler(environ, lambda *_: None).close()
    return (time.perf_counter() - start) * 1e6


def _flush_of(variant: str) -> Any:
    """Return the function with which *variant* brings away what it has captured."""
    if variant == "django-error-tracking":
        import error_tracking

        return lambda: error_tracking.flush(FLUSH_SECONDS)
    if variant == "django-admin-errors":
        from admin_errors import writer

        return lambda: writer.get_writer().flush(FLUSH_SECONDS)
    if variant == "sentry-sdk":
        import sentry_sdk

        return lambda: sentry_sdk.flush(FLUSH_SECONDS)
    return lambda: None


def main() -> int:
    """Measure and print."""
    if sys.argv[1:] == ["serve"]:
        serve()
        return 0
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    with sink.running() as dsn:
        print(json.dumps(measure(turns, dsn), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
