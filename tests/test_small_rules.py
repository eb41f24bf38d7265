"""Rules of a few lines, each for input that is rare and comes from outside."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import enum
import inspect
import logging
import os
import sys
import types
import uuid
from pathlib import Path

import pytest
from django.contrib.auth.decorators import permission_required
from django.db import OperationalError
from django.http import HttpRequest, StreamingHttpResponse
from django.test import RequestFactory
from django.utils import timezone

import error_tracking
from error_tracking import conf, forks, recorder, strict_settings, testing, utils
from error_tracking.capture import api as capture_api
from error_tracking.capture import context, csrf, frame_locals, noise
from error_tracking.dashboard import relative_time, views
from error_tracking.events.borders import clean_record
from error_tracking.events.code_digest import folder_digest
from error_tracking.events.event import ExceptionInfo, Fold, Frame
from error_tracking.events.redaction import without_values
from error_tracking.events.size_budget import CRASH, Share, Size
from error_tracking.events.time_limits import innermost_module, is_time_limit
from error_tracking.filing import broker, runner
from error_tracking.integrations import celery as celery_signals
from error_tracking.integrations import commands, records
from error_tracking.management.commands import error_tracking_bugs
from error_tracking.management.doctor import State, site_steps
from error_tracking.models import ErrorGroup, ErrorLog, Filing, KnownBug, PullRequest
from error_tracking.models.base import alias_or_default
from error_tracking.pages import negotiation
from error_tracking.recorder import connection as recorder_connection
from error_tracking.recorder import identity, probe, rows, tally
from error_tracking.report.bug_report import BugReport, News
from error_tracking.report.code_places import (
    INNER_PLACES,
    OUTER_PLACES,
    TEMPLATE,
    places_of,
)
from error_tracking.report.known_names import module_path
from error_tracking.report.views import permissions_of
from error_tracking.routers import ErrorTrackingRouter
from error_tracking.scrubbing.scrubber import FILTERED
from error_tracking.setting_rules import LONGEST_TEXT
from error_tracking.trackers.endpoints import Endpoint
from error_tracking.trackers.http import Response
from error_tracking.trackers.webhook import (
    LIMITED,
    LONGEST_REST_SECONDS,
    _answer_of,
    _message_id,
    _retry_after,
)
from error_tracking.utils import named_arguments, subscriber_of

from .factories import make_event, raised


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"IN_APP": ["x" * (LONGEST_TEXT + 1)]}, "has an item of"),
            ({"IN_APP": ["shop", " "]}, "has an empty item"),
            ({"SITE": {"name": "x" * (LONGEST_TEXT + 1)}}, "characters"),
            ({"SITE": {"colour": "red"}}, "has an unknown key 'colour'"),
            ({"SITE": {"zzqqxx": "red"}}, "has an unknown key 'zzqqxx'"),
            ({"SITE": {"color": "red"}}, "is 'red'"),
            ({"HEALTH_TOKEN": "short"}, "can be guessed"),
            ({"HEALTH_TOKEN": "a token with spaces in it, long"}, "header"),
            ({"SITE_URL": "https://shop.example:many"}, "SITE_URL"),
            ({"SITE_URL": "https://[shop"}, "SITE_URL"),
        ],
    )
    def test_wrong_value_is_reported(self, values, words):
        [problem] = conf.read(values).problems
        assert words in problem.message
        assert problem.remedy

    def test_token_of_a_variable_that_is_not_set_is_no_mistake(self):
        assert conf.read({"GITHUB_TOKEN": ""}).problems == ()


class Colour(enum.Enum):
    RED = 1


class TestPlaceOfTheSettings:
    """Two processes share a folder for journals if their database settings are equal."""

    @pytest.mark.parametrize(
        ("value", "plain"),
        [
            (None, None),
            (7, "7"),
            (Path("/srv/shop"), "/srv/shop"),
            (b"\x01\xff", "01ff"),
            (Colour.RED, "RED"),
            (len, "builtins.len"),
            ({"b", "a"}, ["a", "b"]),
            ((1, [2]), ["1", ["2"]]),
        ],
    )
    def test_each_value_is_the_same_text_in_each_process(self, value, plain):
        assert identity._plain(value) == plain

    def test_object_whose_text_has_its_address_counts_by_its_class(self):
        assert identity._plain(object()) == identity._plain(object())


class TestSentences:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"stored_at": None}, "has stored nothing yet"),
            ({"lost": 1234}, "1,234 events lost in 30 days"),
            ({"waiting_bytes": 2048}, "in the journals of this server"),
            ({}, "everything is stored"),
        ],
    )
    def test_dashboard_says_whether_everything_is_stored(self, values, words):
        state = {
            "pending": 0,
            "is_durable": True,
            "is_leader": True,
            "away_seconds": 0.0,
            "waiting_bytes": 0,
            "lost": 0,
            "at_risk": 0,
            "failures": 0,
            "processes": 1,
            "stored_at": timezone.now(),
            "problems": (),
        }
        assert words in views._recorder_text(recorder.Health(**{**state, **values}))


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "subscriber"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::"),
            ("2001:db8:0:0:ffff::1", "2001:db8::"),
            # 6to4 and Teredo: a whole network for whoever has one IPv4 address.
            ("2002:c000:0207::1", "192.0.2.7"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdf8", "192.0.2.7"),
            (" unknown ", "unknown"),
        ],
    )
    def test_one_subscriber_counts_once(self, address, subscriber):
        assert subscriber_of(address) == subscriber

    def test_what_is_no_address_is_cut(self):
        assert len(subscriber_of("x" * 1_000)) == utils.ADDRESS_CHARS


class TestArguments:
    def test_have_the_names_of_the_function(self):
        assert named_arguments(lambda a, b=2: None, (1,), {"b": 3}) == {"a": 1, "b": 3}

    @pytest.mark.parametrize("function", [lambda: None, dict.fromkeys, 5])
    def test_that_do_not_fit_are_shown_as_they_are(self, function):
        """That they do not may be why the call failed."""
        given = {"args": (1, 2, 3, 4), "kwargs": {"b": 3}}
        assert named_arguments(function, *given.values()) == given


class TestVariables:
    def test_body_of_a_class_is_not_read(self):
        """Its namespace may be an object of the project's, which reading would wake."""
        frames = []

        class Till:
            frames.append(__import__("sys")._getframe())
            coins = 3

        assert frame_locals._variables_of(frames[0]) == {}

    def test_proxy_of_newer_pythons_is_read(self):
        code = types.SimpleNamespace(co_flags=inspect.CO_OPTIMIZED, co_name="pay")
        proxy = types.MappingProxyType({"coins": 3})
        frame = types.SimpleNamespace(f_code=code, f_locals=proxy)
        assert frame_locals._variables_of(frame) == {"coins": 3}

    def test_first_variables_are_kept(self):
        code = types.SimpleNamespace(co_flags=inspect.CO_OPTIMIZED, co_name="pay")
        values = {f"coin_{number}": number for number in range(99)}
        frame = types.SimpleNamespace(
            f_code=code, f_locals=values, f_globals={}, f_back=None
        )
        share = Share(CRASH.request)
        kept = frame_locals.locals_of(frame, conf.get_scrubber(), None, share)
        assert list(kept) == list(values)[: frame_locals.VARIABLES]

    def test_namespace_of_the_projects_own_is_not_read(self):
        class Namespace:
            def items(self):
                raise AssertionError("it was asked")

        code = types.SimpleNamespace(co_flags=0, co_name="<module>")
        frame = types.SimpleNamespace(f_code=code, f_locals=Namespace())
        assert frame_locals._variables_of(frame) == {}


