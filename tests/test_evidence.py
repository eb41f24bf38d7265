"""What the admin shows of one error log and its group, from rows as they are stored."""

from __future__ import annotations

import ast
import json
import shlex

import pytest

from error_tracking.admin import bug_page, evidence
from error_tracking.models import ErrorGroup, ErrorLog

KINDS = ErrorLog.ErrorType


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"exception_type": "builtins.KeyError", "exception_message": "'a'\nmore"},
            "KeyError: 'a'",
        ),
        ({"exception_type": "shop.Closed"}, "Closed"),
        ({"exception_message": "till 7 is empty"}, "till 7 is empty"),
        ({"status_code": 404}, "HTTP 404"),
        ({"error_type": KINDS.MESSAGE}, KINDS.MESSAGE.label),
    ],
)
def test_error_log_is_named_in_one_line(values, expected):
    assert evidence.message_of(ErrorLog(**values)) == expected


def frame(name, **values):
    return {"filename": name, "lineno": 3, "function": "pay", **values}


def test_place_is_the_innermost_frame_of_the_project():
    frames = [frame("shop.py", in_app=True), frame("json.py", in_app=False)]
    log = ErrorLog(stacktrace=[{"type": "ValueError", "frames": frames}])
    assert evidence.location_of(log) == ("shop.py:3 in pay", "")


@pytest.mark.parametrize(
    "stacktrace", [[], [{}], [{"frames": [frame("json.py", in_app=False)]}]]
)
def test_there_is_no_place_without_a_frame_of_the_project(stacktrace):
    assert evidence.location_of(ErrorLog(stacktrace=stacktrace)) == ("", "")


def test_frames_of_libraries_are_folded_and_the_projects_first_is_open():
    frames = [
        frame("shop.py", in_app=True),
        frame("json.py", in_app=False),
        frame("decoder.py", in_app=False),
    ]
    log = ErrorLog(stacktrace=[{"type": "ValueError", "frames": frames}])
    [view] = evidence.exceptions_of(log, shows_variables=True)
    folded, own = view.parts
    assert [each.filename for each in folded.frames] == ["decoder.py", "json.py"]
    assert (own.filename, own.is_open) == ("shop.py", True)


def request(**values):
    values = {"method": "POST", "full_url": "https://shop.example/pay/?a=1", **values}
    return evidence.request_of(ErrorLog(**values))


def arguments_of(client_call):
    """Return method, arguments and keywords of a generated call, as Python reads it."""
    _import, assignment = ast.parse(client_call).body
    call = assignment.value
    arguments = [ast.literal_eval(each) for each in call.args]
    keywords = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    return call.func.attr, arguments, keywords


def test_request_with_json_is_repeated_as_json():
    headers = {"Content-Type": "application/json", "X-Till": "7", "Host": "a.example"}
    found = request(request_data={"headers": headers, "body": {"sum": 1}})
    assert arguments_of(found.client_call) == (
        "post",
        ["/pay/?a=1"],
        {
            "data": {"sum": 1},
            "content_type": "application/json",
            "headers": {"x-till": "7"},
        },
    )
    words = shlex.split(found.curl)
    assert json.loads(words[words.index("--data-raw") + 1]) == {"sum": 1}
    assert words[-1].endswith("/pay/?a=1")


@pytest.mark.parametrize(
    ("body", "sent"), [("plain text", "plain text"), ({"a": ["1", "2"]}, "a=1&a=2")]
)
def test_other_bodies_are_sent_as_text_or_form(body, sent):
    words = shlex.split(request(request_data={"body": body}).curl)
    assert words[words.index("--data-raw") + 1] == sent


def test_method_that_the_client_has_no_function_for_is_sent_too():
    found = request(method="PROPFIND")
    assert arguments_of(found.client_call) == (
        "generic",
        ["PROPFIND", "/pay/?a=1"],
        {},
    )


def test_address_that_is_none_is_sent_to_the_root():
    """Whoever sent the request chose its Host header."""
    found = request(method="GET", full_url="http://[shop/pay/")
    assert arguments_of(found.client_call) == ("get", ["/"], {})


def test_shell_reads_control_characters_as_escapes():
    found = request(method="GET", request_data={"headers": {"X-Till": "a\x1b'\\b"}})
    assert "$'X-Till: a\\x1b\\'\\\\b'" in found.curl
    assert "\x1b" not in found.curl


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 Chrome/120.0 Safari/537.36 Edg/120.0", "Edge"),
        ("Mozilla/5.0 Chrome/120.0 Safari/537.36 OPR/106.0", "Opera"),
        ("Mozilla/5.0 Gecko/20100101 Firefox/121.0", "Firefox"),
        ("Mozilla/5.0 Chrome/120.0 Safari/537.36", "Chrome"),
        ("Mozilla/5.0 Version/17.2 Safari/605.1.15", "Safari"),
        ("python-requests/2.32", "python-requests"),
        ("", ""),
    ],
)
def test_browser_is_named(agent, name):
    assert evidence.browser_of(agent) == name


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"error_type": KINDS.MESSAGE, "message_pattern": "order <n> failed"},
            "Messages that differ in their values only: order <n> failed",
        ),
        ({"error_type": KINDS.MESSAGE, "title": "no till"}, "only: no till"),
        ({"error_type": KINDS.EXCEPTION, "culprit": "shop.pay"}, "line of shop.pay"),
        ({"error_type": KINDS.EXCEPTION}, "in the same place of a library"),
        ({"status_code": 404, "route": "/a/"}, "route: 404 /a/"),
    ],
)
def test_group_says_what_its_events_have_in_common(values, words):
    group = ErrorGroup(**{"error_type": "4xx", "message_pattern": "", **values})
    assert words in bug_page._grouping(group)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"bug_id": 7}, ""),
        ({"verdict_reason": "seen once"}, "seen once"),
        (
            {"environment": "staging"},
            "a process of the environment “staging” decides",
        ),
        ({"environment": "production"}, "not decided yet"),
    ],
)
def test_group_without_a_bug_says_why(values, reason):
    assert bug_page.why_no_bug(ErrorGroup(**values)) == reason
