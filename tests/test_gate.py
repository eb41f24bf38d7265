"""Which groups become bugs: incidents, allowances, spikes, storms of noise."""

from __future__ import annotations

import datetime as dt
import random
import string

import django
import pytest
from django.core.mail import EmailMessage
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from error_tracking import health
from error_tracking.bugs import gate, incidents, sweep
from error_tracking.bugs.opening import open_bug
from error_tracking.bugs.public_states import public_states
from error_tracking.bugs.spikes import note_spikes
from error_tracking.dashboard import queries
from error_tracking.events.event import (
    CLIENT_ERROR,
    CSRF,
    EXCEPTION,
    MESSAGE,
    ExceptionInfo,
    Fold,
    Frame,
)
from error_tracking.events.kinds import QUOTAS, Kind
from error_tracking.filing import allowance, outbox, runner, waiting
from error_tracking.models import ErrorGroup, Filing, GroupClient, KnownBug, Sequence
from error_tracking.recorder import store
from error_tracking.report.builder import build_report
from error_tracking.services import BugCreationService
from error_tracking.trackers.memory import MemoryTracker
from error_tracking.utils import hour_of
from tests.factories import make_event, raised

# Pairs until Django 6.0, which wants addresses.
ADMINS = (
    ["ann@example.com"] if django.VERSION >= (6, 0) else [("Ann", "ann@example.com")]
)


def frame(place, *, in_app):
    module, _, function = place.rpartition(".")
    return Frame(f"{module}.py", f"/{module}.py", module, function, 1, in_app=in_app)


def outage(
    view,
    kind="OperationalError",
    module="psycopg",
    place="psycopg.connection.connect",
    **values,
):
    """An event of *view*, in which a library could not reach something."""
    frames = (
        frame(f"shop.views.{view}", in_app=True),
        frame(place, in_app=place.startswith("shop.")),
    )
    raised = ExceptionInfo(kind, module, "refused", frames)
    fingerprint = f"{view}{kind}".encode().hex().ljust(32, "0")[:32]
    culprit = f"shop.views.{view}"
    return make_event(
        fingerprint=fingerprint,
        exceptions=(raised,),
        culprit=culprit,
        title=f"{kind} in {culprit}",
        **values,
    )


def let_time_pass(**by):
    """Make all groups and bugs older."""
    for model in (ErrorGroup, KnownBug):
        for row in model._base_manager.all():
            model._base_manager.filter(pk=row.pk).update(
                created=row.created - dt.timedelta(**by)
            )


def fail():
    try:
        int("x")
    except ValueError as error:
        raise RuntimeError("no") from error