class TestWebhookAnswers:
    @staticmethod
    def response(status=400, data=None, **headers):
        return Response(status=status, headers=headers, data=data)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            ({"description": "chat not found"}, "chat not found"),
            ({"error": {"message": "no such space"}}, "no such space"),
            ({"message": "bad\ntoken"}, "bad token"),
            ({"error": 7}, ""),
            (["x"], ""),
            (None, ""),
        ],
    )
    def test_reason_of_a_service_is_found(self, data, reason):
        assert _answer_of(self.response(data=data)) == reason

    @pytest.mark.parametrize(
        ("status", "data", "seconds"),
        [
            (LIMITED, {"retry_after": 1.5}, 1.5),
            (LIMITED, {"parameters": {"retry_after": 7}}, 7.0),
            (LIMITED, {"retry_after": True}, None),
            (LIMITED, {"retry_after": "soon"}, None),
            (LIMITED, {"retry_after": float("nan")}, None),
            (LIMITED, {"retry_after": -1}, None),
            (LIMITED, {"retry_after": LONGEST_REST_SECONDS + 1}, None),
            (LIMITED, ["x"], None),
            (500, {"retry_after": 7}, None),
        ],
    )
    def test_rest_that_a_service_asks_for_is_kept_if_it_makes_sense(
        self, status, data, seconds
    ):
        assert _retry_after(self.response(status, data)) == seconds

    def test_address_that_is_none_has_no_host(self):
        assert Endpoint("chat", "WEBHOOKS[0]", "https://[chat").host == ""


