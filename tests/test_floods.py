"""
A crash in the middle of what strangers can send: stored whole, a bug, and filed, whatever else fills that minute.

Each flood takes the whole way: request, budget, journal, gate, outbox.
"""

from __future__ import annotations

import itertools
import logging
import time
import types

import pytest
from django.db.models import Sum
from django.http import HttpResponse
from django.test import Client
from django.urls import path

import error_tracking
from error_tracking.events.kinds import CLASSES_PER_PLACE, QUOTAS, Kind
from error_tracking.integrations.logging import ErrorLogHandler
from error_tracking.models import (
    DailyCount,
    ErrorGroup,
    ErrorLog,
    Filing,
    HourlyCount,
    HourlyTotal,
    KnownBug,
)
from error_tracking.recorder import budget, worker

REQUESTS = 130
# Words without a digit: what differs by numbers only is one group anyway.
WORDS = ["".join(letters) for letters in itertools.product("ghijkl", repeat=4)]
log = logging.getLogger("shop")


class RealCrash(Exception):
    pass


def crash(request):
    raise RealCrash("the project's own")


def log_line(request, word):
    log.error(f"cannot import {word}")  # noqa: G004  as people write it
    return HttpResponse("no")


def critical_line(request, word):
    log.critical(f"lost {word}")  # noqa: G004
    return HttpResponse("no")


def message(request, word):
    error_tracking.capture_message(f"visitor said {word}", level="error")
    return HttpResponse("no")


def message_with_fingerprint(request, word):
    error_tracking.capture_message("x", level="error", fingerprint=[word])
    return HttpResponse("no")


def class_of_the_client(request, word):
    raise type(word, (Exception,), {})


def fingerprint_of_the_client(request, word):
    try:
        raise ValueError
    except ValueError:
        error_tracking.capture_exception(fingerprint=["import", word])
    return HttpResponse("no")


def constraint_of_the_client(request, word):
    raise ValueError(f"UNIQUE constraint failed: {word}.name")


def never_raised(request, word):
    """What a library fails with: no frame of the project, and a client's words."""
    error_tracking.capture_exception(LookupError(f"no codec {word} known"))
    return HttpResponse("no")


def refused(request, word):
    return HttpResponse("no", status=400 + len(word) % 20)


def form(request, word):
    return HttpResponse("sent")


VIEWS = [
    log_line,
    critical_line,
    message,
    message_with_fingerprint,
    class_of_the_client,
    fingerprint_of_the_client,
    constraint_of_the_client,
    never_raised,
    refused,
    form,
]


