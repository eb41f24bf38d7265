"""A journal folder that somebody else could have filled is neither read nor written, whenever that shows."""

from __future__ import annotations

import json
import os
import pwd
import shutil

import pytest

from error_tracking import health
from error_tracking.bugs.known import PublicState
from error_tracking.recorder import intake as intakes
from error_tracking.recorder import machine as machines
from error_tracking.recorder import private_folder
from error_tracking.recorder.machine import Machine
from error_tracking.recorder.private_folder import UntrustedFolderError
from tests.factories import make_event
from tests.test_recorder import left_by_a_dead_process

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root can give a folder to another user",
)
STRANGER = pwd.getpwnam("nobody").pw_uid
KNOWN = {"a" * 32: ["B-666", "open", "Call this number."]}


@pytest.fixture
def root(configure, tmp_path):
    """The journal root, below a folder that can be removed as a cleaner of /tmp does."""
    configure(JOURNAL_DIR=tmp_path / "cleaned" / "journals")
    return tmp_path / "cleaned" / "journals"


def make_readable_by_a_stranger(path):
    os.chown(path, STRANGER, STRANGER)
    path.chmod(0o755)


def plant(machine, root, *owned):
    """Make the folders anew with a journal and a known state in them, *owned* by a stranger."""
    name = machine.directory.name
    shutil.rmtree(root.parent)
    folder = root / name
    folder.mkdir(parents=True, mode=0o700)
    (folder / machines.KNOWN_FILE).write_text(json.dumps(KNOWN))
    left_by_a_dead_process(folder, b"forged", identity=machine.identity)
    for path in owned or (root.parent, root, folder):
        make_readable_by_a_stranger(path)


def assert_nothing_is_taken(machine, caplog):
    assert machine.read_known() is None
    assert machine.paths() == []
    assert list(machine.orphans()) == []
    with pytest.raises(OSError):
        machine.new_journal()
    assert machine.lead()
    machine.call_leader()
    machine.write_known({"b" * 32: PublicState("B-001", "open", "")})
    assert machine.directory is None
    assert "in memory only" in machine.problem


@needs_root
@pytest.mark.parametrize("level", ["above", "root", "folder"])
def test_folder_that_a_stranger_made_again_is_not_used(root, caplog, level):
    machine = Machine()
    owned = {"above": root.parent, "root": root, "folder": machine.directory}
    plant(machine, root, owned[level])
    before = sorted(path.name for path in (root / owned["folder"].name).iterdir())
    assert_nothing_is_taken(machine, caplog)
    assert sorted(path.name for path in owned["folder"].iterdir()) == before
    assert str(owned[level]) in machine.problem


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_folder_above_that_everybody_may_write_to_is_not_used(root, caplog, mode):
    machine = Machine()
    root.parent.chmod(mode)
    assert_nothing_is_taken(machine, caplog)
    assert "chmod" in machine.problem


@needs_root
def test_folder_above_that_another_group_may_write_to_is_not_used(root, caplog):
    machine = Machine()
    os.chown(root.parent, 0, STRANGER)
    root.parent.chmod(0o775)
    assert_nothing_is_taken(machine, caplog)


def test_sticky_folder_above_is_fine(root):
    root.parent.mkdir()
    root.parent.chmod(0o1777)
    assert Machine().directory is not None