class TestTwins:
    """An event that is stored in the place of one that no database takes."""

    def test_unknown_kind_and_level_become_known_ones(self):
        event = make_event(error_type="nonsense", level="nonsense", ip_address="x")
        twin = probe.harmless(event)
        assert (twin.error_type, twin.level) == (probe.KINDS[0], probe.LEVELS[0])
        assert twin.ip_address != "x"
        assert probe.harmless(make_event(status_code=99_999)).status_code == 0

    def test_identity_that_is_none_becomes_one(self):
        fold = dataclasses.replace(Fold.of(make_event()), event_id="nonsense")
        assert uuid.UUID(probe.harmless(fold).event_id)

    def test_stranger_has_rows_of_its_own(self):
        twin = probe.harmless(make_event(client="x" * 200))
        stranger = probe.stranger(twin)
        assert stranger.event_id != twin.event_id
        assert stranger.fingerprint != twin.fingerprint
        assert stranger.client == ""


class TestEarlyCalls:
    """A module of the project may import and call our functions while Django starts."""

    @pytest.mark.parametrize(
        ("name", "answer"),
        [
            ("capture_exception", ""),
            ("capture_message", ""),
            ("error_reference", ""),
            ("flush", True),
            ("set_tag", None),
        ],
    )
    def test_functions_say_that_nothing_was_done(self, monkeypatch, name, answer):
        with monkeypatch.context() as patch:
            patch.setattr(error_tracking.registry, "apps_ready", False)
            function = getattr(error_tracking, name)
            assert function("x") == answer

    def test_function_that_was_imported_early_works_later(self, monkeypatch, outbox):
        with monkeypatch.context() as patch:
            patch.setattr(error_tracking.registry, "apps_ready", False)
            capture_message = error_tracking.capture_message
        capture_message("the till is empty")
        assert [event.message for event in outbox] == ["the till is empty"]

    def test_unknown_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="has no attribute 'caught'"):
            _ = error_tracking.caught


class TestTimeLimits:
    def test_worker_that_gunicorn_ends_is_told_from_other_exits(self, monkeypatch):
        scope = {"__name__": "gunicorn.workers.base"}
        exec("def handle_abort():\n    raise SystemExit(1)", scope)
        aborted = raised(scope["handle_abort"])
        assert not is_time_limit(aborted)
        monkeypatch.setitem(sys.modules, "gunicorn", types.ModuleType("gunicorn"))
        assert is_time_limit(aborted)
        assert not is_time_limit(raised(sys.exit, 1))

    def test_module_that_does_not_count_is_passed_over(self):
        error = raised(int, "x")
        assert innermost_module(error) == raised.__module__
        assert innermost_module(error, besides=raised.__module__) == ""
        assert innermost_module(ValueError()) == ""