@pytest.mark.django_db
class TestIncident:
    def test_many_groups_with_one_cause_are_one_bug(self):
        store.store([outage(f"v{n}") for n in range(12)])
        gate.sweep()
        let_time_pass(seconds=11)
        gate.sweep()
        [bug] = KnownBug.objects.all()
        assert (bug.kind, bug.severity, bug.groups.count(), bug.occurrence_count) == (
            "incident",
            "critical",
            12,
            12,
        )
        assert (
            bug.title
            == "Incident: psycopg.OperationalError in psycopg.connection.connect"
        )
        store.store([outage("v99"), outage("v98")])
        gate.sweep()
        bug.refresh_from_db()
        assert (KnownBug.objects.count(), bug.groups.count(), bug.occurrence_count) == (
            1,
            14,
            14,
        )

    def test_first_sign_of_an_outage_waits_ten_seconds_and_says_so(self):
        store.store([outage("pay")])
        assert gate.sweep().has_more
        group = ErrorGroup.objects.get()
        assert (group.bug, group.verdict_reason) == (None, incidents.HELD_REASON)
        let_time_pass(seconds=11)
        assert not gate.sweep().has_more
        assert KnownBug.objects.get().kind == "error"

    def test_errors_of_the_site_s_own_code_wait_for_nothing(self):
        store.store([outage("pay", place="shop.views.pay")])
        assert not gate.sweep().has_more
        assert KnownBug.objects.count() == 1

    def test_young_bugs_of_an_outage_become_one(self):
        for n in range(4):
            store.store(
                [outage(f"v{n}", "ValueError", "builtins", "shop.prices.price")]
            )
            gate.sweep()
        assert KnownBug.objects.unresolved().count() == 4
        KnownBug.objects.get(number=4).start(by="ada")
        store.store([outage("v5", "ValueError", "builtins", "shop.prices.price")])
        gate.sweep()
        incident = KnownBug.objects.get(number=1)
        assert (incident.kind, incident.groups.count()) == ("incident", 4)
        assert sorted(
            KnownBug.objects.filter(merged_into=incident).values_list(
                "number", flat=True
            )
        ) == [2, 3]
        assert KnownBug.objects.get(number=4).groups.count() == 1, (
            "what somebody works on is left alone"
        )
        assert sum(KnownBug.objects.values_list("occurrence_count", flat=True)) == 5

    def test_severity_that_a_person_has_set_stays_when_a_bug_becomes_an_incident(self):
        for n in range(5):
            store.store(
                [outage(f"v{n}", "ValueError", "builtins", "shop.prices.price")]
            )
            gate.sweep()
            KnownBug.objects.filter(number=1, kind="error").update(
                severity="low", has_manual_severity=True
            )
        incident = KnownBug.objects.get(number=1)
        assert (incident.kind, incident.severity) == ("incident", "low")

    def test_different_causes_stay_apart(self):
        store.store(
            [outage(f"v{n}", place=f"library.module.function_{n}") for n in range(8)]
        )
        gate.sweep()
        let_time_pass(seconds=11)
        gate.sweep()
        assert KnownBug.objects.filter(kind="error").count() == 8

    def test_same_cause_spread_over_hours_is_no_incident(self):
        now = timezone.now().timestamp()
        store.store([outage(f"v{n}", timestamp=now - 3_600 * n) for n in range(8)])
        let_time_pass(seconds=11)
        gate.sweep()
        assert not KnownBug.objects.filter(kind="incident").exists()

    def test_incident_that_is_over_takes_no_new_groups(self):
        store.store([outage(f"v{n}") for n in range(6)])
        let_time_pass(seconds=11)
        gate.sweep()
        KnownBug.objects.get().resolve(by="ada")
        store.store([outage("late")])
        let_time_pass(minutes=20)
        ErrorGroup.objects.exclude(bug=None).update(
            first_seen=timezone.now() - dt.timedelta(hours=1)
        )
        gate.sweep()
        assert [bug.kind for bug in KnownBug.objects.order_by("number")] == [
            "incident",
            "error",
        ]

    def test_explicit_cause_is_the_cause(self):
        inner = ExceptionInfo(
            "gaierror",
            "socket",
            "",
            (frame("socket.getaddrinfo", in_app=False),),
            "cause",
        )
        outer = ExceptionInfo(
            "PaymentError", "shop.errors", "", (frame("shop.pay.charge", in_app=True),)
        )
        assert (
            make_event(exceptions=(outer, inner)).cause
            == "socket.gaierror in socket.getaddrinfo"
        )
        handled = ExceptionInfo(
            "KeyError", "builtins", "", (frame("shop.x.y", in_app=True),), "context"
        )
        assert (
            make_event(exceptions=(outer, handled)).cause
            == "shop.errors.PaymentError in shop.pay.charge"
        )
        assert make_event().cause == ""

    def test_what_a_library_raises_for_many_reasons_is_no_cause(self):
        """Five forms without a field are five bugs."""
        assert (
            outage(
                "v",
                "MultiValueDictKeyError",
                "django.utils.datastructures",
                "django.utils.x.get",
            ).cause
            == ""
        )
        for kind in (
            "OperationalError",
            "ConnectionRefusedError",
            "ReadTimeout",
            "gaierror",
            "TimeoutError",
        ):
            assert outage("v", kind, "lib", "lib.x.y").cause == f"lib.{kind} in lib.x.y"

    def test_cause_of_a_real_error_is_stored(self, immediate):
        from error_tracking import capture_exception

        capture_exception(raised(fail))
        assert ErrorGroup.objects.get().cause == "ValueError in tests.test_gate.fail"


