"""What people and scripts do from a shell: one round of the sweep, and bugs listed, shown and changed."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.db import DataError, connection
from django.utils import timezone

from error_tracking.exceptions import TrackerError
from error_tracking.filing import allowance, issue_sync
from error_tracking.management import base, doctor
from error_tracking.management.commands import error_tracking_bugs, error_tracking_sync
from error_tracking.models import (
    Activity,
    ErrorGroup,
    Filing,
    HourlyTotal,
    KnownBug,
    known_bug,
)
from error_tracking.recorder import store
from error_tracking.trackers import Filed, Tracker

from .factories import make_event

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent


class Refusing(Tracker):
    name = "refusing"

    def file(self, report):
        raise TrackerError("no room")


class Elsewhere(Tracker):
    name = "elsewhere"

    def unavailable_reason(self):
        return "its token is on another server"

    def file(self, report):
        return Filed("never")


def _interrupt(*_args, **_options):
    raise KeyboardInterrupt


def run(command, *args):
    out = StringIO()
    call_command(f"error_tracking_{command}", *args, stdout=out)
    return out.getvalue()


def bugs(*args):
    return run("bugs", *args)


def make_bug(title="It broke", **values):
    return KnownBug.objects.create(
        **{"title": title, "environment": "production", **values}
    )


class TestSync:
    @pytest.fixture(autouse=True)
    def _error(self):
        store.store([make_event()])

    def told(self, *args):
        return json.loads(run("sync", "--json", *args))

    def test_makes_a_bug_and_files_it(self, tmp_path):
        told = self.told()
        assert told["new"] == ["B-001"]
        [filed] = told["filed"]
        assert filed.startswith("B-001 markdown: ")
        assert len(list((tmp_path / "planning" / "tasks").iterdir())) == 1
        assert not any(
            value for name, value in told.items() if name not in {"new", "filed"}
        )

    def test_says_it_in_words(self):
        text = run("sync")
        assert text.startswith("New: 1\n  B-001\nFiled: 1\n  B-001 markdown: ")
        assert run("sync") == "Nothing to do.\n"

    def test_brings_up_to_date_what_has_news(self):
        run("sync")
        KnownBug.objects.get().resolve()
        told = self.told()
        assert (told["new"], told["filed"], told["updated"]) == (
            [],
            [],
            ["B-001 markdown"],
        )

    def test_has_failed_when_something_failed_in_this_round(self, configure):
        configure(TRACKERS=["tests.test_commands.Refusing"])
        with pytest.raises(
            CommandError, match=r"^1 step of this round failed\.$"
        ) as caught:
            run("sync")
        assert caught.value.returncode == 1
        told = self.told()
        assert (told["failed"], told["waiting"]) == ([], ["1 refusing: no room"]), (
            "it was an earlier round that failed"
        )

    def test_tells_what_was_given_up_without_failing_again(self):
        run("sync")
        Filing.objects.update(
            state="failed",
            reason="no such place",
            modified=timezone.now() - dt.timedelta(hours=1),
        )
        assert self.told()["given up"] == ["1 markdown: no such place"]

    def test_tells_why_something_waits_or_is_paused(self, configure, monkeypatch):
        configure(TRACKERS=["tests.test_commands.Elsewhere"])
        monkeypatch.setitem(allowance.PER_HOUR, "crash", 0)
        told = self.told()
        assert told["waiting"][0] == "1 elsewhere: its token is on another server"
        [paused] = told["paused"]
        assert paused.startswith("1 markdown: paused: 0 bugs were filed in this hour")

    def test_says_when_errors_are_held_for_seconds(self):
        cause = "OperationalError in psycopg.connect"
        store.store([make_event(fingerprint="e" * 32)])
        ErrorGroup.objects.filter(fingerprint="e" * 32).update(
            cause=cause, culprit="shop.pay"
        )
        assert run("sync").endswith(
            "Some errors wait a few seconds, in case others have the same cause. "
            "Run the command again then.\n"
        )

    def test_makes_no_bugs_where_none_are_wanted(self, configure):
        configure(AUTO_CREATE_BUGS=False)
        assert run("sync") == "Nothing to do.\n"

    def test_issues_that_cannot_be_read_are_a_failure(
        self, configure, monkeypatch, tmp_path
    ):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        monkeypatch.setenv("PATH", str(tmp_path))
        configure(
            GITHUB_REPO=f"http://127.0.0.1:{port}/acme/shop", GITHUB_TOKEN="made-up"
        )
        make_bug(
            github_issue_number=4,
            github_issue_url="https://github.com/acme/shop/issues/4",
        )
        with pytest.raises(CommandError, match=r"^2 steps of this round failed\.$"):
            run("sync")

    def test_counts_the_bugs_that_followed_their_issues(self, monkeypatch):
        monkeypatch.setattr(issue_sync, "sync_issues", lambda: 2)
        assert run("sync").endswith("\nFollowed: 2\n")

    def test_shows_on_a_terminal_what_it_does(self, monkeypatch, capsys):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        run("sync")
        shown = capsys.readouterr().err
        assert "new bug: bug=B-001" in shown
        assert "filed: bug=B-001 tracker=markdown" in shown
        run("sync", "--json")
        assert capsys.readouterr().err == ""

    def test_is_a_task_of_celery_too(self):
        from celery import current_app

        from error_tracking.integrations.celery import sync

        task = current_app.tasks["error_tracking.sync"]
        assert task.ignore_result
        assert sync() is None
        assert KnownBug.objects.get().file_name

    def test_task_survives_issues_that_cannot_be_read(self, monkeypatch, caplog):
        from error_tracking.integrations.celery import sync

        def away():
            raise TrackerError("GitHub wants a rest")

        monkeypatch.setattr(issue_sync, "sync_issues", away)
        sync()
        assert "GitHub wants a rest" in caplog.text


class TestList:
    def ids(self, *args):
        return [bug["bug_id"] for bug in json.loads(bugs("list", "--json", *args))]

    @pytest.fixture(autouse=True)
    def _bugs(self):
        make_bug(severity="low")
        make_bug(status="resolved")
        make_bug("Staging broke", status="muted", environment="staging")
        make_bug("Gone").delete()

    def test_shows_open_ones_the_newest_first(self):
        assert self.ids() == ["B-003", "B-001"]

    @pytest.mark.parametrize(
        ("args", "expected"),
        [
            (["--all"], ["B-003", "B-002", "B-001"]),
            (["--status", "resolved"], ["B-002"]),
            (["--severity", "low"], ["B-001"]),
            (["--environment", "staging"], ["B-003"]),
            (["--all", "--limit", "2"], ["B-003", "B-002"]),
            (["--deleted"], ["B-004"]),
        ],
        ids=" ".join,
    )
    def test_filters(self, args, expected):
        assert self.ids(*args) == expected

    def test_is_a_table_that_says_what_it_leaves_out(self):
        lines = bugs("list", "--limit", "1").splitlines()
        assert lines[0].split() == [
            "bug",
            "severity",
            "status",
            "seen",
            "last",
            "title",
        ]
        assert lines[1].split() == ["B-003", "medium", "muted", "0", "Staging", "broke"]
        assert lines[2] == "1 of 2: --limit 2 shows all."

    def test_fits_a_terminal(self, monkeypatch):
        make_bug("a long title " * 19)
        monkeypatch.setenv("COLUMNS", "60")
        out = StringIO()
        out.isatty = lambda: True
        call_command("error_tracking_bugs", "list", stdout=out)
        assert max(map(len, out.getvalue().splitlines())) == 60
        assert max(map(len, bugs("list").splitlines())) > 200, (
            "what a program reads is not cut"
        )

    def test_says_when_there_is_none(self):
        assert bugs("list", "--severity", "critical") == "No bugs match.\n"

    def test_terminal_gets_no_control_characters(self):
        make_bug("\x1b[2Jcleared\u202e")
        assert not re.search("[\x1b\u202e]", bugs("list") + bugs("show", "B-005"))

    @pytest.mark.parametrize("limit", ["0", "x"])
    def test_limit_is_a_number(self, limit):
        with pytest.raises(CommandError, match="--limit"):
            bugs("list", "--limit", limit)


class TestNames:
    @pytest.mark.parametrize("name", ["B-012", "b-12", "12", "b-012", " 012"])
    def test_of_one_bug(self, name):
        make_bug(number=12, bug_id="B-012")
        assert json.loads(bugs("show", name, "--json"))[0]["bug_id"] == "B-012"

    def test_with_the_prefix_of_the_settings(self, configure):
        configure(BUG_PREFIX="ST")
        make_bug()
        assert json.loads(bugs("show", "1", "--json"))[0]["bug_id"] == "ST-001"

    def test_that_are_unknown_say_which_are_near(self):
        make_bug(number=12, bug_id="B-012")
        make_bug(number=571, bug_id="B-571")
        with pytest.raises(
            CommandError, match=r"^There is no bug B-021: did you mean B-012"
        ) as caught:
            bugs("show", "b-21", "nonsense", "B-012")
        assert (
            "There is no bug nonsense: 'error_tracking_bugs list --all' shows all."
            in str(caught.value)
        )

    @pytest.mark.parametrize("action", ["resolve", "start", "mute", "file", "merge"])
    def test_of_which_one_is_wrong_change_nothing(self, action):
        make_bug()
        make_bug()
        with pytest.raises(CommandError, match="B-099"):
            bugs(
                action,
                "B-001",
                "B-099",
                *(["--into", "B-002"] if action == "merge" else []),
            )
        assert set(KnownBug.objects.values_list("status", flat=True)) == {"open"}
        assert not Filing.objects.exists()

    def test_of_a_deleted_bug_are_for_looking_only(self):
        make_bug().delete()
        assert json.loads(bugs("show", "1", "--json"))[0]["is_deleted"] is True
        with pytest.raises(
            CommandError, match="B-001 is deleted: restore it in the admin first"
        ):
            bugs("resolve", "1")


class TestShow:
    def test_tells_all_there_is(self, bug):
        Filing.objects.filter(bug=bug).update(reason="no room", attempts=2)
        bug.resolve(by="ada", release="1.2")
        text = bugs("show", bug.bug_id)
        for words in (
            f"{bug.bug_id} ValueError in shop.pay",
            "severity             high",
            "resolved in release  1.2",
            "Groups\n",
            "Filings\n  markdown  waiting  no room",
            "History\n",
            "resolved  ada",
        ):
            assert words in text, text
        assert "muted until" not in text

    def test_gives_the_same_as_json(self, bug):
        KnownBug.objects.update(description="as long\nas it is")
        [known] = json.loads(bugs("show", bug.bug_id, "--json"))
        assert known["title"] == bug.title
        assert known["description"] == "as long\nas it is"
        assert known["groups"][0]["times_seen"] == 1
        assert known["filings"] == [
            {"tracker": "markdown", "state": "waiting", "where": ""}
        ]
        assert [line["verb"] for line in known["history"]] == ["created"]
        assert "as long\nas it is" in bugs("show", bug.bug_id)

    def test_several(self):
        make_bug()
        make_bug("Another")
        assert re.findall(r"^B-\d+", bugs("show", "1", "2", "B-001"), re.MULTILINE) == [
            "B-001",
            "B-002",
        ]


class TestChanges:
    @pytest.fixture(autouse=True)
    def _bugs(self, monkeypatch):
        monkeypatch.setenv("LOGNAME", "ada")
        make_bug()
        make_bug()

    def status(self, number=1):
        return KnownBug.objects.get(number=number).status

    def test_life_of_a_bug(self):
        for action, status in [
            ("start", "in_progress"),
            ("mute", "muted"),
            ("unmute", "open"),
            ("resolve", "resolved"),
            ("reopen", "open"),
        ]:
            assert bugs(action, "b-1") == f"B-001 is now {status.replace('_', ' ')}.\n"
            assert self.status() == status
        assert set(Activity.objects.values_list("by", flat=True)) == {
            "command line: ada"
        }

    def test_several_at_once(self):
        KnownBug.objects.get(number=2).resolve()
        told = json.loads(bugs("resolve", "1", "2", "--release", "1.2", "--json"))
        assert told == {
            "changed": ["B-001"],
            "unchanged": {"B-002": "B-002 is already resolved."},
        }
        assert KnownBug.objects.get(number=1).resolved_in_release == "1.2"

    @pytest.mark.parametrize(
        ("status", "action", "text"),
        [
            ("resolved", "resolve", "B-001 is already resolved."),
            ("open", "reopen", "B-001 is already open."),
            ("muted", "mute", "B-001 is already muted."),
            ("in_progress", "start", "B-001 is already in progress."),
            ("resolved", "mute", "B-001 is resolved: there is nothing to mute."),
            ("muted", "reopen", "B-001 is muted: there is nothing to reopen."),
        ],
    )
    def test_what_changes_nothing_says_so(self, status, action, text):
        KnownBug.objects.update(status=status)
        assert bugs(action, "1") == f"{text}\n"

    def test_mute_until_a_day(self):
        bugs("mute", "1", "--until", "2999-01-31")
        bug = KnownBug.objects.get(number=1)
        assert timezone.localtime(bug.muted_until).date() == dt.date(2999, 1, 31)

    def test_mute_until_so_many_more_events(self):
        KnownBug.objects.update(occurrence_count=5)
        bugs("mute", "1", "--events", "10")
        assert KnownBug.objects.get(number=1).muted_until_count == 15

    def test_mute_until_so_many_more_people(self):
        bugs("mute", "1", "--people", "10")
        bug = KnownBug.objects.get(number=1)
        assert bug.muted_until_people == bug.count_people() + 10
        assert "muted until people" in bugs("show", "1")

    @pytest.mark.parametrize(
        "args",
        [
            ["--until", "2020-01-01"],
            ["--until", "soon"],
            ["--events", "0"],
            ["--events", "1", "--until", "2999-01-01"],
            ["--people", "0"],
            ["--events", "1", "--people", "1"],
        ],
    )
    def test_mute_refuses_nonsense(self, args):
        with pytest.raises(CommandError, match=r"--until|--events|--people"):
            bugs("mute", "1", *args)
        assert self.status() == "open"

    def test_merge(self):
        store.store([make_event(), make_event(fingerprint="e" * 32)])
        for group, number in zip(
            ErrorGroup.objects.order_by("pk"), (1, 2), strict=True
        ):
            ErrorGroup.objects.filter(pk=group.pk).update(
                bug=KnownBug.objects.get(number=number)
            )
        assert (
            bugs("merge", "2", "--into", "1")
            == "B-002 is now resolved and part of B-001.\n"
        )
        assert KnownBug.objects.get(number=1).groups.count() == 2
        assert (
            bugs("merge", "2", "--into", "1")
            == "B-002 was already merged into B-001.\n"
        )
        assert bugs("reopen", "2") == "B-002 was already merged into B-001.\n"

    def test_merge_is_of_all_or_none(self):
        make_bug(status="resolved")
        with pytest.raises(CommandError, match="B-001 cannot be merged into itself"):
            bugs("merge", "2", "1", "--into", "1")
        with pytest.raises(
            CommandError,
            match=r"B-003 is resolved: reopen it before others are merged into it\.",
        ):
            bugs("merge", "2", "--into", "3")
        assert self.status(2) == "open"

    def test_bug_that_another_process_has_merged_is_not_merged_again(self):
        survivor, bug = make_bug(), make_bug(occurrence_count=3)
        assert known_bug._merge(bug, survivor, "ada")
        before = Activity.objects.count()
        assert not known_bug._merge(bug, survivor, "ada")
        assert Activity.objects.count() == before

    def test_user_without_a_name_has_a_number(self, monkeypatch):
        for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
        bugs("start", "1")
        assert Activity.objects.get().by == f"command line: {os.geteuid()}"


class TestFile:
    def test_writes_what_is_missing_and_says_what_cannot_be_filed_here(self, configure):
        configure(TRACKERS=["tests.test_commands.Elsewhere"])
        make_bug()
        first, second = bugs("file", "1").splitlines()
        assert re.fullmatch(
            r"B-001  elsewhere  waiting +its token is on another server", first
        )
        assert re.fullmatch(r"B-001  markdown   filed +/.*B-001-it-broke.md", second)
        assert KnownBug.objects.get().file_name

    def test_tries_again_what_was_given_up(self):
        bug = make_bug()
        Filing.objects.create(
            bug=bug, tracker="markdown", state="failed", attempts=10, reason="no room"
        )
        [filing] = json.loads(bugs("file", "1", "--json"))
        assert (filing["bug_id"], filing["tracker"], filing["state"]) == (
            "B-001",
            "markdown",
            "filed",
        )

    def test_has_failed_when_a_tracker_refuses(self, configure):
        configure(TRACKERS=["tests.test_commands.Refusing"])
        make_bug()
        with pytest.raises(CommandError, match=r"^1 filing of 2 failed\.$"):
            bugs("file", "1")

    @pytest.mark.parametrize(
        ("status", "word"), [("muted", "muted"), ("resolved", "resolved")]
    )
    def test_says_why_a_bug_has_to_wait(self, status, word):
        make_bug(status=status)
        assert bugs("file", "1").split() == [
            "B-001",
            "markdown",
            "waiting",
            "the",
            "bug",
            "is",
            word,
        ]

    def test_leaves_bugs_of_other_environments_alone(self):
        make_bug(environment="staging")
        make_bug()
        with pytest.raises(
            CommandError,
            match=r"B-001 is of environment 'staging': only a process of that environment files it, and this is",
        ):
            bugs("file", "2", "1")
        assert not Filing.objects.exists()


class TestPlainWords:
    """A state that has a name is one sentence and a documented exit status."""

    ARGUMENTS = {
        "bugs": ["list"],
        "sync": [],
        "prune": [],
        "export": ["B-001"],
        "erase": ["--user", "7"],
    }

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("command", ARGUMENTS)
    def test_a_missing_table_is_named_at_once(self, command):
        with connection.schema_editor() as editor:
            editor.delete_model(HourlyTotal)
        try:
            with pytest.raises(CommandError) as caught:
                run(command, *self.ARGUMENTS[command])
        finally:
            with connection.schema_editor() as editor:
                editor.create_model(HourlyTotal)
        assert str(caught.value) == (
            "The table error_tracking_hourlytotal is missing in database 'default'. "
            "Run manage.py migrate."
        )
        assert caught.value.returncode == 3

    def test_every_command_that_uses_tables_is_tried_here(self):
        names = {
            name.removeprefix("error_tracking_")
            for name, app in get_commands().items()
            if app == "error_tracking"
        }
        assert names - {"doctor", "journals", "pull"} == set(self.ARGUMENTS)

    def test_an_output_that_cannot_be_written_names_it(self, bug, tmp_path):
        path = tmp_path / "missing" / "bug.md"
        with pytest.raises(CommandError, match=f"^Cannot write {path}: No such file"):
            run("export", bug.bug_id, "--output", str(path))
        with pytest.raises(CommandError) as caught:
            run("erase", "--user", "7", "--export", str(path))
        assert caught.value.returncode == 2

    @pytest.mark.parametrize(
        ("count", "words"),
        [(0, "0 bugs"), (1, "1 bug"), (2, "2 bugs"), (1200, "1,200 bugs")],
    )
    def test_counts_have_their_plural(self, count, words):
        assert base.counted(count, "bug") == words

    def test_plural_of_its_own(self):
        assert base.counted(2, "client hash", "client hashes") == "2 client hashes"

    def test_no_string_of_a_command_forgets_the_singular(self):
        """A number in front of a word in the plural goes through ``counted``."""
        nouns = "bugs|error logs|files|rows|hashes|steps|events|processes|days"
        for path in Path(base.__file__).parent.rglob("*.py"):
            found = re.findall(rf"\}} (?:\w+ )?(?:{nouns})\b", path.read_text())
            assert not found, path

    def test_times_have_their_zone(self, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        make_bug(last_occurrence=dt.datetime(2026, 1, 31, 23, 30, tzinfo=dt.UTC))
        assert "2026-02-01 08:30 JST" in bugs("list")
        assert "2026-02-01 08:30 JST" in bugs("show", "1")

    def test_interrupt_has_the_status_that_shells_expect(self, monkeypatch):
        monkeypatch.setattr(error_tracking_bugs.Command, "handle", _interrupt)
        with pytest.raises(CommandError, match="Interrupted") as caught:
            bugs("list")
        assert caught.value.returncode == 130

    def test_database_error_without_a_plain_meaning_is_raised(self, monkeypatch):
        def fail(*_args, **_options):
            raise DataError("value too long")

        monkeypatch.setattr(error_tracking_bugs.Command, "handle", fail)
        with pytest.raises(DataError, match="value too long"):
            bugs("list")

    def test_output_that_nobody_reads_any_more_is_no_failure_of_ours(self, tmp_path):
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
            "TEST_DATABASE": "sqlite",
            "TEST_SQLITE_FILE": str(tmp_path / "site.sqlite3"),
        }
        django = [sys.executable, "-m", "django"]
        subprocess.run(
            [*django, "migrate", "-v0"], env=environment, check=True, cwd=tmp_path
        )
        answer = subprocess.run(
            f"{shlex.join([*django, 'error_tracking_bugs', 'list', '--json'])} | true",
            shell=True,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.stderr == ""


class TestNoBugs:
    def test_says_when_debug_holds_them_back(self, settings, configure):
        settings.DEBUG = True
        assert "because DEBUG is on" in bugs("list")
        configure(AUTO_CREATE_BUGS=True)
        assert bugs("list") == "No bugs.\n"

    def test_says_when_a_setting_does(self, configure):
        configure(AUTO_CREATE_BUGS=False)
        assert "because AUTO_CREATE_BUGS is False" in bugs("list")


class TestMutedAgain:
    @pytest.fixture(autouse=True)
    def _muted(self):
        make_bug(occurrence_count=5)
        bugs("mute", "1", "--until", "2998-01-31")

    def test_gets_the_new_date(self):
        answer = bugs("mute", "1", "--until", "2999-02-01T12:00")
        assert answer.startswith("B-001 is now muted until 2999-02-01 12:00 ")
        until = KnownBug.objects.get().muted_until
        assert timezone.localtime(until).date() == dt.date(2999, 2, 1)

    def test_gets_a_number_of_occurrences_instead(self):
        answer = bugs("mute", "1", "--events", "1")
        assert answer == "B-001 is now muted for 1 more occurrence.\n"
        bug = KnownBug.objects.get()
        assert (bug.muted_until, bug.muted_until_count) == (None, 6)

    @pytest.mark.parametrize(
        ("number", "words"), [(1, "1 more person"), (2, "2 more people")]
    )
    def test_gets_a_number_of_people_instead(self, number, words):
        answer = bugs("mute", "1", "--people", str(number))
        assert answer == f"B-001 is now muted for {words}.\n"
        bug = KnownBug.objects.get()
        assert (bug.muted_until, bug.muted_until_people) == (None, number)

    def test_without_an_end_keeps_the_old_one_and_says_so(self):
        answer = bugs("mute", "1")
        assert answer.startswith("B-001 is already muted until 2998-01-31 00:00 ")
        assert answer.endswith("; unmute it first to mute it for ever.\n")
        assert KnownBug.objects.get().muted_until is not None


def test_wrong_sub_command_on_the_command_line_shows_the_usage():
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "django", "error_tracking_bugs", "resolve"]
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert "error_tracking_bugs resolve" in answer.stderr
    assert "required: BUG" in answer.stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--until", "invalid date value"),
        ("--events", "invalid number"),
        ("--people", "invalid number"),
    ],
)
def test_value_that_cannot_be_read_is_told_in_a_user_s_words(option, words):
    with pytest.raises(CommandError, match=words):
        bugs("mute", "1", option, "soon")


HUGE = "9" * 40


@pytest.mark.parametrize(
    "arguments",
    [
        ["bugs", "list", "--limit", HUGE],
        ["bugs", "mute", "1", "--events", HUGE],
        ["bugs", "mute", "1", "--people", HUGE],
        ["bugs", "mute", "1", "--until", "0001-01-01"],
        ["bugs", "mute", "1", "--until", "9999-12-31T23:59-12:00"],
        ["bugs", "resolve", "1", "--release", "r" * 101],
        ["bugs", "show", HUGE],
        ["bugs", "show", "B-1\0"],
        ["export", HUGE],
        ["export", "1", "--output", "a\0b"],
        ["prune", "--days", HUGE],
        ["prune", "--days", "36501"],
        ["erase", "--user", HUGE],
        ["erase", "--user", "-1", "--ip", HUGE],
        ["erase", "--user", "7", "--export", "a\0b", "--dry-run"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40].replace("\0", "NUL"),
)
def test_a_value_that_nothing_can_hold_is_one_sentence(arguments):
    make_bug()
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    # argparse ends a process with 2; called from code it raises with status 1.
    assert caught.value.returncode in {1, 2}
    assert len(str(caught.value)) < 400
    assert KnownBug.objects.get().status == "open"


def test_every_command_and_option_is_documented():
    page = (ROOT / "docs/reference/commands.md").read_text()
    ours = [name for name, app in get_commands().items() if app == "error_tracking"]
    assert {
        "error_tracking_sync",
        "error_tracking_bugs",
        "error_tracking_doctor",
    } <= set(ours)
    headings = " ".join(re.findall(r"^## (.*)$", page, re.MULTILINE))
    assert {name for name in ours if name not in headings} == set()
    source = "".join(
        path.read_text()
        for path in Path(error_tracking_sync.__file__).parent.glob("*.py")
    )
    options = set(re.findall(r'add_argument\("(--[a-z-]+)"', source))
    assert {
        option for option in options if not re.search(rf"[`\[ ]{option}\b", page)
    } == set()
    assert {
        action for action in error_tracking_bugs.ACTIONS if f"| `{action}" not in page
    } == set()


def test_every_step_of_the_doctor_is_documented():
    page = (ROOT / "docs/reference/commands.md").read_text()
    names = [step.name for step in doctor.STEPS]
    assert (
        re.findall(
            r"^\| `(\w+)` \|", page.partition("## error_tracking_bugs")[0], re.MULTILINE
        )
        == names
    )