class TestPermissions:
    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ("shop.pay", ("shop.pay",)),
            (["shop.pay", "no permission", 3], ("shop.pay",)),
            (7, ()),
        ],
    )
    def test_decorator_names_them(self, asked, found):
        assert permissions_of(permission_required(asked)(lambda request: None)) == found

    def test_closure_that_is_not_filled_yet_names_none(self):
        def view(request):
            return later

        assert permissions_of(view) == ()
        later = permission_required("shop.pay")
        assert permissions_of(view) == ("shop.pay",)


class TestRareValues:
    def test_record_with_named_arguments_is_one_line(self):
        record = logging.LogRecord(
            "shop", logging.INFO, "shop.py", 1, "%(a)s paid", ({"a": "x\ny"},), None
        )
        clean_record(record)
        assert "\n" not in record.getMessage()
        assert record.getMessage().endswith("y paid")
        assert record.args == ()

    @pytest.mark.parametrize(
        ("modules", "place"),
        [
            (["lib", "bill.html"], "bill.html"),
            (["lib", "importlib._bootstrap"], "lib.pay"),
            (["importlib", "importlib._bootstrap"], "importlib._bootstrap.pay"),
            ([], ""),
        ],
    )
    def test_place_of_an_error_without_own_code(self, modules, place):
        frames = tuple(
            Frame(name if name.endswith("html") else "x.py", "", name, "pay", 1)
            for name in modules
        )
        assert ExceptionInfo("ValueError", "", "", frames).place == place

    def test_nothing_is_granted_when_the_time_is_over(self):
        share = Share(Size(100, 100), seconds=-1.0)
        assert share.granted(5) == 0
        assert Share(Size(100, 100)).granted(500) == 100

    def test_folder_without_sources_has_no_digest(self, tmp_path):
        (tmp_path / "notes.pdf").write_text("x")
        assert folder_digest(str(tmp_path)) == ""
        (tmp_path / "views.py").write_text("x = 1")
        assert folder_digest(str(tmp_path))

    def test_message_of_a_webhook_has_the_number_of_its_news(self):
        report = BugReport(bug_id="B-1", uuid="u", title="x")
        assert _message_id(report, "new") == "msg_u_new_0"
        again = dataclasses.replace(report, news=(News(7, "regressed"),))
        assert _message_id(again, "regressed") == "msg_u_regressed_7"


class TestRedaction:
    def test_value_goes_as_a_word_and_stays_in_other_words(self):
        frame = Frame("shop.py", "/srv/shop.py", "shop", "pay", 1)
        event = make_event(
            message="xabc123 abc123, abc1234",
            exceptions=(ExceptionInfo("ValueError", "", "no abc123", (frame,)),),
        )
        found = without_values(event, {"abc123"})
        assert found.message == f"xabc123 {FILTERED}, abc1234"
        [info] = found.exceptions
        assert info.message == f"no {FILTERED}"
        assert info.frames == (frame,)


class TestPlacesOfCode:
    def frame(self, name, **values):
        return {"module": "shop", "filename": "shop.py", "function": name, **values}

    def test_template_is_a_place_with_its_text(self, tmp_path):
        path = tmp_path / "bill.html"
        path.write_text("{{ sum }}")
        frame = {"module": "bill.html", "filename": "bill.html", "abs_path": str(path)}
        [place] = places_of([frame])
        assert place[:2] == (TEMPLATE, "bill.html")
        assert place[2]
        path.unlink()
        [gone] = places_of([frame])
        assert gone[2] == ""

    def test_outermost_and_innermost_are_kept_and_each_once(self):
        count = OUTER_PLACES + INNER_PLACES
        names = [f"step_{number}" for number in range(count + 3)]
        places = places_of([self.frame(name) for name in [names[0], *names]])
        found = [place[1] for place in places]
        assert found == names[:OUTER_PLACES] + names[-INNER_PLACES:]

    def test_file_of_an_object_is_that_of_the_module_that_has_it(self):
        assert module_path(f"{__name__}.Colour.RED") == __file__
        assert module_path("no_such_module.name") == ""
        assert module_path("sys") == ""