@pytest.mark.django_db
class TestAllowance:
    @pytest.fixture
    def tracker(self):
        return MemoryTracker()

    def bugs(self, count, **values):
        start = ErrorGroup.objects.count()
        for n in range(start, start + count):
            place = {"culprit": f"shop.v{n}", "route": f"/v{n}/"}
            if values.get("error_type", EXCEPTION) != EXCEPTION:
                place["culprit"] = ""
            store.store([make_event(fingerprint=f"{n:032x}", **{**place, **values})])
            bug, _ = open_bug(ErrorGroup.objects.get(fingerprint=f"{n:032x}"))
            Filing.objects.filter(bug=bug).delete()
            Filing.objects.request_for(bug, ["memory"])
        return KnownBug.objects.order_by("number")

    def file_all(self, tracker):
        service = BugCreationService(trackers_by_name={"memory": tracker})
        rows = runner.due().urgent_first()
        return [service.file(pk) for pk in rows.values_list("bug_id", flat=True)]

    def test_twenty_are_filed_in_an_hour_and_the_rest_goes_on_by_itself(self, tracker):
        self.bugs(25)
        self.file_all(tracker)
        assert len(tracker.reports) == 20
        paused = Filing.objects.filter(state="paused")
        assert paused.count() == 5
        assert paused[0].reason.startswith(
            "paused: 20 bugs were filed in this hour; continues at "
        )
        assert not runner.due().exists()
        paused.update(next_attempt_at=timezone.now())
        Sequence.objects.filter(name__startswith="filed:").delete()  # an hour later
        self.file_all(tracker)
        assert len(tracker.reports) == 25
        assert not Filing.objects.filter(state="paused").exists()

    def test_crash_never_waits_behind_refused_requests(self, tracker):
        self.bugs(12, error_type=CLIENT_ERROR, status_code=404)
        self.file_all(tracker)
        assert len(tracker.reports) == 5
        self.bugs(3)
        self.file_all(tracker)
        assert [report.error_type for report in tracker.reports[5:]] == [
            "exception"
        ] * 3

    @pytest.mark.parametrize("kind", [*Kind][1:])
    def test_no_kind_takes_the_crashes_allowance(self, tracker, kind):
        values = {
            Kind.LIBRARY: {"culprit": ""},
            Kind.MESSAGE: {"error_type": MESSAGE, "level": "fatal"},
            Kind.CSRF: {"error_type": CSRF, "status_code": 403},
            Kind.REFUSED: {"error_type": CLIENT_ERROR, "status_code": 404},
        }
        self.bugs(30, **values[kind])
        self.bugs(20)
        self.file_all(tracker)
        filed = Filing.objects.exclude(state="paused")
        assert filed.filter(bug__number__gt=30).count() == 20
        assert filed.filter(bug__number__lte=30).count() == QUOTAS[kind].filed_per_hour

    def test_one_place_leaves_half_of_the_allowance_to_others(self, tracker):
        """A function whose exceptions have a visitor's words in their class, say."""
        self.bugs(40, culprit="shop.pay")
        self.file_all(tracker)
        assert len(tracker.reports) == 11
        paused = Filing.objects.filter(state="paused").first()
        assert paused.reason.startswith("paused: 10 bugs of places with several were")
        self.bugs(9)
        self.file_all(tracker)
        assert len(tracker.reports) == 20

    def test_bug_is_of_the_first_kind_of_its_groups(self):
        [bug] = self.bugs(1, error_type=MESSAGE)
        assert allowance.kind_of_bug(bug) is Kind.MESSAGE
        store.store([make_event(fingerprint="c" * 32)])
        bug.add_group(ErrorGroup.objects.get(fingerprint="c" * 32))
        assert allowance.kind_of_bug(bug) is Kind.CRASH
        assert allowance.kind_of_bug(KnownBug.objects.create(title="by hand")) is (
            Kind.CRASH
        )

    def test_crash_is_filed_before_a_message_that_calls_itself_critical(self, tracker):
        self.bugs(2, error_type=MESSAGE, level="fatal")
        self.bugs(1)
        self.file_all(tracker)
        assert [report.error_type for report in tracker.reports] == [
            "exception",
            "message",
            "message",
        ]

    def test_worst_is_filed_first(self, tracker):
        self.bugs(2, error_type=CSRF, status_code=403)
        self.bugs(2)
        self.bugs(1, level="fatal")
        self.file_all(tracker)
        assert [report.severity for report in tracker.reports] == [
            "critical",
            "high",
            "high",
            "medium",
            "medium",
        ]

    def test_day_has_a_bound_too(self, tracker, monkeypatch):
        monkeypatch.setitem(allowance.PER_DAY, "crash", 3)
        self.bugs(5)
        self.file_all(tracker)
        assert len(tracker.reports) == 3
        row = Filing.objects.filter(state="paused").first()
        assert "3 bugs were filed in this day" in row.reason
        assert row.next_attempt_at.hour == 0

    def test_what_was_begun_is_finished_beyond_the_allowance(
        self, tracker, monkeypatch
    ):
        monkeypatch.setitem(allowance.PER_HOUR, "crash", 0)
        self.bugs(1)
        Filing.objects.update(attempts=1)
        self.file_all(tracker)
        assert len(tracker.reports) == 1

    def test_waiting_bugs_are_counted_with_reason_and_end(self, tracker):
        assert waiting.waiting_bugs("production") is None
        self.bugs(25)
        self.file_all(tracker)
        found = waiting.waiting_bugs("production")
        assert found.count == 5
        [reason] = found.reasons
        assert reason.startswith("memory: paused: 20 bugs were filed in this hour")
        assert found.until == hour_of(timezone.now()) + dt.timedelta(hours=1)
        assert str(found).startswith("5 bugs wait to be filed, until ")
        state = health()
        assert (state.waiting_bugs, state.waiting_until) == (5, found.until)
        assert state.waiting_reasons == found.reasons
        assert not any("wait" in problem for problem in state.problems)
        assert queries.look().waiting == found
        assert waiting.waiting_bugs("staging") is None

    def test_one_mail_a_day_says_what_waits(self, tracker, settings, mailoutbox):
        settings.ADMINS = ADMINS
        waiting.mail_once_a_day()
        assert not waiting.must_mail()
        self.bugs(25)
        self.file_all(tracker)
        for _ in range(3):
            waiting.mail_once_a_day()
        [mail] = mailoutbox
        assert "Bugs wait to be filed in production: 5" in mail.subject
        assert "5 bugs wait to be filed, until " in mail.body
        assert "memory: paused: 20 bugs were filed in this hour" in mail.body
        assert "B-025 ValueError" in mail.body
        assert not waiting.must_mail()
        # A day later the name of the series is another one.
        Sequence.objects.filter(name__startswith="filed:mail:").delete()
        waiting.mail_once_a_day()
        assert len(mailoutbox) == 2

    def test_long_list_of_waiting_bugs_is_cut(self, tracker, settings, mailoutbox):
        settings.ADMINS = ADMINS
        self.bugs(3)
        Filing.objects.update(state="paused")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(waiting, "NAMED_BUGS", 2)
            waiting.mail_once_a_day()
        assert "B-002" in mailoutbox[0].body
        assert "B-003" not in mailoutbox[0].body
        assert "and 1 more" in mailoutbox[0].body

    @pytest.mark.urls("tests.admin_urls")
    def test_mail_about_waiting_bugs_links_their_list(
        self, tracker, settings, configure, mailoutbox
    ):
        settings.ADMINS = ADMINS
        configure(SITE_URL="https://shop.example")
        self.bugs(1)
        Filing.objects.update(state="paused")
        waiting.mail_once_a_day()
        assert "\nhttps://shop.example/admin/error_tracking/" in mailoutbox[0].body

    def test_two_processes_that_mail_at_once_send_one(
        self, tracker, settings, mailoutbox, monkeypatch
    ):
        settings.ADMINS = ADMINS
        self.bugs(1)
        Filing.objects.update(state="paused")
        monkeypatch.setattr(waiting, "must_mail", lambda: True)
        for _ in range(2):
            waiting.mail_once_a_day()
        assert len(mailoutbox) == 1

    def test_mail_about_waiting_bugs_that_fails_is_sent_later(
        self, tracker, settings, mailoutbox, caplog, monkeypatch
    ):
        settings.ADMINS = ADMINS
        self.bugs(1)
        Filing.objects.update(state="paused")

        def refuse(*_args, **_kwargs):
            raise OSError("no mail server")

        with monkeypatch.context() as patch:
            patch.setattr(EmailMessage, "send", refuse)
            waiting.mail_once_a_day()
        assert "no mail about waiting bugs" in caplog.text
        assert waiting.must_mail()
        waiting.mail_once_a_day()
        assert len(mailoutbox) == 1

    def test_waiting_bugs_are_mailed_after_filing(
        self, settings, monkeypatch, mailoutbox
    ):
        settings.ADMINS = ADMINS
        monkeypatch.setitem(allowance.PER_HOUR, "crash", 0)
        [bug] = self.bugs(1)
        outbox.request(bug)
        runner.work_here()
        assert [mail.subject for mail in mailoutbox if "wait" in mail.subject]

    def test_nobody_is_mailed_without_admins(self, tracker, mailoutbox):
        self.bugs(1)
        Filing.objects.update(state="paused")
        waiting.mail_once_a_day()
        assert mailoutbox == []

    def test_bug_that_was_resolved_before_it_was_filed_is_not_filed(self, tracker):
        [bug] = self.bugs(1)
        bug.resolve(by="ada")
        self.file_all(tracker)
        assert tracker.reports == []
        bug.reopen(by="ada")
        self.file_all(tracker)
        assert len(tracker.reports) == 1

    def test_counts_of_days_gone_by_are_forgotten(self):
        Sequence.take("filed:memory:crash:2020010101")
        Sequence.take("bug:B")
        Sequence.objects.update(made_at=timezone.now() - dt.timedelta(days=4))
        allowance.forget()
        assert list(Sequence.objects.values_list("name", flat=True)) == ["bug:B"]


