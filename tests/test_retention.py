"""What is deleted and when: by age, by rows of a group, by person."""

from __future__ import annotations

import datetime as dt
import json
import stat
import threading
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from django.db.models import CharField, JSONField, TextField
from django.utils import timezone

from error_tracking.bugs import erasure, retention
from error_tracking.bugs.people import delete_clients
from error_tracking.client_hash import client_hash_of
from error_tracking.models import (
    Activity,
    ErrorGroup,
    ErrorLog,
    Filing,
    GroupClient,
    HourlyCount,
    KnownBug,
    PullRequest,
)
from error_tracking.recorder import store

from .factories import make_event

MACHINES = """
reference fingerprint mechanism method error_type exception_type level tracker url version name hash bug_id file_name
github_issue_url github_issue_state cause release first_release last_release resolved_in_release
environment server_name verdict_reason merge_commit
"""

pytestmark = pytest.mark.django_db
DAY = 86_400


def stored(**values):
    """Store an event so many days old, and return its log."""
    days = values.pop("days", 0)
    event = make_event(timestamp=timezone.now().timestamp() - days * DAY, **values)
    store.store([event])
    return ErrorLog.objects.get(reference=event.reference)


def run(command, *args):
    out = StringIO()
    call_command(command, *args, stdout=out, stderr=StringIO())
    return out.getvalue()