class TestDoctor:
    def test_steps_without_the_system_checks_are_skipped(self):
        for step in (site_steps.check_middleware, site_steps.check_mail):
            assert step(None).state == State.SKIP

    @pytest.mark.parametrize("admin", [("Ada", "ada@example.org"), "ada@example.org"])
    def test_admin_is_known_by_the_address_in_each_django(self, admin):
        assert site_steps._address_of(admin) == "ada@example.org"

    def test_site_whose_admin_has_no_bugs_is_told(self, monkeypatch):
        monkeypatch.setattr(
            site_steps.links, "site_url", lambda: "https://shop.example"
        )
        monkeypatch.setattr(site_steps.links, "admin_url", lambda page: "")
        answer = site_steps.check_links()
        assert answer.state == State.WARN
        assert "no page of a bug can be linked" in answer.found


class TestProcesses:
    def test_child_whose_fork_python_did_not_see_starts_anew_once(self, monkeypatch):
        calls = []
        monkeypatch.setattr(forks, "_resets", [lambda: calls.append(os.getpid())])
        monkeypatch.setattr(forks, "_owner_pid", os.getpid() + 1)
        forks.check()
        forks.check()
        assert calls == [os.getpid()]
        assert forks._owner_pid == os.getpid()

    def test_lock_that_a_thread_of_the_parent_held_is_another_one(self, monkeypatch):
        monkeypatch.setattr(forks, "_resets", [])
        before = forks._lock
        monkeypatch.setattr(forks, "_lock", before)
        forks._after_python_fork()
        assert forks._lock is not before


class TestRows:
    def test_rows_name_themselves(self):
        filing = Filing(bug=KnownBug(), tracker="mail", state=Filing.State.FAILED)
        assert str(filing) == f"mail: {Filing.State.FAILED.label}"

    def test_key_of_a_user_that_is_none_is_left_out(self):
        """It comes from a session, which a visitor may have."""
        assert rows._user_pk("") is None
        assert rows._user_pk("not a number") is None
        assert rows._user_pk("7") == 7

    def test_row_that_ours_refers_to_is_read_where_the_project_has_it(self, configure):
        configure(DATABASE="errors")
        router = ErrorTrackingRouter()
        user = ErrorLog._meta.get_field("user").remote_field.model
        assert router.db_for_read(user, instance=ErrorLog()) == "default"
        assert router.db_for_read(user) is None
        assert router.db_for_read(ErrorGroup) == "errors"
        assert router.db_for_write(ErrorGroup) == "errors"
        assert router.db_for_write(user) is None


class BrokenRouter:
    """A router of the project's that needs what is not there."""

    def db_for_write(self, model, **hints):
        raise LookupError("no tenant")


class LostRouter:
    def db_for_write(self, model, **hints):
        return "nowhere"


class TestRouters:
    def test_router_that_fails_leaves_the_default_database(self, settings):
        settings.DATABASE_ROUTERS = [BrokenRouter()]
        assert alias_or_default(ErrorLog) == "default"
        assert not recorder_connection._project_keeps_connections_open()

    def test_database_that_is_not_configured_has_its_alias_only(self, settings):
        settings.DATABASE_ROUTERS = [LostRouter()]
        assert identity._database() == {"ALIAS": "nowhere"}