@pytest.mark.django_db
class TestDue:
    """The gate looks at a group when something about it is new, and only then."""

    def refused(self, count=1, **values):
        values = {"error_type": CLIENT_ERROR, "status_code": 404, **values}
        store.store([make_event(**values) for _ in range(count)])
        return ErrorGroup.objects.get(fingerprint=values.get("fingerprint", "f" * 32))

    def is_due(self):
        return ErrorGroup.objects.get().is_due

    def test_what_is_held_back_is_left_alone_until_it_was_seen_twice_as_often(
        self, django_assert_num_queries
    ):
        self.refused(10)
        assert self.is_due()
        gate.sweep()
        assert not self.is_due()
        self.refused(9)
        assert not self.is_due()
        with django_assert_num_queries(2):
            gate.sweep()
        self.refused()
        assert self.is_due()
        gate.sweep()
        self.refused(19)
        assert not self.is_due()

    @pytest.mark.parametrize(
        "news",
        [
            {"is_evidence": True},
            {"error_type": CSRF, "has_own_origin": True, "is_evidence": True},
            {"error_type": EXCEPTION, "level": "fatal"},
            {"error_type": EXCEPTION, "handled": False},
        ],
    )
    def test_what_shows_more_is_news(self, news):
        first = {"handled": True, "level": "warning", **news}
        first |= {"is_evidence": False, "has_own_origin": False}
        self.refused(30, **{**first, "handled": True, "level": "warning"})
        gate.sweep()
        assert not self.is_due()
        self.refused(**{**first, **news})
        assert self.is_due()

    def test_new_client_is_news_where_there_is_evidence(self):
        client = {"is_evidence": True, "client": "1" * 16}
        self.refused(50, **client)
        gate.sweep()
        self.refused(**client)
        assert not self.is_due()
        self.refused(client="2" * 16)
        assert self.is_due()
        gate.sweep()
        store.store([fold_of_refused("3" * 16)])
        assert self.is_due()
        gate.sweep()
        assert ErrorGroup.objects.get().bug is not None

    def test_new_client_of_what_has_no_evidence_is_none(self):
        self.refused(50, client="1" * 16)
        gate.sweep()
        for n in range(2, 9):
            self.refused(client=f"{n:016x}")
        assert not self.is_due()

    def test_threshold_is_news_when_it_is_reached(self, configure):
        configure(BUG_THRESHOLD=5)
        self.refused(error_type=EXCEPTION)
        for seen in (2, 3, 4):
            gate.sweep()
            group = self.refused(error_type=EXCEPTION)
            assert (group.times_seen, group.is_due) == (seen, False)
        assert ErrorGroup.objects.get().verdict_reason.startswith("seen 1 of 5")
        assert self.refused(error_type=EXCEPTION).is_due
        gate.sweep()
        assert KnownBug.objects.count() == 1

    @pytest.mark.parametrize(
        "change", [{"CLIENT_ERROR_BUGS": "all"}, {"CLIENT_ERROR_BUGS": "none"}]
    )
    def test_other_settings_are_news_for_all(self, configure, change):
        for n in range(5):
            self.refused(fingerprint=f"{n:032x}")
        gate.sweep()
        configure(**change)
        gate.sweep()
        reasons = set(ErrorGroup.objects.values_list("verdict_reason", flat=True))
        if change["CLIENT_ERROR_BUGS"] == "all":
            assert (KnownBug.objects.count(), reasons) == (5, {""})
        else:
            assert [each.startswith("client errors never") for each in reasons] == [
                True
            ]
        assert not ErrorGroup.objects.filter(is_due=True).exists()

    def test_group_that_lost_its_bug_is_news_when_it_happens_again(self):
        self.refused(error_type=EXCEPTION)
        gate.sweep()
        KnownBug.objects.get().hard_delete()
        self.refused(error_type=EXCEPTION)
        gate.sweep()
        assert KnownBug.objects.count() == 1

    def test_what_changes_while_the_gate_decides_is_decided_again(self, monkeypatch):
        """Also in another process: the decision was made on what is no longer so."""
        group = self.refused(30)
        real = gate.decide

        def meanwhile(*args):
            decision = real(*args)
            self.refused(is_evidence=True, client="1" * 16)
            return decision

        monkeypatch.setattr(gate, "decide", meanwhile)
        gate.sweep()
        group.refresh_from_db()
        assert group.is_due
        monkeypatch.undo()
        gate.sweep()
        group.refresh_from_db()
        assert group.verdict_reason == "affects 1 of 3 required clients in 24 hours"

    @pytest.mark.parametrize("kind", Kind)
    def test_no_number_of_groups_of_one_kind_hides_another(self, kind, configure):
        configure(CLIENT_ERROR_BUGS="all")
        now = timezone.now()

        def group(number, kind, seen):
            error_type, culprit = OF_KIND[kind]
            return ErrorGroup(
                fingerprint=f"{kind} {number}",
                environment="production",
                error_type=error_type,
                culprit=culprit,
                title=f"{kind} {number}",
                first_seen=seen,
                last_seen=seen,
                times_seen=1,
            )

        older = now - dt.timedelta(hours=3)
        flood = [group(n, kind, older) for n in range(3 * gate.SWEEP_GROUPS)]
        others = [group(0, each, now) for each in Kind if each != kind]
        ErrorGroup.objects.bulk_create(flood + others)
        assert gate.sweep().has_more
        decided = ErrorGroup.objects.exclude(bug=None)
        for each in set(Kind) - {kind}:
            assert decided.filter(title=f"{each} 0").exists()
        assert decided.of_kind(kind).count() == QUOTAS[kind].decided
        numbers = KnownBug.objects.order_by("number").values_list("title", flat=True)
        if kind is not Kind.CRASH:
            assert numbers[0] == "crash 0"

    def test_page_knows_the_bugs_whatever_was_seen_since(self, monkeypatch):
        monkeypatch.setattr("error_tracking.bugs.public_states.PUBLIC_GROUPS", 20)
        self.refused(error_type=EXCEPTION, fingerprint="1" * 32)
        gate.sweep()
        for n in range(2, 50):
            self.refused(fingerprint=f"{n:032x}")
        states = public_states()
        assert len(states) == 20
        assert states["1" * 32].status == "open"


