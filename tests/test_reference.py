"""Every failed response names its error: in a header, in the project's own page, and where people search."""

from __future__ import annotations

import re

import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse, JsonResponse

import error_tracking
from error_tracking.models import ErrorGroup, ErrorLog
from tests import urls as site
from tests.test_middleware import FAILURES, send

HEADER = "X-Error-Reference"
REFERENCE = re.compile(r"[0-9a-f]{10}")


def own_500(request):
    """A project's 500 handler, which names the error in its own JSON."""
    return JsonResponse({"code": error_tracking.error_reference(request)}, status=500)


def own_503(request):
    return HttpResponse(error_tracking.error_reference(), status=503)


class Site:
    urlpatterns = site.urlpatterns
    handler500 = staticmethod(own_500)


class SiteWith503:
    urlpatterns = site.urlpatterns
    handler500 = staticmethod(own_503)


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("path", [failure[0] for failure in FAILURES])
def test_failed_response_has_the_reference_of_its_event(outbox, path, is_async):
    response = send(path, is_async=is_async)
    [event] = outbox
    assert response.headers[HEADER] == event.reference
    assert REFERENCE.fullmatch(event.reference)


@pytest.mark.parametrize("path", ["/fine/", "/health/crash/", "/download/"])
def test_response_without_an_event_has_none(outbox, path):
    """EXCLUDE_PATHS has /health/."""
    response = send(path, is_async=False)
    assert HEADER not in response.headers
    assert outbox == []


def test_page_of_ours_and_header_agree(outbox):
    response = send("/crash/", is_async=False, HTTP_ACCEPT="text/html")
    assert outbox[0].reference in response.content.decode()
    assert response.headers[HEADER] == outbox[0].reference


def test_setting_turns_the_header_off(outbox, configure):
    configure(DISABLE=["reference_header"])
    assert HEADER not in send("/crash/", is_async=False).headers
    assert len(outbox) == 1


def test_nothing_is_named_where_nothing_is_captured(outbox, configure):
    configure(ENABLED=False)
    assert HEADER not in send("/crash/", is_async=False).headers
    assert outbox == []


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("path", ["/crash/", "/nested/", "/async/", "/template/"])
def test_handler_of_the_project_names_the_one_event(outbox, settings, path, is_async):
    settings.ROOT_URLCONF = Site
    response = send(path, is_async=is_async)
    [event] = outbox
    assert response.json() == {"code": event.reference}
    assert response.headers[HEADER] == event.reference
    assert (event.status_code, event.handled) == (500, False)


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_handler_that_answers_503_names_it_too(outbox, settings, configure, is_async):
    settings.ROOT_URLCONF = SiteWith503
    configure(ERROR_PAGES=False)
    response = send("/crash/", is_async=is_async)
    [event] = outbox
    assert response.content.decode() == event.reference == response.headers[HEADER]


def test_template_of_the_project_names_it(outbox, settings, tmp_path):
    (tmp_path / "500.html").write_text(
        "{% load error_tracking %}<p>Sorry. Code {% error_reference %}</p>"
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    response = send("/crash/", is_async=False)
    assert response.content.decode() == f"<p>Sorry. Code {outbox[0].reference}</p>"
    assert len(outbox) == 1


def test_outside_of_a_failed_request_there_is_none(rf):
    assert error_tracking.error_reference() == ""
    assert error_tracking.error_reference(rf.get("/")) == ""


@pytest.mark.django_db
def test_folded_event_names_the_row_that_is_stored(immediate, configure):
    configure(EVENTS_PER_MINUTE=1)
    references = {send("/crash/", is_async=False).headers[HEADER] for _ in range(4)}
    stored = set(ErrorLog.objects.values_list("reference", flat=True))
    assert references <= stored
    assert sum(ErrorLog.objects.values_list("occurrences", flat=True)) == 4


@pytest.mark.django_db
class TestFinding:
    def test_command_and_search_box_find_the_bug(self, immediate, admin_client, capsys):
        reference = send("/crash/", is_async=False).headers[HEADER]
        for written in (reference, reference.upper(), f" {reference} "):
            call_command("error_tracking_bugs", "show", written)
            assert "B-001" in capsys.readouterr().out
        found = admin_client.get(
            "/admin/error_tracking/errorlog/", {"q": reference}, follow=True
        )
        assert reference in found.content.decode()

    def test_error_without_a_bug_and_one_that_is_gone_are_told_apart(
        self, immediate, configure
    ):
        configure(AUTO_CREATE_BUGS=False)
        reference = send("/crash/", is_async=False).headers[HEADER]
        assert ErrorGroup.objects.get().bug is None
        with pytest.raises(CommandError, match=f"{reference} belongs to no bug"):
            call_command("error_tracking_bugs", "show", reference)
        with pytest.raises(CommandError, match="No stored error"):
            call_command("error_tracking_bugs", "show", "abcdef0123")
