"""Journals of a database that the project no longer has: shown, adopted or deleted; empty folders go alone."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from error_tracking import flush
from error_tracking.management import doctor
from error_tracking.recorder import leftovers
from error_tracking.recorder import machine as machines
from error_tracking.recorder.journal import COUNT, JournalFile
from error_tracking.recorder.leftovers import LeftoverError, State
from error_tracking.recorder.machine import Machine
from tests.factories import make_event
from tests.test_pipeline import assert_counted
from tests.test_recorder import fold_of, left_by_a_dead_process

DAY = 24 * 3_600


@pytest.fixture
def root(configure, tmp_path, monkeypatch):
    configure(JOURNAL_DIR=tmp_path / "journals")
    monkeypatch.setattr(leftovers, "default_root", lambda: tmp_path / "temporary")
    return tmp_path / "journals"


def another(configure, **changes):
    """Return the machine of this project as it was with another environment, or with *changes*."""
    configure(ENVIRONMENT="before", **changes)
    machine = Machine()
    configure(ENVIRONMENT="production")
    return machine


@pytest.fixture
def before(root, configure):
    """The folder of an earlier database, with two events and five that are only counted."""
    machine = another(configure)
    assert machine.lead()
    machine.let_go()
    event = make_event()
    left_by_a_dead_process(
        machine.directory, event.to_bytes(), identity=machine.identity
    )
    journal = JournalFile.create(machine.directory, machine.identity)
    journal.append(1, make_event().to_bytes())
    journal.append(COUNT, fold_of(event, count=5).to_bytes())
    journal.storage.close(unlink=False)
    return machine


def age(machine, seconds):
    moment = time.time() - seconds
    for path in (*machine.directory.iterdir(), machine.directory):
        os.utime(path, (moment, moment))


def run(*arguments):
    out = io.StringIO()
    call_command("error_tracking_journals", *arguments, stdout=out)
    return out.getvalue()


class TestFind:
    def test_orphaned_folder_is_described(self, before):
        [found] = leftovers.find(Machine())
        assert (found.path, found.state) == (before.directory, State.ORPHANED)
        assert (found.journals, found.events, found.unreadable) == (2, 7, 0)
        assert found.about["environment"] == "before"
        assert time.time() - found.written_at < 60

    def test_own_folder_and_former_ones_are_none(self, root, settings):
        settings.SECRET_KEY = "old"
        former = Machine()
        left_by_a_dead_process(former.directory, b"a", identity=former.identity)
        settings.SECRET_KEY = "new"
        settings.SECRET_KEY_FALLBACKS = ["old"]
        own = Machine()
        left_by_a_dead_process(own.directory, b"a", identity=own.identity)
        assert leftovers.find(own, every=True) == []

    def test_other_project_is_shown_only_on_request(self, before, settings):
        settings.SECRET_KEY = "of another project"
        machine = Machine()
        assert leftovers.find(machine) == []
        [found] = leftovers.find(machine, every=True)
        assert found.state is State.OTHER_PROJECT
        with pytest.raises(LeftoverError, match="SECRET_KEY_FALLBACKS"):
            leftovers.adopt(machine, found)
        with pytest.raises(LeftoverError, match="another project"):
            leftovers.discard(found)

    @pytest.mark.parametrize("what", ["leader", "journal"])
    def test_folder_of_a_living_process_is_in_use(self, before, what):
        if what == "leader":
            assert before.lead()
        else:
            journal = before.new_journal()
        machine = Machine()
        assert leftovers.find(machine) == []
        [found] = leftovers.find(machine, every=True)
        assert found.state is State.IN_USE
        for action in (
            lambda: leftovers.adopt(machine, found),
            lambda: leftovers.discard(found),
        ):
            with pytest.raises(LeftoverError, match="in use"):
                action()
        assert len(before.paths()) >= 2
        if what == "leader":
            before.let_go()
        else:
            journal.close()

    def test_earlier_journal_dir_is_found_in_the_temporary_folder(
        self, root, configure, tmp_path
    ):
        configure(JOURNAL_DIR=tmp_path / "temporary")
        old = Machine()
        left_by_a_dead_process(old.directory, b"a", identity=old.identity)
        configure(JOURNAL_DIR=root)
        machine = Machine()
        [found] = leftovers.find(machine)
        assert leftovers.adopt(machine, found) == 1
        assert len(machine.paths()) == 1

    def test_damaged_file_is_counted_and_stays(self, before):
        (before.directory / "x.journal").write_bytes(b"something else")
        machine = Machine()
        [found] = leftovers.find(machine)
        assert (found.journals, found.unreadable) == (2, 1)
        assert leftovers.adopt(machine, found) == 2
        assert [path.name for path in before.paths()] == ["x.journal"]


@pytest.mark.django_db(transaction=True)
class TestAdopt:
    def test_events_are_stored_once(self, root, configure, writer_thread):
        configure(JOURNAL_DIR=root)
        machine = another(configure, JOURNAL_DIR=root)
        events = [make_event() for _ in range(3)]
        for event in events:
            left_by_a_dead_process(
                machine.directory, event.to_bytes(), identity=machine.identity
            )
        own = Machine()
        [found] = leftovers.find(own)
        assert leftovers.adopt(own, found) == 3
        assert not machine.directory.exists()
        writer_thread.start()
        assert flush(10)
        assert_counted(3)

    def test_interrupted_adoption_can_be_done_again(self, before, monkeypatch):
        machine = Machine()
        [found] = leftovers.find(machine)
        with monkeypatch.context() as patch:
            patch.setattr(leftovers, "_move", _fails)
            with pytest.raises(LeftoverError, match="I/O error"):
                leftovers.adopt(machine, found)
        [found] = leftovers.find(machine)
        assert (found.journals, found.events) == (2, 7)
        assert leftovers.adopt(machine, found) == 2
        assert len(list(machine.orphans())) == 2

    def test_without_a_folder_of_ones_own_nothing_is_moved(self, before, monkeypatch):
        [found] = leftovers.find(Machine())
        monkeypatch.setattr(machines, "fcntl", None)
        with pytest.raises(LeftoverError, match="no folder to move them to"):
            leftovers.adopt(Machine(), found)
        assert len(before.paths()) == 2

    @pytest.mark.parametrize("action", ["adopt", "discard"])
    def test_disk_that_fails_leaves_the_journals(self, before, monkeypatch, action):
        machine = Machine()
        [found] = leftovers.find(machine)
        with monkeypatch.context() as patch:
            if action == "adopt":
                patch.setattr(Path, "rename", _fails)
            else:
                patch.setattr(os, "unlink", _fails)
            with pytest.raises(LeftoverError, match="I/O error"):
                if action == "adopt":
                    leftovers.adopt(machine, found)
                else:
                    leftovers.discard(found)
        assert len(before.paths()) == 2

    def test_other_file_system_gets_a_copy(self, before, monkeypatch):
        machine = Machine()
        [found] = leftovers.find(machine)
        rename = Path.rename

        def across(path, target):
            if path.parent != Path(target).parent:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", across)
        assert leftovers.adopt(machine, found) == 2
        assert {path.stat().st_mode & 0o777 for path in machine.paths()} == {0o600}
        assert len(list(machine.orphans())) == 2

    def test_journal_that_is_there_already_is_not_replaced(self, before):
        machine = Machine()
        [found] = leftovers.find(machine)
        (machine.directory / before.paths()[0].name).write_bytes(b"another")
        with pytest.raises(LeftoverError, match="already there"):
            leftovers.adopt(machine, found)


def _fails(*_args, **_kwargs):
    raise OSError(errno.EIO, "I/O error")


class TestLeader:
    def test_it_is_logged_once_a_day_whoever_leads(self, before, caplog):
        for _ in range(3):
            leftovers.check_folders(Machine())
        assert caplog.text.count("wait: folder=") == 1
        assert "events=7" in caplog.text
        assert "error_tracking_journals" in caplog.text
        machine = Machine()
        os.utime(machine.directory / leftovers.REPORT_FILE, (1, 1))
        leftovers.check_folders(machine)
        leftovers.check_folders(machine)
        assert caplog.text.count("wait: folder=") == 2

    def test_nothing_is_logged_of_folders_in_use(self, before, caplog):
        assert before.lead()
        leftovers.check_folders(Machine())
        before.let_go()
        assert "wait" not in caplog.text

    @pytest.mark.parametrize("is_other_project", [False, True])
    def test_old_empty_folder_is_removed(
        self, root, configure, settings, is_other_project
    ):
        if is_other_project:
            settings.SECRET_KEY = "other"
        machine = another(configure)
        machine.lead()
        machine.let_go()
        machine.write_known({"a" * 32: None})
        settings.SECRET_KEY = "this"
        leftovers.check_folders(Machine())
        assert machine.directory.exists(), "it is young"
        age(machine, 2 * DAY)
        leftovers.check_folders(Machine())
        assert not machine.directory.exists()

    def test_folder_of_an_earlier_version_is_removed_when_empty(self, root):
        machine = Machine()
        old = root / ("a" * 16)
        old.mkdir(mode=0o700)
        os.utime(old, (1, 1))
        leftovers.check_folders(machine)
        assert not old.exists()

    @pytest.mark.parametrize("what", ["journal", "file", "leader", "name"])
    def test_folder_that_is_not_empty_not_ours_or_in_use_stays(
        self, root, configure, what
    ):
        machine = another(configure)
        path = machine.directory
        if what == "journal":
            left_by_a_dead_process(path, b"a", identity=machine.identity)
        elif what == "file":
            (path / "notes.txt").touch()
        elif what == "leader":
            assert machine.lead()
        age(machine, 2 * DAY)
        if what == "name":
            path = path.rename(root / "somebody-elses")
        leftovers.check_folders(Machine())
        assert path.exists()
        machine.let_go()

    def test_own_folder_stays(self, root):
        machine = Machine()
        age(machine, 2 * DAY)
        leftovers.check_folders(machine)
        assert machine.directory.exists()

    def test_leader_of_a_writer_looks_after_them(
        self, before, configure, root, writer_thread, caplog
    ):
        configure(JOURNAL_DIR=root)
        writer_thread.intake.adopt()
        assert "wait: folder=" in caplog.text


class TestCommand:
    def test_list_says_what_waits_and_what_to_do(self, before):
        text = run()
        assert f"{before.directory}: orphaned, 7 events in 2 journals" in text
        assert "environment before" in text
        assert "adopt FOLDER" in text
        [found] = json.loads(run("list", "--json"))
        assert (found["name"], found["events"]) == (before.directory.name, 7)

    def test_list_names_damaged_files(self, before):
        (before.directory / "x.journal").write_bytes(b"something else")
        assert "  1 file cannot be read as journals" in run()

    def test_list_of_a_folder_in_use_has_no_advice(self, before):
        assert before.lead()
        text = run("list", "--all")
        before.let_go()
        assert f"{before.directory}: in use" in text
        assert "adopt" not in text

    def test_nothing_waits(self, root):
        assert run() == "No journals wait for another database.\n"

    @pytest.mark.parametrize("by", ["name", "path"])
    def test_adopt(self, before, by):
        folder = before.directory
        text = run("adopt", folder.name if by == "name" else str(folder), "--no-input")
        assert f"Adopted 2 journals of {folder}" in text
        assert "within a minute" in text
        assert len(Machine().paths()) == 2
        assert not folder.exists()

    def test_discard(self, before):
        text = run("discard", before.directory.name, "--no-input", "--json")
        assert json.loads(text) == [
            {"path": str(before.directory), "journals": 2, "error": ""}
        ]
        assert not before.directory.exists()
        assert Machine().paths() == []

    @pytest.mark.parametrize(
        ("arguments", "status", "match"),
        [
            (("adopt",), 2, "at least one folder"),
            (("adopt", "unknown"), 2, "no folder 'unknown'"),
            (("list", "x"), 2, "takes no folder"),
        ],
    )
    def test_wrong_usage(self, before, arguments, status, match):
        with pytest.raises(CommandError, match=match) as caught:
            run(*arguments)
        assert caught.value.returncode == status
        assert len(before.paths()) == 2

    def test_one_unknown_folder_changes_nothing(self, before):
        with pytest.raises(CommandError):
            run("discard", before.directory.name, "unknown", "--no-input")
        assert len(before.paths()) == 2

    @pytest.mark.parametrize("action", ["adopt", "discard"])
    def test_refusal_is_status_1(self, before, action):
        assert before.lead()
        with pytest.raises(CommandError, match="1 folder") as caught:
            run(action, before.directory.name, "--no-input")
        assert caught.value.returncode == 1
        before.let_go()

    @pytest.mark.parametrize(
        ("action", "what"),
        [("discard", "delete"), ("adopt", "store them in this project's database")],
    )
    @pytest.mark.parametrize(("answer", "left"), [("", 2), ("n", 2), ("yes", 0)])
    def test_it_asks_first(self, before, monkeypatch, action, what, answer, left):
        questions = []

        def ask(question):
            questions.append(question)
            return answer

        monkeypatch.setattr("builtins.input", ask)
        monkeypatch.setattr(
            sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})()
        )
        if left:
            with pytest.raises(CommandError, match="Nothing was changed"):
                run(action, before.directory.name)
        else:
            run(action, before.directory.name)
        assert questions == [f"{action.capitalize()} 7 events ({what})? [y/N] "]
        assert len(before.paths()) == left

    def test_nobody_to_ask_is_wrong_usage(self, before, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(CommandError, match="--no-input") as caught:
            run("discard", before.directory.name)
        assert caught.value.returncode == 2


@pytest.mark.django_db
def test_doctor_names_orphaned_folders(before):
    found = {finding.step: finding for finding in doctor.examine()}["journal_file"]
    assert (found.state, str(before.directory) in found.found) == ("warn", True)
    assert "7 events" in found.found
    assert "error_tracking_journals" in found.advice


LEADER = """
    import sys
    from django.conf import settings
    settings.configure(
        SECRET_KEY="x", INSTALLED_APPS=["error_tracking"], ERROR_TRACKING={"JOURNAL_DIR": sys.argv[1]},
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "HOST": sys.argv[2],
                               "USER": "shop", "PASSWORD": "hidden"}},
    )
    import django; django.setup()
    from error_tracking.recorder import leftovers
    from error_tracking.recorder.machine import Machine
    machine = Machine()
    machine.lead()
    if sys.argv[2] == "db1":
        machine.new_journal().append(1, b"an event")
    else:
        print(*[(each.events, each.about["host"], each.state) for each in leftovers.find(machine)])
        print(*[path.read_text() for path in machine.directory.parent.glob("*/leader.lock")])
"""


def test_host_that_changes_while_events_wait(tmp_path):
    answers = [
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(LEADER), str(tmp_path), host],
            capture_output=True, text=True, check=True, timeout=60,
            env={**os.environ, "PYTHONPATH": str(Path("src").resolve())},
        ).stdout
        for host in ("db1", "db2")
    ]  # fmt: skip
    assert "(1, 'db1', <State.ORPHANED: 'orphaned'>)" in answers[1]
    assert "hidden" not in answers[1]