OF_KIND = {
    Kind.CRASH: (EXCEPTION, "shop.pay"),
    Kind.LIBRARY: (EXCEPTION, ""),
    Kind.MESSAGE: (MESSAGE, ""),
    Kind.CSRF: (CSRF, ""),
    Kind.REFUSED: (CLIENT_ERROR, ""),
}


def fold_of_refused(client):
    event = make_event(error_type=CLIENT_ERROR, status_code=404, client=client)
    return Fold.of(event)


@pytest.mark.django_db
class TestSpike:
    def refused(self, clients, times, **values):
        values = {"error_type": CLIENT_ERROR, "status_code": 400, "route": "", **values}
        store.store(
            [make_event(**values, client=f"{n % clients:016x}") for n in range(times)]
        )
        return ErrorGroup.objects.get(fingerprint=values.get("fingerprint", "f" * 32))

    def test_wrong_allowed_hosts_is_a_bug_after_all(self):
        group = self.refused(30, 120)
        gate.sweep()
        for _ in range(2):
            note_spikes()
        group.refresh_from_db()
        said = group.bug.activities.get(verb="spiking").text
        assert said == "120 in this hour, usually 0, from many clients"

    @pytest.mark.parametrize(
        ("clients", "times", "status"),
        [(1, 200, 400), (30, 99, 400), (30, 200, 404), (30, 200, 401), (30, 200, 429)],
    )
    def test_one_client_or_few_requests_or_scanners_are_none(
        self, clients, times, status
    ):
        self.refused(clients, times, status_code=status)
        gate.sweep()
        note_spikes()
        assert not KnownBug.objects.exists()

    def test_group_that_a_person_has_hidden_stays_hidden(self):
        self.refused(30, 200)
        ErrorGroup.objects.update(verdict=ErrorGroup.Verdict.HIDDEN)
        note_spikes()
        assert not KnownBug.objects.exists()

    @pytest.mark.parametrize(
        "off", [{"CLIENT_ERROR_BUGS": "none"}, {"AUTO_CREATE_BUGS": False}]
    )
    def test_setting_turns_it_off(self, configure, off):
        configure(**off)
        self.refused(30, 200)
        note_spikes()
        assert not KnownBug.objects.exists()


