"""
The health endpoint: what a monitor asks every minute, as JSON.

It answers within a second also without the database, which is read in a thread of its
own: a driver may wait for minutes. 503 means that somebody has to look: processing
stands still, or events were lost in the last hour and nobody has acknowledged that.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from http import HTTPStatus
from typing import Any

from django.db import Error, connections
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from error_tracking import conf, own_connections, recorder
from error_tracking.database_problems import problem_for
from error_tracking.models import ErrorLog, Filing
from error_tracking.models.base import write_alias

from . import queries
from .access import refusal, refused

logger = logging.getLogger("error_tracking")

#: Leaves time for the rest of an answer that should come within a second.
DATABASE_SECONDS = 0.7
LOSS_COUNTS_FOR = dt.timedelta(hours=1)
REASONS_SHOWN = 5
SCHEME = "bearer "


@require_safe
@never_cache
def health_json(request: HttpRequest) -> HttpResponse:
    """
    Give the state of the tracker as JSON: 200, or 503 when somebody has to look.

    For whoever sends ``HEALTH_TOKEN`` as a bearer token, and for staff with the
    permission of the dashboard. Others get 401 or 403, also as JSON.
    """
    denied = _denied(request)
    if denied is not None:
        return denied
    state = _Reader.read()
    return JsonResponse(state, status=200 if state["status"] == "ok" else 503)


def _denied(request: HttpRequest) -> HttpResponse | None:
    """Return the answer for whoever may not ask, None for who may."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header[: len(SCHEME)].lower() == SCHEME:
        token = conf.get_settings().HEALTH_TOKEN
        sent = header[len(SCHEME) :].strip()
        # Without a token nothing matches, not even an empty one.
        if token and constant_time_compare(sent, token):
            return None
        return _unauthorized("wrong_token", "This is not the HEALTH_TOKEN.")
    try:
        denied = refusal(request)
    except Error:
        detail = "The session cannot be read: the database does not answer."
        return refused(503, "no_database", detail)
    if denied is not None and denied.status_code == HTTPStatus.UNAUTHORIZED:
        detail = "Send HEALTH_TOKEN as a bearer token, or sign in as a staff user."
        return _unauthorized("not_signed_in", detail)
    return denied


def _unauthorized(error: str, detail: str) -> HttpResponse:
    response = refused(HTTPStatus.UNAUTHORIZED, error, detail)
    response["WWW-Authenticate"] = 'Bearer realm="error_tracking"'
    return response


class _Reader:
    """
    Reads the state in a thread, and gives up on it after ``DATABASE_SECONDS``.

    One thread at a time: while the database hangs, monitors must not add up threads.
    """

    _lock = threading.Lock()

    def __init__(self) -> None:
        self.state: dict[str, Any] | None = None
        self._is_done = threading.Event()

    @classmethod
    def read(cls) -> dict[str, Any]:
        """Return the state, or that the database did not answer in time."""
        deadline = time.monotonic() + DATABASE_SECONDS
        if not cls._lock.acquire(timeout=DATABASE_SECONDS):
            return _unknown()
        reader = cls()
        thread = threading.Thread(
            target=reader._run, name="error_tracking-health", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # No thread can be started: out of memory, or the interpreter ends.
            cls._lock.release()
            return _unknown()
        reader._is_done.wait(max(0.0, deadline - time.monotonic()))
        return reader.state or _unknown()

    def _run(self) -> None:
        try:
            # A connection of our own, which gives up on a silent server.
            own_connections.prepare(write_alias(ErrorLog), waits_for_lock=True)
            self.state = state_of()
        except Error as error:
            logger.warning("the health endpoint cannot read: error=%r", error)
            self.state = {**_unknown(), "problems": [_why_unreadable(error)]}
        finally:
            connections.close_all()
            self._lock.release()
            self._is_done.set()


def _why_unreadable(error: Error) -> str:
    """
    Return a sentence on *error*.

    Whoever holds the token need not learn where the database is: the texts of drivers
    stay in the log. Missing tables and columns are ours, and the sentence says what to do.
    """
    problem = problem_for(error, write_alias(ErrorLog))
    if problem is not None and problem.kind in {"no table", "no column"}:
        return str(problem)
    return f"The database cannot be read ({type(error).__name__})."


def _unknown() -> dict[str, Any]:
    """Return what can be said without the database."""
    seconds = f"{DATABASE_SECONDS:.1f}"
    return {
        "status": "problem",
        "problems": [f"The database did not answer within {seconds} seconds."],
        "environment": conf.get_settings().environment,
        "lag": None,
        "counts": None,
        "last_error_at": None,
        "filing": None,
    }


def state_of() -> dict[str, Any]:
    """
    Return the state of the tracker as plain data.

    Raises:
        django.db.Error: The database cannot be read.
    """
    settings = conf.get_settings()
    health = recorder.health()
    stats = queries.error_stats(settings.environment)
    needs_somebody = (
        bool(health.blocked)
        or health.away_seconds > 0
        or health.stopped_seconds > 0
        or _is_recent(health.new_loss_at)
    )
    return {
        "status": "problem" if needs_somebody else "ok",
        "problems": list(health.problems),
        "environment": settings.environment,
        "lag": {
            "pending_events": health.pending,
            "waiting_bytes": health.waiting_bytes,
            "storing_stopped_seconds": round(health.away_seconds),
            "filing_stopped_seconds": round(health.stopped_seconds),
            "last_stored_at": _text(health.stored_at),
        },
        "counts": {
            "errors_24_hours": stats["last_24_hours"],
            "errors_7_days": stats["last_7_days"],
            "open_bugs": stats["open_bugs"],
            "lost": health.lost,
            "at_risk": health.at_risk,
            "internal_errors": health.failures,
        },
        "last_error_at": _text(_last_error(settings.environment)),
        "filing": _filing_state(settings.environment),
    }


def _is_recent(moment: dt.datetime | None) -> bool:
    return moment is not None and moment > timezone.now() - LOSS_COUNTS_FOR


def _text(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _last_error(environment: str) -> dt.datetime | None:
    """Return when the latest error of *environment* happened, of those stored."""
    latest = ErrorLog.objects.order_by("-created").values_list("created", flat=True)
    moment: dt.datetime | None = latest.filter(environment=environment).first()
    return moment


def _filing_state(environment: str) -> dict[str, Any]:
    """Return how many filings wait and failed, why, and when the last one worked."""
    wanted = Filing.objects.wanted(environment)
    state = Filing.State
    counts = wanted.aggregate(
        waiting=Count("pk", filter=Q(state__in=(state.PENDING, state.CLAIMED))),
        paused=Count("pk", filter=Q(state=state.PAUSED)),
        failed=Count("pk", filter=Q(state=state.FAILED)),
        last=Max("filed_at"),
    )
    reasons = [row[2] for row in wanted.unfinished() if row[2]]
    return {
        "waiting": counts["waiting"],
        "paused": counts["paused"],
        "failed": counts["failed"],
        "last_filed_at": _text(counts["last"]),
        "reasons": reasons[:REASONS_SHOWN],
    }