class TestPaths:
    def test_service_file_of_the_environment_is_the_one(self):
        assert identity._service_file("/srv/services.conf") == "/srv/services.conf"

    def test_path_of_a_project_without_base_dir_is_whole(self, settings):
        settings.BASE_DIR = None
        assert identity._without_release("/srv/shop/db.conf") == "/srv/shop/db.conf"


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (59, "59 seconds"),
            (60, "1 minute"),
            (24 * 60, "24 minutes"),
            (3_600, "1 hour"),
        ],
    )
    def test_span_is_in_its_largest_unit(self, seconds, text):
        assert relative_time.span_text(dt.timedelta(seconds=seconds)) == text

    @pytest.mark.parametrize(
        ("level", "name"), [(5, "debug"), (15, "debug"), (25, "info"), (60, "fatal")]
    )
    def test_level_of_a_log_line_of_the_projects_own(self, level, name):
        record = logging.LogRecord("shop", level, __file__, 1, "x", (), None)
        assert records._level_of(record) == name

    def test_unknown_level_is_the_least(self):
        assert tally.worst_level("nonsense", "warning") == "warning"
        assert tally.worst_level("warning", "nonsense") == "warning"

    def test_pull_request_is_named_by_its_number(self):
        change = PullRequest(number=7, title="Give change")
        assert str(change) == "#7 Give change"

    def test_manage_py_alone_is_no_command(self):
        call = commands._call_from(["manage.py"])
        assert (call.name, call.arguments, call.is_interactive) == ("", [], False)

    @pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Kiritimati"])
    def test_last_hour_of_all_is_too_far_away_east_of_greenwich(self, settings, zone):
        settings.USE_TZ = False
        settings.TIME_ZONE = zone
        with pytest.raises(argparse.ArgumentTypeError, match="too far away"):
            error_tracking_bugs.date("9999-12-31T23:00+00:00")


class TestRequestThatIsGiven:
    def test_wrapper_of_rest_framework_is_unwrapped(self):
        request = HttpRequest()
        wrapper = types.SimpleNamespace(_request=request)
        assert capture_api._given_or_current(wrapper) is request

    def test_object_that_fails_is_none(self):
        class Hostile:
            @property
            def __dict__(self):
                raise RuntimeError("asleep")

        assert capture_api._given_or_current(Hostile()) is None

    def test_stream_is_no_page_of_django(self):
        assert not csrf.has_django_page(StreamingHttpResponse([b"x"]))


class TestClientErrors:
    @pytest.mark.parametrize(("status", "is_answer"), [(409, True), (500, False)])
    def test_status_of_the_exception_itself_counts(self, status, is_answer):
        class RefusedError(Exception):
            status_code = 404

        error = RefusedError()
        error.status_code = status
        assert noise.is_client_error(error) == is_answer
        assert noise.is_client_error(RefusedError())


class TestGreenlets:
    """gevent and eventlet run requests on the main thread."""

    @pytest.mark.parametrize(("parent", "is_script"), [(None, True), (object(), False)])
    def test_only_the_outermost_is_a_script(self, monkeypatch, parent, is_script):
        current = types.SimpleNamespace(parent=parent)
        library = types.SimpleNamespace(getcurrent=lambda: current)
        monkeypatch.setitem(sys.modules, "greenlet", library)
        assert context._is_script() == is_script


def test_event_of_a_trial_run_is_corrected_where_it_is_collected():
    event, other = make_event(), make_event()
    corrected = dataclasses.replace(event, handled=False)
    with recorder.nothing_stored() as events:
        recorder.submit(other)
        recorder.submit(event)
        recorder.correct(event, corrected)
    assert list(events) == [other, corrected]


def test_exception_of_a_task_that_celery_did_not_replace_is_the_one():
    given = ValueError("of a task that was revoked")
    try:
        raise KeyError
    except KeyError:
        assert celery_signals._raised(given) is given


def test_htmx_shows_html_whatever_it_accepts():
    for headers, is_html in (({"hx-request": "true"}, True), ({}, False)):
        request = RequestFactory().get("/", headers={"accept": "*/*", **headers})
        assert negotiation.names_html(request) == is_html


def test_bytes_in_a_list_of_a_setting_are_read():
    assert list(strict_settings._items_in([b"pin", ["code"]])) == ["pin", "code"]


def test_event_of_a_test_that_stores_events_is_not_in_the_outbox():
    before = list(testing.outbox)
    with testing.recording():
        testing.deliver(make_event())
    assert list(testing.outbox) == before


def test_filing_that_stops_for_a_known_reason_is_one_line(swallowed):
    runner._log_failure(OperationalError("database is locked"))
    [record] = swallowed
    assert record.exc_info is None
    assert "is locked by another process" in record.getMessage()


def test_project_without_celery_has_no_worker_to_wait_for(monkeypatch):
    calls = []
    monkeypatch.setattr(broker, "worker_process_shutdown", None)
    broker.at_worker_shutdown(calls.append)
    assert calls == []