@pytest.mark.django_db
def test_storm_of_random_requests_is_a_handful_of_groups_and_no_bug(
    immediate, configure
):
    """FAULTS B01: nothing that the client chooses makes a group."""
    client, chance = Client(raise_request_exception=False), random.Random(7)
    methods = ["GET", "POST", "PUT", "PURGE", "HEAD", "OPTIONS"]
    for n in range(120):
        text = "".join(chance.choices(string.ascii_letters + string.digits, k=12))
        client.generic(
            chance.choice(methods),
            f"/{text}/{n}",
            headers={
                "host": f"{text}.example" if n % 3 else "testserver",
                "user-agent": text,
            },
            REMOTE_ADDR=f"198.51.100.{n}",
        )
    sweep.sweep()
    assert KnownBug.objects.count() == 0
    assert ErrorGroup.objects.count() <= 6
    assert all(group.verdict_reason for group in ErrorGroup.objects.all())


@pytest.mark.django_db
def test_tracker_that_is_switched_on_later_files_from_then_on(configure):
    """Older bugs are filed by the action."""
    store.store([make_event()])
    bug, _ = open_bug(ErrorGroup.objects.get())
    configure(GITHUB_REPO="acme/shop")
    store.store([make_event(fingerprint="2" * 32)])
    later, _ = open_bug(ErrorGroup.objects.get(fingerprint="2" * 32))
    assert set(bug.filings.values_list("tracker", flat=True)) == {"markdown"}
    assert set(later.filings.values_list("tracker", flat=True)) == {
        "github",
        "markdown",
    }
    outbox.request(bug)
    assert set(bug.filings.values_list("tracker", flat=True)) == {"github", "markdown"}