class TestPrune:
    """FAULTS V11, S19."""

    def test_old_logs_go_but_the_first_and_latest_of_each_group_stay(self):
        logs = [stored(days=days) for days in (400, 300, 200, 100, 95)]
        other = stored(days=200, fingerprint="e" * 32)
        done = retention.Pruner().run()
        assert set(ErrorLog.objects.all()) == {logs[0], logs[-1], other}
        assert (done.logs, done.is_complete) == (3, True)
        group = ErrorGroup.objects.get(fingerprint="f" * 32)
        assert (
            group.times_seen,
            sum(HourlyCount.objects.values_list("count", flat=True)),
        ) == (5, 6)

    def test_what_is_young_enough_stays(self):
        stored(days=89.9)
        stored(days=89.8)
        stored(days=0)
        assert retention.Pruner().run().logs == 0

    def test_logs_of_every_status_go(self):
        for status in ("resolved", "open", "muted"):
            bug = KnownBug.objects.create(title=status, status=status)
            for days in (300, 200, 100):
                stored(days=days, fingerprint=status[0] * 32)
            ErrorGroup.objects.filter(fingerprint=status[0] * 32).update(bug=bug)
        assert retention.Pruner().run().logs == 3

    def test_a_group_has_a_bound_of_rows(self, monkeypatch):
        monkeypatch.setattr(retention, "LOGS_PER_GROUP", 4)
        monkeypatch.setattr(retention, "BATCH_ROWS", 2)
        logs = [stored(days=20 - number) for number in range(10)]
        assert retention.Pruner().run().logs == 5
        assert set(ErrorLog.objects.all()) == {logs[0], *logs[-4:]}

    def test_batches_walk_past_those_that_stay(self, monkeypatch):
        monkeypatch.setattr(retention, "BATCH_ROWS", 2)
        for letter in "0123456789abcdef":
            stored(days=200, fingerprint=letter * 32)
        for days in (130, 120, 110):
            stored(days=days, fingerprint="a" * 32)
        assert retention.Pruner().run().logs == 2

    def test_dry_run_counts_what_a_real_one_deletes(self, monkeypatch):
        monkeypatch.setattr(retention, "LOGS_PER_GROUP", 4)
        monkeypatch.setattr(retention, "BATCH_ROWS", 2)
        for days in (300, 200, 100, *range(20, 8, -1)):
            stored(days=days)
        dry = retention.Pruner(is_dry=True).run()
        assert (dry.logs, ErrorLog.objects.count()) == (10, 15)
        assert retention.Pruner().run().logs == 10

    def test_groups_that_keep_their_two_cost_nothing_each(
        self, django_assert_num_queries
    ):
        for letter in "0123456789":
            stored(days=300, fingerprint=letter * 32)
            stored(days=200, fingerprint=letter * 32)
        retention.Pruner().run()
        with django_assert_num_queries(8):
            retention.Pruner().run()

    def test_request_data_goes_after_30_days_and_where_it_failed_stays(self):
        frame = {
            "module": "shop",
            "function": "pay",
            "lineno": 1,
            "vars": {"basket": "ann's"},
        }
        personal = {
            "request": {"body": {"a": 1}},
            "context": {"tags": {"x": 1}},
            "ip_address": "10.0.0.0",
        }
        old = stored(days=31, user_agent="Firefox", **personal)
        young = stored(days=29, **personal)
        ErrorLog.objects.update(stacktrace=[{"frames": [frame]}])
        assert retention.Pruner().run().stripped == 1
        old.refresh_from_db()
        young.refresh_from_db()
        assert (old.request_data, old.context, old.ip_address, old.user_agent) == (
            {},
            {},
            None,
            "",
        )
        assert old.stacktrace == [
            {"frames": [{"module": "shop", "function": "pay", "lineno": 1}]}
        ]
        assert young.request_data == {"body": {"a": 1}}
        assert "vars" in young.stacktrace[0]["frames"][0]
        assert retention.Pruner().run().stripped == 0

    def test_whose_request_it_was_goes_also_where_the_request_went_earlier(self):
        """Erased for another person's sake, or emptied for space, a log still has its user."""
        person = {"user_id": "7", "user_label": "ann"}
        old, young = stored(days=31, **person), stored(days=29, **person)
        ErrorLog.objects.update(personal_data_removed=True)
        assert retention.Pruner(is_dry=True).run().stripped == 1
        assert retention.Pruner().run().stripped == 1
        old.refresh_from_db()
        young.refresh_from_db()
        assert (old.user_id, old.user_label) == (None, "")
        assert young.user_label == "ann"
        assert retention.Pruner().run().stripped == 0

    def test_a_person_goes_after_30_days_also_from_the_logs_that_stay(self):
        person = {"user_id": "7", "user_label": "ann"}
        first = stored(days=400, **person)
        latest = stored(days=31, **person)
        young = stored(days=29, **person)
        retention.Pruner().run()
        for log in (first, latest, young):
            log.refresh_from_db()
        assert (first.user_id, first.user_label) == (None, "")
        assert (latest.user_id, latest.user_label) == (None, "")
        assert (str(young.user_id), young.user_label) == ("7", "ann")

    def test_client_hashes_go(self):
        log = stored()
        today = timezone.now().date()
        for days in (0, 89, 91, 200):
            GroupClient.objects.create(
                group=log.group, day=today - dt.timedelta(days=days), hash=f"{days:016}"
            )
        assert retention.Pruner().run().clients == 2

    def test_bug_muted_until_more_people_waits_for_as_many_when_client_hashes_go(
        self, monkeypatch
    ):
        monkeypatch.setattr(retention, "BATCH_CLIENTS", 2)
        log, other = stored(), stored(fingerprint="e" * 32)
        today = timezone.now().date()
        days = {"a": [200, 100, 1], "b": [200, 100], "c": [120], "d": [0]}
        for client, ages in days.items():
            for age in ages:
                GroupClient.objects.create(
                    group=log.group,
                    day=today - dt.timedelta(days=age),
                    hash=client * 16,
                )
        GroupClient.objects.create(
            group=other.group, day=today - dt.timedelta(days=300), hash="f" * 16
        )
        bug, _is_new = KnownBug.open_for_group(log.group)
        unmuted, _is_new = KnownBug.open_for_group(other.group)
        bug.mute(people=5)
        assert bug.muted_until_people == 9
        assert retention.Pruner(is_dry=True).run().clients == 6
        assert retention.Pruner().run().clients == 6
        bug.refresh_from_db()
        unmuted.refresh_from_db()
        assert bug.count_people() == 2
        assert (bug.muted_until_people, unmuted.muted_until_people) == (7, None)

    def test_number_of_people_that_somebody_set_too_low_does_not_stop_pruning(self):
        log = stored()
        long_ago = timezone.now().date() - dt.timedelta(days=200)
        for client in "abc":
            GroupClient.objects.create(group=log.group, day=long_ago, hash=client * 16)
        bug, _is_new = KnownBug.open_for_group(log.group)
        KnownBug.objects.update(status="muted", muted_until_people=1)
        assert retention.Pruner().run().clients == 3
        bug.refresh_from_db()
        assert bug.muted_until_people == 0
        assert KnownBug.objects.unmute_expired() == [bug]

    def test_a_deadline_stops_it_and_says_so(self):
        for days in (300, 200, 100):
            stored(days=days)
        done = retention.Pruner(deadline=0.0).run()
        assert (done.logs, done.is_complete) == (0, False)

    def test_the_leader_prunes_once_an_hour_and_goes_on_when_time_was_short(
        self, monkeypatch
    ):
        for days in (300, 200, 100):
            stored(days=days)
        schedule = retention.Schedule()
        assert schedule.run() is None
        schedule._next = 0
        monkeypatch.setattr(schedule, "AT_ONCE_SECONDS", -1)
        assert not schedule.run().is_complete
        monkeypatch.setattr(schedule, "AT_ONCE_SECONDS", 5)
        assert schedule.run().logs == 1
        assert schedule.run() is None

    def test_the_command(self, configure):
        configure(RETENTION_DAYS=10)
        for days in (40, 30, 20):
            stored(days=days)
        assert (
            json.loads(run("error_tracking_prune", "--dry-run", "--json"))["logs"] == 1
        )
        assert ErrorLog.objects.count() == 3
        assert "Deleted 1 error log older than 10 days" in run("error_tracking_prune")
        assert (
            json.loads(run("error_tracking_prune", "--days", "15", "--json"))["logs"]
            == 0
        )
        with pytest.raises(CommandError, match="argument --days: 0 is less than 1"):
            run("error_tracking_prune", "--days", "0")


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_delete_the_same_client_hashes_lower_a_target_once():
    group = stored().group
    bug, _is_new = KnownBug.open_for_group(group)
    rows = GroupClient.objects.filter(group=group)
    day = timezone.now().date()
    failures = []

    def delete(barrier):
        barrier.wait(20)
        for _attempt in range(50):
            try:
                delete_clients(rows)
                break
            except OperationalError as error:
                # SQLite gives up when another one writes, and the next round goes on.
                if "locked" not in str(error) and "eadlock" not in str(error):
                    failures.append(error)
        connections["default"].close()

    for _round in range(5):
        GroupClient.objects.bulk_create(
            GroupClient(group=group, day=day, hash=f"{number:016x}")
            for number in range(200)
        )
        KnownBug.objects.update(status="muted", muted_until_people=1_000)
        barrier = threading.Barrier(2)
        threads = [threading.Thread(target=delete, args=[barrier]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bug.refresh_from_db()
        assert (bug.muted_until_people, rows.count(), failures) == (800, 0, [])


class TestErase:
    """FAULTS V10."""

    def people(self):
        texts = {
            "message": "no ann@example.org here",
            "traceback": "File x\nValueError: ANN@example.org",
        }
        ann = stored(
            user_id="7",
            user_label="ann",
            ip_address="10.0.0.0",
            request={"body": {"n": 1}},
            **texts,
        )
        bob = stored(
            user_id="8", user_label="bob", context={"tags": {"by": "Ann@Example.org"}}
        )
        eve = stored(
            user_id="9",
            user_label="eve",
            user_agent="Firefox",
            request={"body": {"x": 1}},
        )
        return ann, bob, eve

    def test_a_user_goes_everywhere_and_nobody_else_does(self):
        ann, bob, eve = self.people()
        found = json.loads(
            run(
                "error_tracking_erase",
                "--user",
                "7",
                "--email",
                "ann@example.org",
                "--json",
            )
        )
        assert (found["logs"], found["journals"]) == (2, [])
        for log in (ann, bob, eve):
            log.refresh_from_db()
        assert (ann.user_id, ann.user_label, ann.ip_address, ann.request_data) == (
            None,
            "",
            None,
            {},
        )
        assert "nn@example" not in f"{ann.traceback} {ann.exception_message}".lower()
        assert erasure.ERASED in ann.traceback
        assert (bob.user_label, bob.context) == ("bob", {})
        assert (eve.user_id, eve.request_data, eve.user_agent) == (
            9,
            {"body": {"x": 1}},
            "Firefox",
        )

    def test_names_of_the_user_go_from_other_texts(self):
        self.people()
        KnownBug.objects.create(title="ann cannot pay", description="Ask Ann")
        run("error_tracking_erase", "--user", "7")
        bug = KnownBug.objects.get()
        assert (bug.title, bug.description) == ("[erased] cannot pay", "Ask [erased]")

    def test_issues_and_files_are_named(self):
        ann, *_ = self.people()
        url = "https://github.com/acme/shop/issues/4"
        bug = KnownBug.objects.create(
            title="x", github_issue_url=url, file_name="B-001-x.md"
        )
        ErrorGroup.objects.filter(pk=ann.group_id).update(bug=bug)
        text = run("error_tracking_erase", "--user", "7")
        assert f"{bug.bug_id}: {url}" in text
        assert f"{bug.bug_id}: B-001-x.md" in text

    def test_dry_run_changes_nothing_and_export_hands_over(self, tmp_path):
        ann, *_ = self.people()
        file = tmp_path / "ann.jsonl"
        text = run(
            "error_tracking_erase", "--user", "7", "--dry-run", "--export", str(file)
        )
        assert text.startswith(
            "Would erase: 2 error logs"
        )  # hers, and one that has her name
        ann.refresh_from_db()
        assert ann.user_label == "ann"
        row, other = [json.loads(line) for line in file.read_text().splitlines()]
        assert other["user_id"] == 8
        assert (row["user_id"], row["reference"]) == (7, ann.reference)

    def test_a_person_goes_from_a_log_that_was_reduced_before(self):
        ann, *_ = self.people()
        retention.strip_personal_data(ann)
        ann.save()
        run("error_tracking_erase", "--email", "ann@example.org")
        ann.refresh_from_db()
        assert "nn@example" not in f"{ann.traceback} {ann.exception_message}".lower()

    def test_an_address_goes_also_where_it_was_masked(self):
        ann, *_ = self.people()
        run("error_tracking_erase", "--ip", "10.0.0.77")
        ann.refresh_from_db()
        assert (ann.ip_address, ann.user_label) == (None, "")

    def test_client_hashes_go(self):
        ann, *_ = self.people()
        today = timezone.now().date()
        own = client_hash_of("user:7", ann.fingerprint)
        for value in (own, "0" * 16):
            GroupClient.objects.create(group=ann.group, day=today, hash=value)
        run("error_tracking_erase", "--user", "7")
        assert list(GroupClient.objects.values_list("hash", flat=True)) == ["0" * 16]

    def test_bug_muted_until_more_people_waits_for_as_many_when_one_is_erased(self):
        ann, *_ = self.people()
        today = timezone.now().date()
        own = client_hash_of("user:7", ann.fingerprint)
        for value in (own, "0" * 16):
            GroupClient.objects.create(group=ann.group, day=today, hash=value)
        bug, _is_new = KnownBug.open_for_group(ann.group)
        bug.mute(people=10)
        before = bug.muted_until_people - bug.count_people()
        run("error_tracking_erase", "--user", "7")
        bug.refresh_from_db()
        assert bug.muted_until_people - bug.count_people() == before == 10

    def test_every_text_column_is_either_searched_or_written_by_machines_only(self):
        machines = set(MACHINES.split())
        for model in apps.get_app_config("error_tracking").get_models():
            if model._meta.proxy:
                continue
            texts = {
                field.name
                for field in model._meta.concrete_fields
                if isinstance(field, (CharField, TextField)) and not field.choices
            }
            assert texts - {*machines, *erasure.COLUMNS.get(model, ())} == set(), model
        jsons = {
            field.name
            for field in ErrorLog._meta.concrete_fields
            if isinstance(field, JSONField)
        }
        assert jsons == set(erasure.JSON_COLUMNS)

    def test_a_word_planted_in_every_searched_column_goes(self):
        log, bug = stored(), KnownBug.objects.create(title="x")
        rows = {ErrorLog: log, ErrorGroup: log.group, KnownBug: bug}
        rows[Activity] = Activity.objects.create(bug=bug)
        rows[Filing] = Filing.objects.create(bug=bug, tracker="x")
        rows[PullRequest] = PullRequest.objects.create(bug=bug, number=1)
        word = "ann@x.org"
        for model, row in rows.items():
            model.objects.filter(pk=row.pk).update(
                **dict.fromkeys(erasure.COLUMNS[model], word)
            )
        ErrorLog.objects.update(
            request_data={word: 1},
            context={"a": [word]},
            stacktrace=[{"frames": [{"context_line": word}]}],
        )
        run("error_tracking_erase", "--email", word)
        for model in rows:
            assert word not in json.dumps(list(model.objects.values()), default=str)

    def test_deleted_bugs_are_reached(self):
        bug = KnownBug.objects.create(title="ann@example.org")
        bug.delete()
        run("error_tracking_erase", "--email", "ann@example.org")
        assert KnownBug.all_objects.get().title == "[erased]"

    @pytest.mark.parametrize("args", [[], ["--email", "a"], ["--user", " "]])
    def test_nobody_is_an_error_that_says_what_to_do(self, args):
        with pytest.raises(
            CommandError, match="Name the person: --user, --email or --ip"
        ):
            run("error_tracking_erase", *args)

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            (["--user", "ada"], r"^--user ada is not the primary key of a user"),
            (["--user", "7; drop"], r"^--user 7; drop is not the primary key"),
            (["--ip", "10.0.0.777"], r"^--ip 10\.0\.0\.777 is not an IP address"),
            (["--user", "7", "--email", "a"], r"^--email a is too short"),
        ],
    )
    def test_a_wrong_value_is_one_sentence(self, args, words):
        with pytest.raises(CommandError, match=words) as caught:
            run("error_tracking_erase", *args)
        assert caught.value.returncode == 2

    def test_a_person_who_is_nowhere_is_a_failure(self):
        self.people()
        with pytest.raises(
            CommandError, match=r"^Nothing is stored about e-mail nobody@example\.org,"
        ) as caught:
            out = StringIO()
            arguments = ["--email", "nobody@example.org"]
            call_command("error_tracking_erase", *arguments, stdout=out)
        assert caught.value.returncode == 1
        assert out.getvalue() == ""

    @pytest.mark.parametrize("is_there", [True, False])
    def test_the_export_is_for_this_user_only(self, tmp_path, is_there):
        self.people()
        file = tmp_path / "ann.jsonl"
        if is_there:
            file.write_text("an older one")
            file.chmod(0o644)
        run("error_tracking_erase", "--user", "7", "--export", str(file))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "older" not in file.read_text()

    def test_parts_of_other_words_stay(self):
        log = stored(
            user_id="8",
            traceback="joann@example.org planned it. ann@example.organic. <ann@example.org>",
        )
        run("error_tracking_erase", "--email", "ann@example.org")
        log.refresh_from_db()
        assert (
            log.traceback
            == "joann@example.org planned it. ann@example.organic. <[erased]>"
        )


@pytest.mark.django_db(transaction=True)
def test_erasing_waits_until_no_journal_holds_the_person(writer_thread, tmp_path):
    from error_tracking import recorder

    recorder.submit(make_event(user_id="7", user_label="ann", environment="production"))
    [written] = tmp_path.glob("journals/*/*.journal")
    assert b"ann" in written.read_bytes()  # it waits: nobody has stored it yet
    found = json.loads(run("error_tracking_erase", "--user", "7", "--json"))
    assert (found["logs"], found["journals"]) == (1, [])
    left = tmp_path.glob("journals/*/*.journal")
    assert not any(b"ann" in file.read_bytes() for file in left)


def test_variables_go_from_whatever_is_stored():
    frames = [{"function": "pay", "vars": {"a": 1}}]
    stored_before = [5, {"frames": frames}, {}]
    assert retention.without_variables(stored_before) == [
        *(5, {"frames": [{"function": "pay"}]}, {}),
    ]
    assert retention.without_variables("x") == []
