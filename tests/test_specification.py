"""
The acceptance list of the specification, with the settings that restore it.

``docs/differences.md`` lists what differs otherwise.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from error_tracking import conf
from error_tracking.models import ErrorLog, Filing, KnownBug
from error_tracking.services import BugCreationService, ErrorCaptureService
from tests.github_stub import REPO

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/differences.md").read_text()
#: The block of the specification, pasted as it is.
SPECIFIED = {
    "ENABLED": True,
    "AUTO_CREATE_BUGS": True,
    "BUG_THRESHOLD": 1,
    "GITHUB_REPO": "owner/repo",
    "PLANNING_DIR": "planning/tasks",
    "EXCLUDE_PATHS": ["/health/", "/static/", "/media/"],
    "EXCLUDE_STATUS_CODES": [],
}
#: Addresses of tests.urls that fail, with the status of the response.
FAILURES = {
    "/nowhere/": 404,
    "/missing/": 404,
    "/denied/": 403,
    "/bad/": 400,
    "/suspicious/": 400,
    "/returned/401/": 401,
    "/returned/405/": 405,
    "/returned/418/": 418,
    "/returned/429/": 429,
    "/returned/502/": 502,
    "/returned/503/": 503,
    "/crash/": 500,
    "/nested/": 500,
}


@pytest.fixture
def specified(configure, immediate):
    """The settings that the page gives, with each event stored as it happens."""
    [block] = re.findall(r"```python\nERROR_TRACKING = ({.*?})\n```", PAGE, re.DOTALL)
    restored = ast.literal_eval(block)
    configure(**SPECIFIED, **{k: v for k, v in restored.items() if k not in SPECIFIED})
    configure(GITHUB_REPO=None)


@pytest.fixture
def visitor():
    return Client(raise_request_exception=False)


def test_specified_settings_are_valid(settings):
    settings.ERROR_TRACKING = SPECIFIED
    assert conf.problems() == ()


def test_settings_of_the_page_are_valid_and_have_the_specified_values(settings):
    [block] = re.findall(r"```python\nERROR_TRACKING = ({.*?})\n```", PAGE, re.DOTALL)
    settings.ERROR_TRACKING = restored = ast.literal_eval(block)
    assert conf.problems() == ()
    for name in SPECIFIED.keys() & restored.keys():
        assert restored[name] == SPECIFIED[name]


@pytest.mark.parametrize("debug", [False, True], ids=["production", "development"])
@pytest.mark.parametrize(("path", "status"), FAILURES.items())
def test_every_error_response_is_logged_and_a_bug(
    specified, visitor, settings, path, status, debug
):
    settings.DEBUG = debug
    assert visitor.get(path).status_code == status
    log = ErrorLog.objects.get()
    assert (log.status_code, log.method) == (status, "GET")
    assert log.group.bug.occurrence_count == 1


def test_form_that_django_refuses_is_logged_and_a_bug(specified):
    client = Client(enforce_csrf_checks=True)
    assert client.post("/form/").status_code == 403
    assert ErrorLog.objects.get().error_type == "csrf"
    assert KnownBug.objects.count() == 1


def test_unhandled_exception_is_logged_with_its_traceback(specified, visitor):
    visitor.get("/crash/")
    log = ErrorLog.objects.get()
    assert log.exception_type == "ValueError"
    assert "the pet is gone" in log.exception_message
    assert "Traceback (most recent call last)" in log.traceback


def test_same_error_increments_the_count_and_is_logged_each_time(specified, visitor):
    for number in range(12):
        visitor.get(f"/pets/{number}/")
    bug = KnownBug.objects.get()
    assert bug.occurrence_count == 12
    assert ErrorLog.objects.count() == 12
    assert {*ErrorLog.objects.values_list("fingerprint")} == {(bug.fingerprint,)}


def test_first_occurrence_writes_the_bug_file(specified, visitor, settings):
    visitor.get("/crash/")
    [path] = (Path(settings.BASE_DIR) / "planning/tasks").glob("*.md")
    assert re.fullmatch(r"B-001-[a-z0-9-]+\.md", path.name)
    assert "ValueError" in path.read_text()


def test_first_occurrence_creates_the_issue_with_its_labels(
    specified, visitor, configure, github
):
    configure(GITHUB_REPO=REPO)
    visitor.get("/crash/")
    [issue] = github.issues
    bug = KnownBug.objects.get()
    assert issue["title"].startswith("B-001: ")
    assert {"bug", bug.severity} <= {label["name"] for label in issue["labels"]}
    assert bug.github_issue_number == issue["number"]
    assert bug.github_issue_url == issue["html_url"]


def test_admin_has_a_dashboard_with_stats(specified, visitor, admin_client):
    visitor.get("/crash/")
    logs = admin_client.get(reverse("admin:error_tracking_errorlog_changelist"))
    assert logs.context["error_stats"]["last_24_hours"] == 1
    page = admin_client.get(reverse("admin:error_tracking_dashboard_changelist"))
    assert page.status_code == 200
    assert "B-001" in page.content.decode()


def test_bug_is_created_by_hand_from_an_error_log(
    specified, visitor, admin_client, configure
):
    configure(AUTO_CREATE_BUGS=False)
    visitor.get("/crash/")
    assert not KnownBug.objects.exists()
    log = ErrorLog.objects.get()
    address = reverse("admin:error_tracking_errorlog_changelist")
    data = {"action": "create_bug", ACTION_CHECKBOX_NAME: [log.pk]}
    admin_client.post(address, data)
    bug = KnownBug.objects.get()
    log.group.refresh_from_db()
    assert log.group.bug == bug
    assert Filing.objects.filter(bug=bug, state="filed").exists()


def test_admin_marks_bugs_as_resolved(specified, visitor, admin_client):
    visitor.get("/crash/")
    bug = KnownBug.objects.get()
    address = reverse("admin:error_tracking_knownbug_changelist")
    data = {"action": "mark_resolved", ACTION_CHECKBOX_NAME: [bug.pk]}
    admin_client.post(address, data)
    bug.refresh_from_db()
    assert bug.status == "resolved"
    assert bug.resolved_at is not None


@pytest.mark.parametrize("path", SPECIFIED["EXCLUDE_PATHS"])
def test_excluded_paths_are_not_captured(specified, visitor, path):
    assert visitor.get(f"{path}nowhere/").status_code == 404
    assert not ErrorLog.objects.exists()


def test_services_have_the_specified_methods(specified, rf, settings):
    capture = ErrorCaptureService()
    assert capture.normalize_url("/api/pets/123/") == "/api/pets/{id}/"
    uuid = "0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e"
    assert capture.normalize_url(f"/api/{uuid}/") == "/api/{uuid}/"
    capture.capture_error(rf.get("/nowhere/"), HttpResponse(status=404))
    capture.capture_exception(rf.get("/nowhere/"), ValueError("x"))
    assert ErrorLog.objects.count() == 2
    fingerprint = capture.generate_fingerprint("http_4xx", "/nowhere/", 404)
    assert ErrorLog.objects.filter(fingerprint=fingerprint).exists()
    bugs = BugCreationService()
    number = KnownBug.objects.count() + 1
    assert bugs.get_next_bug_id() == f"B-{number:03}"
    path = bugs.create_bug_file("B-900", {"title": "a title", "severity": "low"})
    assert path.parent == Path(settings.BASE_DIR) / "planning/tasks"
    assert path.name == "B-900-a-title.md"


def test_celery_task_is_bound_and_tried_again_three_times_a_minute_apart():
    from error_tracking.tasks import create_bug_task

    assert create_bug_task.max_retries == 3
    assert create_bug_task.default_retry_delay == 60
