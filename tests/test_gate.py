"""Which groups become bugs: incidents, allowances, spikes, storms of noise."""

from __future__ import annotations

import datetime as dt
import random
import string

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from error_tracking import allowance, filing, gate, runners, sweep, upkeep
from error_tracking.events import CLIENT_ERROR, CSRF, EXCEPTION, ExceptionInfo, Frame
from error_tracking.filing import BugCreationService
from error_tracking.models import ErrorGroup, Filing, GroupClient, KnownBug, Sequence
from error_tracking.recorder import store
from error_tracking.trackers.memory import MemoryTracker
from tests.factories import make_event, raised


def frame(place, *, in_app):
    module, _, function = place.rpartition(".")
    return Frame(f"{module}.py", f"/{module}.py", module, function, 1, in_app=in_app)


def outage(view, kind="OperationalError", module="psycopg", place="psycopg.connection.connect", **values):
    """An event of *view*, in which a library could not reach something."""
    frames = (frame(f"shop.views.{view}", in_app=True), frame(place, in_app=place.startswith("shop.")))
    raised = ExceptionInfo(kind, module, "refused", frames)
    fingerprint = f"{view}{kind}".encode().hex().ljust(32, "0")[:32]
    culprit = f"shop.views.{view}"
    return make_event(
        fingerprint=fingerprint, exceptions=(raised,), culprit=culprit, title=f"{kind} in {culprit}", **values
    )