def send(word, number, url, **extra):
    """One request of a client that makes up its address, link and agent."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    made_up = {
        "HTTP_X_FORWARDED_FOR": f"6.6.{number % 250}.6, 2001:db8::{number:x}",
        "HTTP_REFERER": "http://testserver/",
        "HTTP_USER_AGENT": word,
    }
    return client.generic(extra.pop("method", "GET"), url, **{**made_up, **extra})


def of_view(view):
    def flood(word, number):
        send(word, number, f"/{view.__name__}/{word}/")

    return flood


def csrf_failures(word, number):
    headers = ({"HTTP_ORIGIN": word}, {"HTTP_ORIGIN": f"https://{word}.example"}, {})
    send(word, number, f"/form/{word}/", method="POST", **headers[number % 3])


def own_origins(word, number):
    """At most one bug for each route."""
    origin = {"HTTP_ORIGIN": "https://testserver"}
    route = VIEWS[number % len(VIEWS)].__name__
    send(word, number, f"/{route}/{word}/", method="POST", **origin)


def dead_links(word, number):
    send(word, number, f"/{word}/{number}/")


def bad_requests(word, number):
    send(word, number, f"/refused/{'x' * number}/")


def foreign_hosts(word, number):
    send(word, number, "/", HTTP_HOST=f"{word}.example")


FLOODS = {
    **{view.__name__: of_view(view) for view in VIEWS[:-2]},
    "csrf_failures": csrf_failures,
    "own_origins": own_origins,
    "dead_links": dead_links,
    "bad_requests": bad_requests,
    "foreign_hosts": foreign_hosts,
}


@pytest.fixture
def site(settings, configure, writer_thread):
    module = types.ModuleType("urls_of_a_flooded_site")
    module.urlpatterns = [
        path("the/crash/", crash),
        *(path(f"{view.__name__}/<str:word>/", view) for view in VIEWS),
    ]
    settings.ROOT_URLCONF = module
    configure(TRUSTED_PROXIES=1)
    handler = ErrorLogHandler()
    log.addHandler(handler)
    # The budgets are of a minute: it must not end in the middle.
    if time.time() % 60 > 52:
        time.sleep(61 - time.time() % 60)
    yield writer_thread
    log.removeHandler(handler)


def assert_crash_is_handled():
    """The crash is stored whole, is a bug of its own, and is filed."""
    row = ErrorLog.objects.get(exception_type__endswith="RealCrash")
    assert row.stacktrace[0]["frames"]
    assert row.request_data["headers"]
    assert "the project's own" in row.traceback
    assert_filed(KnownBug.objects.get(title__contains="RealCrash"))


def assert_filed(bug):
    states = set(bug.filings.values_list("state", flat=True))
    assert states
    assert states <= {Filing.State.FILED, Filing.State.LOCAL}


def assert_counted(expected):
    totals = [
        model.objects.aggregate(total=Sum(field))["total"]
        for model, field in (
            (ErrorGroup, "times_seen"),
            (ErrorLog, "occurrences"),
            (HourlyCount, "count"),
            (DailyCount, "count"),
            (HourlyTotal, "count"),
        )
    ]
    assert totals == [expected] * 5


@pytest.mark.parametrize("name", FLOODS)
def test_crash_in_a_flood_is_a_bug_and_filed(site, name):
    for number, word in enumerate(WORDS[:REQUESTS]):
        FLOODS[name](word, number)
    send("", 0, "/the/crash/")
    assert error_tracking.flush(30)
    assert_crash_is_handled()
    assert_counted(REQUESTS + 1)


def test_crash_in_all_floods_at_once_is_a_bug_and_filed(site):
    for number, word in enumerate(WORDS[:REQUESTS]):
        for flood in FLOODS.values():
            flood(word, number)
    send("", 0, "/the/crash/")
    assert error_tracking.flush(60)
    assert_crash_is_handled()
    assert_counted(REQUESTS * len(FLOODS) + 1)
    for kind in Kind:
        # One more for all places, and one for each that overflowed.
        most = QUOTAS[kind].new_groups + len(VIEWS) + 1
        assert ErrorGroup.objects.of_kind(kind).count() <= most


@pytest.mark.parametrize(
    "name", ["class_of_the_client", "never_raised", "log_line", "message"]
)
def test_one_place_is_few_groups_and_says_that_there_were_more(site, name):
    for number, word in enumerate(WORDS[:REQUESTS]):
        FLOODS[name](word, number)
    assert error_tracking.flush(30)
    assert ErrorGroup.objects.count() == CLASSES_PER_PLACE + 1
    shared = ErrorGroup.objects.get(title__startswith="Too many new errors at once in")
    assert shared.times_seen == REQUESTS - CLASSES_PER_PLACE
    assert not any(word in shared.title for word in WORDS[:REQUESTS])


@pytest.mark.parametrize("name", ["csrf_failures", "dead_links", "foreign_hosts"])
def test_what_one_stranger_sends_is_no_bug(site, name, monkeypatch):
    monkeypatch.setattr("error_tracking.bugs.sweep.note_spikes", list)
    for number, word in enumerate(WORDS[:REQUESTS]):
        FLOODS[name](word, number)
    assert error_tracking.flush(30)
    assert not KnownBug.objects.exists()
    assert ErrorGroup.objects.count() <= 3


def test_forms_of_this_site_are_one_bug_for_each_route(site):
    for number, word in enumerate(WORDS[:REQUESTS]):
        own_origins(word, number)
    assert error_tracking.flush(30)
    bugs = KnownBug.objects.filter(title__startswith="CSRF failure on")
    assert bugs.count() == ErrorGroup.objects.count() == len(VIEWS)


@pytest.mark.parametrize("name", ["own_origins", "class_of_the_client", "log_line"])
def test_first_refused_request_is_a_bug_within_the_minute_where_all_are(
    site, configure, name
):
    """Each kind keeps a guaranteed minimum, crashes do not take it."""
    configure(CLIENT_ERROR_BUGS="all")
    for number, word in enumerate(WORDS[:REQUESTS]):
        FLOODS[name](word, number)
    send("", 0, "/refused/abc/")
    assert error_tracking.flush(30)
    bug = KnownBug.objects.get(title="HTTP 403 on /refused/{word}/")
    assert_filed(bug)


def test_kinds_are_stored_whole_within_their_shares(site, configure):
    """What waits in the journal stays small, so a crash never waits long behind it."""
    configure(EVENTS_PER_MINUTE=1_000, AUTO_CREATE_BUGS=False)
    for number, word in enumerate(WORDS[: QUOTAS[Kind.REFUSED].whole + 60]):
        dead_links(word, number)
    for number in range(30):
        send("", number, "/the/crash/")
    assert error_tracking.flush(30)
    crashes = ErrorLog.objects.filter(error_type="exception")
    assert (crashes.count(), crashes.filter(traceback="").count()) == (30, 0)
    refused_rows = ErrorLog.objects.exclude(error_type="exception")
    assert refused_rows.count() == QUOTAS[Kind.REFUSED].whole
    assert worker.get_worker().intake.pending == 0


def test_what_overflows_counts_one_client_once_and_shows_nothing(site, monkeypatch):
    """Else one stranger would be three clients of the group that its requests share."""
    monkeypatch.setattr(budget, "CLASSES_PER_PLACE", 1)
    for length in range(12):
        send("x", 1, f"/refused/{'x' * (length + 2)}/")
    assert error_tracking.flush(30)
    shared = ErrorGroup.objects.get(title__startswith="Too many new errors")
    assert (shared.times_seen, shared.has_evidence) == (11, False)
    assert shared.clients.count() == 1
    assert not KnownBug.objects.exists()
