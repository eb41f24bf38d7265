"""What people do to issues is read back; what we do, and whatever breaks in between, never confuses it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import time

import hypothesis
import hypothesis.strategies as st
import pytest
from django.utils import timezone

from error_tracking.exceptions import TrackerError
from error_tracking.filing import issue_sync, runner
from error_tracking.filing.issue_sync import sync_issues
from error_tracking.models import Activity, Filing, KnownBug, Sequence
from error_tracking.services import BugCreationService
from error_tracking.trackers import github as github_tracker
from error_tracking.trackers import issue_labels
from error_tracking.trackers.github import GITHUB_ACTOR, GitHubTracker
from error_tracking.trackers.github_api import GitHubClient
from tests.github_stub import GitHubStub

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def server(monkeypatch, configure):
    with GitHubStub() as stub:
        stub.text = stub.use(monkeypatch, "http")
        configure(GITHUB_REPO=stub.text)
        issue_labels._label_exists_until.clear()
        yield stub


def make_bug(title="It broke", **values):
    bug = KnownBug.objects.create(title=title, **values)
    Filing.objects.request_for(bug, ["github"])
    return bug


def work(*bugs):
    """Do what is due for the bugs, as the next worker would after every lease and pause is over."""
    past = timezone.now() - dt.timedelta(seconds=1)
    Filing.objects.update(next_attempt_at=past)
    for bug in bugs or KnownBug.objects.all():
        BugCreationService().file(bug.pk)


@pytest.fixture
def filed(server):
    bug = make_bug()
    work()
    bug.refresh_from_db()
    assert bug.github_issue_number == 1
    return bug


def status():
    return list(KnownBug.objects.order_by("number").values_list("status", flat=True))


class TestFollow:
    def test_closed_issue_resolves_and_a_reopened_one_reopens(self, server, filed):
        assert sync_issues() == 0
        server.edit(1, state="closed")
        assert (sync_issues(), sync_issues(), status()) == (1, 0, ["resolved"])
        work()
        assert "Status" in server.issues[0]["body"]
        assert server.issues[0]["state"] == "closed"
        server.edit(1, state="open")
        assert (sync_issues(), sync_issues(), status()) == (1, 0, ["open"])
        work()
        assert server.issues[0]["state"] == "open"
        assert server.comments == {}
        assert [
            (each.verb, each.by) for each in filed.activities.filter(by=GITHUB_ACTOR)
        ] == [
            ("resolved", GITHUB_ACTOR),
            ("open", GITHUB_ACTOR),
        ]

    def test_issue_closed_by_a_fix_has_an_hour_until_it_counts_as_a_regression(
        self, server, filed
    ):
        server.edit(1, state="closed")
        sync_issues()
        now = timezone.now()
        KnownBug.objects.all().reopen_regressed(
            {filed.pk: {"": now + dt.timedelta(minutes=50)}}
        )
        assert status() == ["resolved"]
        KnownBug.objects.all().reopen_regressed(
            {filed.pk: {"": now + dt.timedelta(minutes=61)}}
        )
        assert status() == ["open"]
        work()
        assert server.issues[0]["state"] == "open"
        assert len(server.comments[1]) == 1
        assert (sync_issues(), status()) == (0, ["open"])

    @pytest.mark.parametrize("reason", ["not_planned", "duplicate"])
    def test_issue_closed_as_not_planned_mutes_for_ever_and_a_reopened_one_opens(
        self, server, filed, reason
    ):
        server.edit(1, state="closed", state_reason=reason)
        assert (sync_issues(), sync_issues(), status()) == (1, 0, ["muted"])
        KnownBug.objects.all().reopen_regressed(
            {filed.pk: {"": timezone.now() + dt.timedelta(days=9)}}
        )
        KnownBug.objects.all().unmute_expired()
        work()
        assert (status(), server.issues[0]["state"], server.comments) == (
            ["muted"],
            "closed",
            {},
        )
        server.edit(1, state="open", state_reason="reopened")
        assert (sync_issues(), sync_issues(), status()) == (1, 0, ["open"])
        work()
        assert (server.issues[0]["state"], status()) == ("open", ["open"])
        said = [
            (each.verb, each.text) for each in filed.activities.filter(by=GITHUB_ACTOR)
        ]
        assert said == [
            ("muted", f"the issue was closed as {reason.replace('_', ' ')}"),
            ("open", ""),
        ]

    def test_issue_closed_as_not_planned_is_opened_with_its_bug(self, server, filed):
        server.edit(1, state="closed", state_reason="not_planned")
        sync_issues()
        filed.unmute(by="ada")
        work()
        assert (sync_issues(), server.issues[0]["state"], status()) == (
            0,
            "open",
            ["open"],
        )

    def test_issue_closed_as_not_planned_ends_the_time_of_muting(self, server, filed):
        filed.mute(until=timezone.now() - dt.timedelta(days=1), events=0, people=0)
        server.edit(1, state="closed", state_reason="not_planned")
        sync_issues()
        KnownBug.objects.all().unmute_expired()
        assert status() == ["muted"]

    def test_not_planned_says_nothing_of_a_bug_that_is_resolved(self, server, filed):
        filed.resolve(by="ada")
        server.edit(1, state="closed", state_reason="not_planned")
        assert (sync_issues(), status()) == (0, ["resolved"])

    def test_change_before_our_latest_push_is_not_missed(self, server, filed):
        """What we push is newer than what a person did: reading must not begin there."""
        sync_issues()
        clock = time.time() + 100
        server.time = lambda: clock
        server.edit(1, state="closed")
        clock += 3600
        make_bug("Another")
        work()
        assert (sync_issues(), status()) == (1, ["resolved", "open"])

    def test_reading_goes_on_where_it_ended(self, server, filed):
        sync_issues()
        clock = time.time() + 1000
        server.time = lambda: clock
        server.add_issue()
        sync_issues()
        server.requests.clear()
        sync_issues()
        [(_, path, _)] = server.requests
        since = dt.datetime.fromisoformat(path.partition("since=")[2].partition("&")[0])
        assert abs(since.timestamp() - (clock - 60)) < 2

    @pytest.mark.parametrize("kind", [{}, {"pull_request": {}}])
    def test_many_foreign_changes_do_not_starve_ours(
        self, server, filed, monkeypatch, kind
    ):
        """Every poll is a process of its own here, as with a cron job."""
        monkeypatch.setattr(github_tracker, "PAGE_SIZE", 10)
        monkeypatch.setattr(github_tracker, "LOOKUP_PAGES", 2)
        clock = time.time()
        server.time = lambda: clock
        for _ in range(50):
            clock += 120
            server.add_issue(state="closed", **kind)
        clock += 120
        server.edit(1, state="closed")
        polls = next(number for number in range(1, 10) if sync_issues())
        assert (status(), polls) == (["resolved"], 3)

    def test_many_changes_in_one_second_are_all_read(self, server, filed, monkeypatch):
        monkeypatch.setattr(github_tracker, "PAGE_SIZE", 10)
        moment = time.time() + 100
        server.time = lambda: moment
        for _ in range(25):
            server.add_issue()
        server.issues[0].update(
            state="closed", updated_at=f"{server.moment()[:-4]}:59Z"
        )
        assert sync_issues() == 1

    def test_issue_that_moves_while_the_list_is_read_hides_no_other(
        self, server, filed, monkeypatch
    ):
        monkeypatch.setattr(github_tracker, "PAGE_SIZE", 5)
        clock = time.time()
        server.time = lambda: clock
        for _ in range(9):
            clock += 30
            server.add_issue()
        clock += 30
        server.edit(1, state="closed")
        page = GitHubTracker._page

        def moved(self, path, number):
            items = page(self, path, number)
            server.edit(2)
            return items

        monkeypatch.setattr(GitHubTracker, "_page", moved)
        assert sync_issues() == 1

    def test_issues_of_others_are_none_of_our_business(self, server, filed):
        KnownBug.objects.update(github_issue_url="https://github.com/acme/old/issues/1")
        server.edit(1, state="closed")
        server.add_issue(state="closed", body=server.issues[0]["body"])
        assert (sync_issues(), status()) == (0, ["open"])

    def test_bug_of_another_environment_is_left_to_it(self, server, filed):
        KnownBug.objects.update(environment="staging")
        server.edit(1, state="closed")
        assert (issue_sync.is_due(), sync_issues(), status()) == (False, 0, ["open"])

    def test_our_own_push_whose_end_was_not_stored_is_not_taken_for_a_persons(
        self, server, filed, monkeypatch
    ):
        sync_issues()
        filed.resolve(by="ada")
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(issue_sync, "store_issue", kill)
            work()
        assert server.issues[0]["state"] == "closed"
        KnownBug.objects.all().regress(timezone.now())
        assert (sync_issues(), status()) == (0, ["open"])
        work()
        assert (server.issues[0]["state"], status(), len(server.comments[1])) == (
            "open",
            ["open"],
            1,
        )

    def test_person_who_reopens_after_our_unstored_closing_is_followed(
        self, server, filed, monkeypatch
    ):
        filed.resolve(by="ada")
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(issue_sync, "store_issue", kill)
            work()
        assert (sync_issues(), status()) == (0, ["resolved"])
        server.edit(1, state="open")
        assert (sync_issues(), status()) == (1, ["open"])

    def test_closing_that_was_noted_is_followed_whatever_ends_the_process(
        self, server, filed, monkeypatch
    ):
        server.edit(1, state="closed")
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(type(KnownBug.all_objects.all()), "resolve", kill)
            sync_issues()
        assert (sync_issues(), status()) == (1, ["resolved"])

    def test_person_who_reopens_before_we_have_told_of_the_closing_wins(
        self, server, filed
    ):
        server.edit(1, state="closed")
        sync_issues()
        server.edit(1, state="open")
        sync_issues()
        work()
        work()
        assert (server.issues[0]["state"], status()) == ("open", ["open"])

    def test_reopened_issue_is_followed_when_its_filing_failed_for_good(
        self, server, filed
    ):
        server.edit(1, state="closed")
        sync_issues()
        Filing.objects.update(state="failed")
        server.edit(1, state="open")
        assert (sync_issues(), status()) == (1, ["open"])

    def test_issue_closed_before_it_was_known_resolves_the_bug(
        self, server, monkeypatch
    ):
        bug = make_bug()
        server.fail("drop", after=True, only="POST /repos/acme/shop/issues")
        work()
        server.edit(1, state="closed")
        sync_issues()
        work()
        assert (len(server.issues), status()) == (1, ["resolved"])
        work()
        bug.refresh_from_db()
        assert (bug.github_issue_state, server.issues[0]["state"]) == (
            "closed",
            "closed",
        )

    def test_what_happened_after_a_lost_answer_is_told_to_the_issue_that_is_found(
        self, server
    ):
        bug = make_bug()
        server.fail("drop", after=True, only="POST /repos/acme/shop/issues")
        work()
        bug.resolve(by="ada")
        work()
        work()
        assert [issue["state"] for issue in server.issues] == ["closed"]
        assert status() == ["resolved"]

    def test_merged_bug_stays_merged_whoever_reopens_its_issue(self, server, filed):
        survivor = make_bug("The survivor")
        KnownBug.objects.filter(pk=filed.pk).merge_into(survivor)
        work()
        assert server.issues[0]["state_reason"] == "not_planned"
        server.edit(1, state="open")
        assert (sync_issues(), status()) == (0, ["resolved", "open"])

    def test_failure_is_raised_and_a_rest_is_given(self, server, filed, monkeypatch):
        """FAULTS X07."""
        monkeypatch.setattr(issue_sync, "_next_poll", 0.0)
        assert issue_sync.is_due()
        server.fail_next(
            403,
            {"Retry-After": "900"},
            message="You have exceeded a secondary rate limit",
        )
        with pytest.raises(TrackerError):
            sync_issues()
        assert not issue_sync.is_due()
        assert issue_sync._next_poll - time.monotonic() > 900
        monkeypatch.setattr(issue_sync, "_next_poll", 0.0)
        server.fail_next(500)
        runner.work_as_configured()
        assert not issue_sync.is_due()

    def test_nothing_to_follow_asks_nothing(self, server, configure):
        assert (issue_sync.is_due(), sync_issues()) == (False, 0)
        configure(GITHUB_REPO=None)
        assert (issue_sync.is_due(), sync_issues()) == (False, 0)
        assert server.requests == []

    def test_two_processes_that_see_the_same_change_follow_once(self, server, filed):
        server.edit(1, state="closed")
        issue = dataclasses.replace(GitHubTracker(server.text).find(_report(filed)))
        same = KnownBug.objects.get(pk=filed.pk)
        assert [issue_sync._follow(bug, issue) for bug in (filed, same)] == [
            True,
            False,
        ]
        assert filed.activities.filter(verb="resolved").count() == 1
        same.refresh_from_db()
        assert not issue_sync._follow(same, issue), "it has followed already"

    def test_open_issue_of_which_nothing_was_known_reopens_nothing(self, server, filed):
        KnownBug.objects.filter(pk=filed.pk).update(
            github_issue_state="", status="resolved"
        )
        filed.refresh_from_db()
        issue = GitHubTracker(server.text).find(_report(filed))
        assert not issue_sync._follow(filed, issue)
        filed.refresh_from_db()
        assert (filed.status, filed.github_issue_state) == ("resolved", "open")


def _report(bug):
    from error_tracking.report.builder import build_report

    return build_report(bug)


def kill(*arguments, **keywords):
    raise Killed


# What a step of a sequence does; a fault or a kill hits one of the calls of the attempt, before or after its work.
FAULTS = ("drop", "half", "garbage", "answer", "limit", "forbidden")
HITS = st.tuples(st.sampled_from((*FAULTS, "kill")), st.integers(0, 6), st.booleans())
EXAMPLES = int(os.environ.get("SEQUENCES", "30"))
STEPS = st.one_of(
    st.tuples(st.just("work"), HITS | st.none()),
    st.tuples(st.just("store"), st.booleans()),
    st.tuples(st.just("poll"), HITS | st.none()),
    st.tuples(st.sampled_from(["resolve", "regress", "edit", "milestone"]), st.none()),
)


class Story:
    """One bug through a sequence of steps; ``check`` says what must hold when the faults have stopped."""

    def __init__(self, server, monkeypatch):
        self.server, self.monkeypatch = server, monkeypatch
        KnownBug.all_objects.all().hard_delete()
        Sequence.objects.all().delete()  # the allowance too
        server.issues.clear()
        server.comments.clear()
        server.labels.clear()
        server.faults.clear()
        issue_labels._label_exists_until.clear()
        self.bug = make_bug()
        self.expected: set[int] = set()

    @property
    def rows(self):
        return KnownBug.all_objects.filter(pk=self.bug.pk)

    def step(self, name, hit):
        if name == "resolve":
            self.rows.resolve(by="ada")
        elif name == "regress":
            is_known = Filing.objects.exclude(reference="").exists()
            for bug in self.rows.regress(timezone.now()):
                if is_known:
                    self.expected.add(
                        bug.activities.filter(verb="regressed").latest("pk").pk
                    )
        elif name in {"edit", "milestone"}:
            verb = {"edit": Activity.Verb.EDITED, "milestone": Activity.Verb.MILESTONE}[
                name
            ]
            self.rows.record_activity(
                verb, **({"severity": "critical"} if name == "edit" else {})
            )
        elif name == "store":
            self.with_kill_at_store(is_after=hit)
        else:
            self.with_hit(work if name == "work" else sync_issues, hit)

    def with_kill_at_store(self, *, is_after):
        store_issue = issue_sync.store_issue

        def killed(*arguments):
            if is_after:
                store_issue(*arguments)
            raise Killed

        with self.monkeypatch.context() as patch:
            patch.setattr(issue_sync, "store_issue", killed)
            self.survive(work)

    def with_hit(self, function, hit):
        how, at, after = hit or ("", 0, False)
        call, count = GitHubClient.call, iter(range(1000))

        def hit_call(client, *arguments):
            is_hit = how and next(count) == at
            if is_hit and how == "limit":
                self.server.fail_next(
                    403,
                    {"Retry-After": "5"},
                    message="You have exceeded a secondary rate limit",
                )
            elif is_hit and how == "forbidden":
                self.server.fail_next(
                    403, message="Resource not accessible by integration"
                )
            elif is_hit and how != "kill":
                self.server.fail(how, after=after)
            if is_hit and how == "kill" and not after:
                raise Killed
            response = call(client, *arguments)
            if is_hit and how == "kill":
                raise Killed
            return response

        with self.monkeypatch.context() as patch:
            patch.setattr(GitHubClient, "call", hit_call)
            self.survive(function)

    def survive(self, function):
        with contextlib.suppress(Killed, TrackerError):
            function()

    def check(self):
        for _ in range(6):
            Filing.objects.filter(state="failed").retry()
            work()
            sync_issues()
        bug = self.rows.get()
        if bug.status == "resolved" and not self.server.issues:
            return  # before it was begun
        [issue] = self.server.issues
        wanted = "closed" if bug.status == "resolved" else "open"
        assert (issue["state"], bug.github_issue_state, bug.github_issue_number) == (
            wanted,
            wanted,
            1,
        )
        assert github_tracker.filed_from(issue).pushed_state == wanted
        assert Filing.objects.get().state == "filed"
        comments = [comment["body"] for comment in self.server.comments.get(1, ())]
        for activity in bug.activities.filter(verb="regressed"):
            times = sum(f":{activity.pk} -->" in body for body in comments)
            assert times == 1 if activity.pk in self.expected else times <= 1
        assert not bug.activities.filter(by=GITHUB_ACTOR).exists(), (
            "nobody but us has touched the issue"
        )
        assert not any("search" in path for _, path, _ in self.server.requests)


@hypothesis.settings(
    max_examples=EXAMPLES,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@hypothesis.given(steps=st.lists(STEPS, min_size=1, max_size=14))
def test_any_sequence_of_faults_kills_and_retries_ends_with_one_issue(
    server, monkeypatch, steps
):
    """FAULTS X01, T05, T06: one comment per regression, the right state, once the faults stop."""
    story = Story(server, monkeypatch)
    for name, hit in steps:
        story.step(name, hit)
    story.check()


def test_claim_is_conditional_on_the_row_itself(server, django_assert_num_queries):
    """FAULTS X01, S14: through a join its condition becomes a subquery that two processes can both pass."""
    bug = make_bug()
    rows = Filing.objects.wanted(bug.environment).filter(bug=bug)
    with django_assert_num_queries(2) as captured:
        assert rows.claim(timezone.now())
    update = captured.captured_queries[-1]["sql"]
    assert update.startswith("UPDATE")
    assert "SELECT" not in update
    assert "attempts" in update.partition("WHERE")[2]


def test_allowance_is_taken_only_by_who_has_claimed_the_bug(server, monkeypatch):
    """FAULTS X07: eight processes that meet the same bug take one of twenty, not eight."""
    bug = make_bug()
    with monkeypatch.context() as patch:
        patch.setattr(type(Filing.objects.all()), "claim", lambda rows, now: False)
        work(bug)
    assert not Sequence.objects.filter(name__startswith="filed:").exists()
    work(bug)
    assert set(
        Sequence.objects.filter(name__startswith="filed:").values_list(
            "value", flat=True
        )
    ) == {1}