def let_time_pass(**by):
    """Make all groups and bugs older."""
    for model in (ErrorGroup, KnownBug):
        for row in model._base_manager.all():
            model._base_manager.filter(pk=row.pk).update(created=row.created - dt.timedelta(**by))


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
        assert (bug.kind, bug.severity, bug.groups.count(), bug.occurrence_count) == ("incident", "critical", 12, 12)
        assert bug.title == "Incident: psycopg.OperationalError in psycopg.connection.connect"
        store.store([outage("v99"), outage("v98")])
        gate.sweep()
        bug.refresh_from_db()
        assert (KnownBug.objects.count(), bug.groups.count(), bug.occurrence_count) == (1, 14, 14)

    def test_first_sign_of_an_outage_waits_ten_seconds_and_says_so(self):
        store.store([outage("pay")])
        assert gate.sweep()
        group = ErrorGroup.objects.get()
        assert (group.bug, group.verdict_reason) == (None, gate.HELD)
        let_time_pass(seconds=11)
        assert not gate.sweep()
        assert KnownBug.objects.get().kind == "error"

    def test_errors_of_the_site_s_own_code_wait_for_nothing(self):
        store.store([outage("pay", place="shop.views.pay")])
        assert not gate.sweep()
        assert KnownBug.objects.count() == 1

    def test_young_bugs_of_an_outage_become_one(self):
        for n in range(4):
            store.store([outage(f"v{n}", "ValueError", "builtins", "shop.prices.price")])
            gate.sweep()
        assert KnownBug.objects.open().count() == 4
        KnownBug.objects.get(number=4).start(by="ada")
        store.store([outage("v5", "ValueError", "builtins", "shop.prices.price")])
        gate.sweep()
        incident = KnownBug.objects.get(number=1)
        assert (incident.kind, incident.groups.count()) == ("incident", 4)
        assert sorted(KnownBug.objects.filter(merged_into=incident).values_list("number", flat=True)) == [2, 3]
        assert KnownBug.objects.get(number=4).groups.count() == 1, "what somebody works on is left alone"
        assert sum(KnownBug.objects.values_list("occurrence_count", flat=True)) == 5

    def test_severity_that_a_person_has_set_stays_when_a_bug_becomes_an_incident(self):
        for n in range(5):
            store.store([outage(f"v{n}", "ValueError", "builtins", "shop.prices.price")])
            gate.sweep()
            KnownBug.objects.filter(number=1, kind="error").update(severity="low", has_manual_severity=True)
        incident = KnownBug.objects.get(number=1)
        assert (incident.kind, incident.severity) == ("incident", "low")

    def test_different_causes_stay_apart(self):
        store.store([outage(f"v{n}", place=f"library.module.function_{n}") for n in range(8)])
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
        ErrorGroup.objects.exclude(bug=None).update(first_seen=timezone.now() - dt.timedelta(hours=1))
        gate.sweep()
        assert [bug.kind for bug in KnownBug.objects.order_by("number")] == ["incident", "error"]

    def test_explicit_cause_is_the_cause(self):
        inner = ExceptionInfo("gaierror", "socket", "", (frame("socket.getaddrinfo", in_app=False),), "cause")
        outer = ExceptionInfo("PaymentError", "shop.errors", "", (frame("shop.pay.charge", in_app=True),))
        assert make_event(exceptions=(outer, inner)).cause == "socket.gaierror in socket.getaddrinfo"
        handled = ExceptionInfo("KeyError", "builtins", "", (frame("shop.x.y", in_app=True),), "context")
        assert make_event(exceptions=(outer, handled)).cause == "shop.errors.PaymentError in shop.pay.charge"
        assert make_event().cause == ""

    def test_what_a_library_raises_for_many_reasons_is_no_cause(self):
        """Five forms without a field are five bugs."""
        assert outage("v", "MultiValueDictKeyError", "django.utils.datastructures", "django.utils.x.get").cause == ""
        for kind in ("OperationalError", "ConnectionRefusedError", "ReadTimeout", "gaierror", "TimeoutError"):
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
            store.store([make_event(fingerprint=f"{n:032x}", **values)])
            bug, _ = gate.open_bug(ErrorGroup.objects.get(fingerprint=f"{n:032x}"))
            Filing.objects.filter(bug=bug).delete()
            Filing.objects.request_for(bug, ["memory"])
        return KnownBug.objects.order_by("number")

    def file_all(self, tracker):
        service = BugCreationService(trackers_by_name={"memory": tracker})
        rows = runners.due().urgent_first()
        return [service.file(pk) for pk in rows.values_list("bug_id", flat=True)]

    def test_twenty_are_filed_in_an_hour_and_the_rest_goes_on_by_itself(self, tracker):
        self.bugs(25)
        self.file_all(tracker)
        assert len(tracker.reports) == 20
        paused = Filing.objects.filter(state="paused")
        assert paused.count() == 5
        assert paused[0].reason.startswith("paused: 20 bugs were filed in this hour; goes on at ")
        assert not runners.due().exists()
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
        assert [report.error_type for report in tracker.reports[5:]] == ["exception"] * 3

    def test_worst_is_filed_first(self, tracker):
        self.bugs(2, error_type=CSRF, status_code=403)
        self.bugs(2)
        self.bugs(1, level="fatal")
        self.file_all(tracker)
        assert [report.severity for report in tracker.reports] == ["critical", "high", "high", "medium", "medium"]

    def test_day_has_a_bound_too(self, tracker, monkeypatch):
        monkeypatch.setitem(allowance.PER_DAY, "crash", 3)
        self.bugs(5)
        self.file_all(tracker)
        assert len(tracker.reports) == 3
        row = Filing.objects.filter(state="paused").first()
        assert "3 bugs were filed in this day" in row.reason
        assert row.next_attempt_at.hour == 0

    def test_what_was_begun_is_finished_beyond_the_allowance(self, tracker, monkeypatch):
        monkeypatch.setitem(allowance.PER_HOUR, "crash", 0)
        self.bugs(1)
        Filing.objects.update(attempts=1)
        self.file_all(tracker)
        assert len(tracker.reports) == 1

    def test_one_digest_says_what_waits_and_is_resolved_by_itself(self, tracker):
        self.bugs(25)
        self.file_all(tracker)
        for _ in range(3):
            upkeep.run()
        [digest] = KnownBug.objects.filter(kind="digest")
        assert digest.description.startswith("5 bugs wait")
        assert "B-025 ValueError" in digest.description
        assert set(digest.filings.values_list("tracker", flat=True)) == {"markdown"}
        assert allowance.take("memory", digest) is None, "the digest itself waits for nothing"
        Filing.objects.filter(state="paused").update(state="filed")
        upkeep.run()
        digest.refresh_from_db()
        assert digest.status == "resolved"
        Filing.objects.filter(tracker="memory").update(state="paused")
        upkeep.run()
        digest.refresh_from_db()
        assert (digest.status, KnownBug.objects.filter(kind="digest").count()) == ("open", 1)

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
class TestSpike:
    def refused(self, clients, times, **values):
        values = {"error_type": CLIENT_ERROR, "status_code": 400, "route": "", **values}
        store.store([make_event(**values, client=f"{n % clients:016x}") for n in range(times)])
        return ErrorGroup.objects.get(fingerprint=values.get("fingerprint", "f" * 32))

    def test_wrong_allowed_hosts_is_a_bug_after_all(self):
        group = self.refused(30, 120)
        gate.sweep()
        for _ in range(2):
            gate.note_spikes()
        group.refresh_from_db()
        said = group.bug.activities.get(verb="spiking").text
        assert said == "120 in this hour, usually 0, from many clients"

    @pytest.mark.parametrize(
        ("clients", "times", "status"), [(1, 200, 400), (30, 99, 400), (30, 200, 404), (30, 200, 401), (30, 200, 429)]
    )
    def test_one_client_or_few_requests_or_scanners_are_none(self, clients, times, status):
        self.refused(clients, times, status_code=status)
        gate.sweep()
        gate.note_spikes()
        assert not KnownBug.objects.exists()

    @pytest.mark.parametrize("off", [{"CLIENT_ERROR_BUGS": "none"}, {"AUTO_CREATE_BUGS": False}])
    def test_setting_turns_it_off(self, configure, off):
        configure(**off)
        self.refused(30, 200)
        gate.note_spikes()
        assert not KnownBug.objects.exists()