@needs_root
def test_link_of_a_stranger_is_not_followed(configure, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    configure(JOURNAL_DIR=link / "journals")
    assert Machine().directory is not None
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    machine = Machine()
    assert machine.directory is None
    assert "symbolic link" in machine.problem


def test_links_in_a_circle_end(configure, tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    configure(JOURNAL_DIR=tmp_path / "a" / "journals")
    assert "too many" in Machine().problem


def test_relative_link_and_dots_lead_where_they_lead(configure, tmp_path):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/deep")
    configure(JOURNAL_DIR=tmp_path / "link" / ".." / "journals")
    assert Machine().directory is not None
    assert (tmp_path / "real" / "journals").is_dir()


@needs_root
def test_folder_that_was_open_to_all_is_used_only_without_a_strangers_files(root):
    root.mkdir(parents=True)
    root.chmod(0o777)
    (root / "planted").touch()
    os.chown(root / "planted", STRANGER, STRANGER)
    assert "planted" in Machine().problem
    assert "planted" in Machine().problem
    (root / "planted").unlink()
    assert Machine().directory is not None
    assert root.stat().st_mode & 0o777 == 0o700


@needs_root
def test_known_state_of_a_stranger_is_not_shown(root):
    machine = Machine()
    path = machine.directory / machines.KNOWN_FILE
    path.write_text(json.dumps(KNOWN))
    path.chmod(0o600)
    os.chown(path, STRANGER, STRANGER)
    assert machine.read_known() is None
    os.chown(path, 0, 0)
    os.utime(path, (1, 1))
    assert machine.read_known() == {"a" * 32: PublicState(*KNOWN["a" * 32])}


def test_files_are_not_read_through_links(root, tmp_path):
    machine = Machine()
    target = tmp_path / "target"
    target.write_text(json.dumps(KNOWN))
    target.chmod(0o600)
    for name in (machines.KNOWN_FILE, machines.LEADER_LOCK):
        (machine.directory / name).symlink_to(target)
    assert machine.read_known() is None
    assert machine.lead()
    assert machine._lock is None


@needs_root
def test_journal_that_others_may_write_to_is_left_alone(root, caplog):
    machine = Machine()
    path = left_by_a_dead_process(machine.directory, b"a", identity=machine.identity)
    path.chmod(0o666)
    assert list(machine.orphans()) == []
    assert "other users may write" in caplog.text


def test_leader_whose_lock_was_cleaned_away_takes_the_new_one(root):
    first, second = Machine(), Machine()
    assert first.lead()
    (first.directory / machines.LEADER_LOCK).unlink()
    assert second.lead()
    assert not first.lead()
    second.let_go()
    assert first.lead()
    first.let_go()


@needs_root
@pytest.mark.django_db(transaction=True)
def test_events_wait_in_memory_and_go_to_disk_when_the_folder_is_ours_again(
    root, monkeypatch, caplog
):
    intake = intakes.Intake(lambda: None)
    intake.submit(make_event())
    plant(intake.machine, root)
    intake.remove_drained()
    intake.submit(make_event())
    intake.submit(make_event())
    assert [each.storage.is_durable for each in intake.journals] == [True, False]
    assert caplog.text.count("in memory only") == 1
    shutil.rmtree(root.parent)
    later = intakes.time.monotonic() + 60
    monkeypatch.setattr(intakes.time, "monotonic", lambda: later)
    intake.submit(make_event())
    assert intake.current().storage.is_durable
    assert intake.machine.problem == ""
    assert intake.pending == 4
    intake.close()


def test_owner_is_looked_at_on_every_use(root, monkeypatch):
    """Also where this test is not run by root."""
    machine = Machine()
    monkeypatch.setattr(private_folder, "user", lambda: 12_345)
    assert machine.read_known() is None
    assert "is not a directory of this user" in machine.problem


def test_group_of_one_user_is_private(monkeypatch):
    own = pwd.getpwuid(os.geteuid())
    assert private_folder._is_private_group(own.pw_gid) is (own.pw_gid == os.geteuid())
    monkeypatch.setattr(private_folder, "user", lambda: 54_321)
    assert private_folder._is_private_group(54_321)
    assert not private_folder._is_private_group(1)


def test_error_names_what_is_wrong(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UntrustedFolderError, match="not a directory"),
        private_folder.opened(tmp_path / "file", create=False),
    ):
        raise AssertionError("it was opened")


@pytest.mark.django_db
def test_health_says_why(writer_thread, monkeypatch):
    machine = writer_thread.intake.machine
    monkeypatch.setattr(private_folder, "user", lambda: 12_345)
    machine.read_known()
    assert any("in memory only" in problem for problem in health().problems)
