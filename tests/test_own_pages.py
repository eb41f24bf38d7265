"""Errors of our own pages: counted and answered like others, and a refusal is no bug."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError
from django.urls import ResolverMatch, reverse

from error_tracking.capture import noise
from error_tracking.dashboard import queries
from error_tracking.models import ErrorGroup, ErrorLog, KnownBug
from tests.test_pipeline import assert_counted

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.admin_urls")]

PAGES = ["error_tracking:dashboard", "error_tracking:dashboard_json"]
ADMIN_PAGES = [
    "admin:error_tracking_errorlog_changelist",
    "admin:error_tracking_knownbug_changelist",
    "admin:error_tracking_knownbug_add",
]


def login(client, *permissions):
    user = User.objects.create_user("ada", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    client.raise_request_exception = False
    return client


def broken(*_args, **_kwargs):
    raise DatabaseError("relation does not exist")


@pytest.mark.parametrize("page", PAGES)
def test_own_page_that_fails_is_counted_and_answered_like_any_other(
    client, immediate, monkeypatch, page
):
    monkeypatch.setattr(queries, "look", broken)
    response = login(client, "view_dashboard").get(
        reverse(page), headers={"accept": "text/html"}
    )
    log = ErrorLog.objects.get()
    assert (response.status_code, log.exception_type) == (
        500,
        "django.db.utils.DatabaseError",
    )
    assert log.reference.encode() in response.content
    assert KnownBug.objects.count() == 1


def test_own_admin_page_that_fails_is_counted_and_answered_like_any_other(
    client, immediate, monkeypatch
):
    monkeypatch.setattr(queries, "error_stats", broken)
    response = login(client, "view_errorlog").get(
        reverse(ADMIN_PAGES[0]), headers={"accept": "text/html"}
    )
    assert response.status_code == 500
    assert ErrorLog.objects.get().reference.encode() in response.content


@pytest.mark.django_db(transaction=True)
def test_own_page_that_keeps_failing_is_no_storm(client, writer_thread, monkeypatch):
    from error_tracking import flush

    monkeypatch.setattr(queries, "look", broken)
    login(client, "view_dashboard")
    for _ in range(60):
        client.get(reverse(PAGES[0]))
    assert flush(10)
    assert_counted(60)
    # Eleven logs a minute are stored; the test may run across the end of one or two.
    assert ErrorLog.objects.count() <= 33
    assert KnownBug.objects.count() == 1


@pytest.mark.parametrize("rule", ["evidence", "all"])
@pytest.mark.parametrize("page", [*PAGES, *ADMIN_PAGES])
def test_staff_without_the_permission_is_no_bug(
    client, immediate, configure, page, rule
):
    configure(CLIENT_ERROR_BUGS=rule)
    address = reverse(page)
    response = login(client).get(
        address,
        headers={"referer": f"http://testserver{address}", "accept": "text/html"},
    )
    assert response.status_code == 403
    group = ErrorGroup.objects.get()
    assert group.title == "HTTP 403 on error_tracking's own pages"
    assert "own pages" in group.verdict_reason
    assert (group.bug, KnownBug.objects.count()) == (None, 0)
    reference = ErrorLog.objects.get().reference
    if "json" not in page:  # a body of our own view is not replaced
        assert reference.encode() in response.content


@pytest.mark.parametrize("status", [400, 404, 405])
def test_no_refusal_of_an_own_page_is_a_bug(client, immediate, configure, status):
    configure(CLIENT_ERROR_BUGS="all")
    login(client, "view_errorlog", "view_dashboard")
    if status == 400:
        address = reverse(ADMIN_PAGES[0]) + "?user__password__startswith=x"
        response = client.get(address)
    elif status == 404:
        # Somebody without any of our permissions: the admin hides that we are there.
        User.objects.get().user_permissions.clear()
        response = client.get(reverse("admin:app_list", args=["error_tracking"]))
    else:
        response = client.post(reverse(PAGES[0]))
    assert response.status_code == status
    assert ErrorGroup.objects.get().bug is None
    assert not KnownBug.objects.exists()


def match(name, *app_names, **kwargs):
    return ResolverMatch(
        lambda request: None, (), kwargs, url_name=name, app_names=list(app_names)
    )


@pytest.mark.parametrize(
    ("found", "is_own"),
    [
        (match("dashboard", "error_tracking"), True),
        (match("dashboard", "shop", "error_tracking"), True),
        (match("error_tracking_errorlog_change", "admin"), True),
        (match("app_list", "admin", app_label="error_tracking"), True),
        (match("app_list", "admin", app_label="shop"), False),
        (match("error_tracking_extra_thing_change", "admin"), False),
        (match("error_tracking_errorlog_change", "shop"), False),
        (match("dashboard", "shop"), False),
        (None, False),
    ],
)
def test_own_pages_are_told_from_similar_ones(found, is_own):
    assert noise.is_own_page(found) is is_own