@pytest.mark.django_db
def test_storm_of_random_requests_is_a_handful_of_groups_and_no_bug(immediate, configure):
    """FAULTS B01: nothing that the client chooses makes a group."""
    client, chance = Client(raise_request_exception=False), random.Random(7)
    methods = ["GET", "POST", "PUT", "PURGE", "HEAD", "OPTIONS"]
    for n in range(120):
        text = "".join(chance.choices(string.ascii_letters + string.digits, k=12))
        client.generic(
            chance.choice(methods),
            f"/{text}/{n}",
            headers={"host": f"{text}.example" if n % 3 else "testserver", "user-agent": text},
            REMOTE_ADDR=f"198.51.100.{n}",
        )
    sweep.run()
    assert KnownBug.objects.count() == 0
    assert ErrorGroup.objects.count() <= 6
    assert all(group.verdict_reason for group in ErrorGroup.objects.all())


@pytest.mark.django_db
def test_tracker_that_is_switched_on_later_files_from_then_on(configure):
    """Older bugs are filed by the action."""
    store.store([make_event()])
    bug, _ = gate.open_bug(ErrorGroup.objects.get())
    configure(GITHUB_REPO="acme/shop")
    store.store([make_event(fingerprint="2" * 32)])
    later, _ = gate.open_bug(ErrorGroup.objects.get(fingerprint="2" * 32))
    assert set(bug.filings.values_list("tracker", flat=True)) == {"markdown"}
    assert set(later.filings.values_list("tracker", flat=True)) == {"github", "markdown"}
    filing.request(bug)
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
        Sequence.objects.bulk_create([Sequence(name="x", value=3)], ignore_conflicts=True)
        return real(rows)

    monkeypatch.setattr(QuerySet, "exists", meanwhile)
    assert Sequence.take("x", most=5) == 4
    assert Sequence.take("x", most=5) == 5
    assert Sequence.take("x", most=5) == 0