@pytest.mark.django_db
def test_every_decision_is_told_in_words():
    store.store([make_event(error_type=EXCEPTION, level="info")])
    gate.sweep()
    assert ErrorGroup.objects.get().verdict_reason == "a message of level info"
    assert GroupClient.objects.count() == 0


@pytest.mark.django_db
def test_series_that_another_process_has_just_made_goes_on(monkeypatch):
    real = QuerySet.exists

    def meanwhile(rows):
        Sequence.objects.bulk_create(
            [Sequence(name="x", value=3)], ignore_conflicts=True
        )
        return real(rows)

    monkeypatch.setattr(QuerySet, "exists", meanwhile)
    assert Sequence.take("x", most=5) == 4
    assert Sequence.take("x", most=5) == 5
    assert Sequence.take("x", most=5) == 0


@pytest.mark.django_db
def test_missing_column_is_one_incident_that_lists_its_routes(configure):
    configure(RECORDER="immediate", RUNNER="inline")
    events = [
        make_event(
            fingerprint=f"{number:032x}",
            title=f"OperationalError (column auth_user.username) in shop.views.view{number}",
            route=f"/route{number}/",
            exceptions=(
                ExceptionInfo(
                    "OperationalError",
                    "django.db.utils",
                    "no such column: auth_user.username",
                    (Frame("v.py", "/v.py", "shop.views", f"view{number}", 3, in_app=True),),
                ),
            ),
        )
        for number in range(incidents.INCIDENT_GROUPS)
    ]  # fmt: skip
    store.store(events)
    sweep.sweep()
    [bug] = KnownBug.objects.filter(kind=KnownBug.Kind.INCIDENT)
    assert bug.title.endswith("OperationalError: column auth_user.username")
    lines = build_report(bug).groups
    assert len(lines) == len(events)
    assert all(f"on /route{n}/" in line for n, line in enumerate(lines))
