"""The commits that changed the files of a bug: between two releases, from a real repository."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import time

import pytest
from django.utils import timezone

from error_tracking import checkout as checkout_module
from error_tracking.checkout import COMMITS, Checkout
from error_tracking.filing.outbox import file_bug
from error_tracking.models import ErrorGroup, ErrorLog, Filing, KnownBug, Release
from error_tracking.report.builder import build_report
from error_tracking.trackers import Filed, Tracker

AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


class Repository:
    def __init__(self, root):
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "-q")

    def git(self, *arguments, author=AUTHOR):
        command = ["git", "-C", str(self.root), *author, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def change(self, path, subject, tag="", author=AUTHOR):
        """Commit a change of *path*, and return its hash."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{subject} {time.time()}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", subject, author=author)
        if tag:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")

    def subjects(self, filenames=("shop/pay.py",), **values):
        changes = Checkout(self.root).changes_to(filenames, **values)
        return [line.partition(": ")[2] for line in changes]


@pytest.fixture
def repository(tmp_path):
    found = Repository(tmp_path / "code")
    found.change("shop/pay.py", "Begin")
    found.change("shop/pay.py", "Round totals", tag="v1.0")
    found.change("shop/cart.py", "Rename the cart")
    found.change("shop/pay.py", "Read the price later", tag="v1.1")
    found.change("shop/pay.py", "Too late to be it", tag="v1.2")
    return found


def test_commits_between_healthy_and_failing_release_are_shown(repository):
    assert repository.subjects(healthy_release="1.0", failing_release="1.1") == [
        "Read the price later"
    ]
    assert repository.subjects(healthy_release="v1.0", failing_release="v1.2") == [
        "Too late to be it",
        "Read the price later",
    ]
    assert (
        repository.subjects(
            ("shop/cart.py",), healthy_release="v1.1", failing_release="v1.2"
        )
        == []
    )


def test_releases_may_be_hashes(repository):
    healthy = repository.git("rev-parse", "v1.0")
    failing = repository.git("rev-parse", "v1.1")[:12]
    found = repository.subjects(healthy_release=healthy, failing_release=failing)
    assert found == ["Read the price later"]


def test_without_a_healthy_release_the_last_up_to_the_failing_one_are_shown(repository):
    for healthy in ("", "unknown", "0.9"):
        found = repository.subjects(healthy_release=healthy, failing_release="1.1")
        assert found == ["Read the price later", "Round totals", "Begin"]


def test_without_known_releases_the_last_before_a_time_are_shown(repository):
    assert len(repository.subjects()) == 4
    assert repository.subjects(until="2001-01-01T00:00:00+00:00") == []
    assert len(repository.subjects(failing_release="unknown")) == 4


@pytest.mark.parametrize(
    "release",
    ["--all", "-n1", "v1.0..v1.2", "HEAD", "master", ":/Begin", "v1.1^", "a b", "@"],
)
def test_release_is_no_option_range_or_branch(repository, release):
    """It comes from outside: whoever edits an issue can write anything there."""
    values = {"failing_release": release, "until": "2001-01-01T00:00:00+00:00"}
    assert repository.subjects(**values) == []


def test_commits_that_the_team_ignores_are_left_out(repository):
    ignored = repository.change("shop/pay.py", "Format everything")
    repository.change(".git-blame-ignore-revs", "Ignore that")
    path = repository.root / ".git-blame-ignore-revs"
    path.write_text(f"# formatting\n{ignored.upper()}  # black\n\nnonsense\n")
    assert repository.subjects()[0] == "Too late to be it"


@pytest.mark.parametrize("kind", ["fifo", "symlink", "folder", "binary"])
def test_odd_file_of_ignored_commits_hides_nothing(repository, kind, tmp_path):
    path = repository.root / ".git-blame-ignore-revs"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "symlink":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"\xff\x00" * 1_000)
    assert len(repository.subjects()) == 4


def test_no_address_of_a_person_is_shown(repository):
    author = ("-c", "user.name=ada@example.org", "-c", "user.email=ada@example.org")
    repository.change("shop/pay.py", "Ask <grace@example.org> first", author=author)
    [line, *_] = Checkout(repository.root).changes_to(["shop/pay.py"])
    assert "@" not in line
    assert "example.org" not in line
    assert line.endswith("[email]: Ask [email] first")


def test_no_more_than_a_reader_checks(repository):
    for number in range(COMMITS + 2):
        repository.change("shop/pay.py", f"Change {number} {'x' * 400}")
    changes = Checkout(repository.root).changes_to(["shop/pay.py"])
    assert len(changes) == COMMITS
    assert max(map(len, changes)) == checkout_module.LINE_CHARS


@pytest.mark.parametrize(
    "filename",
    ["pay.py", "shop/*.py", ":(glob)**", "../code/shop/pay.py", "", "a\0b", "-x", "."],
)
def test_only_a_name_of_exactly_one_file_counts(repository, filename):
    repository.change("old/pay.py", "A namesake")
    assert repository.subjects((filename,)) == []
    assert len(repository.subjects(("shop/pay.py",))) == 4


def test_whatever_is_configured_no_program_is_run(repository, tmp_path):
    mark = tmp_path / "ran"
    for name in ("diff.external", "core.fsmonitor", "core.pager", "diff.x.textconv"):
        repository.git("config", name, f"touch {mark}; cat")
    repository.change(".gitattributes", "Attributes")
    (repository.root / ".gitattributes").write_text("*.py diff=x\n")
    mark.unlink(missing_ok=True)
    assert len(repository.subjects()) == 4
    assert not mark.exists()


def test_git_that_hangs_costs_the_time_of_one_bug(repository, monkeypatch, tmp_path):
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 20\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(checkout_module, "TIMEOUT_SECONDS", 0.3)
    found = Checkout(repository.root)
    started = time.monotonic()
    assert found.changes_to(["shop/pay.py"], failing_release="v1.0") == ()
    assert time.monotonic() - started < 5
    assert found.problem


def test_repository_of_another_user_is_read(repository):
    """As where a web server's user files bugs, and a deploy's user owns the code."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for path in (repository.root, *repository.root.rglob("*")):
        os.chown(path, 12345, -1)
    assert len(repository.subjects()) == 4


class Collecting(Tracker):
    """Keeps the report."""

    name = "collecting"
    shows_changes = True

    def __init__(self):
        self.reports = []

    def file(self, report):
        self.reports.append(report)
        return Filed("kept")


@pytest.mark.django_db
class TestFiling:
    def commits_for(self, bug, tracker):
        Filing.objects.request_for(bug, [tracker.name])
        file_bug(bug.pk, trackers_by_name={tracker.name: tracker})
        return tracker.reports[0].commits

    @pytest.fixture
    def site(self, repository, settings, bug):
        """A site that runs from the checkout, with a bug that is new in 1.1."""
        settings.BASE_DIR = repository.root
        now = timezone.now()
        for hours, version in ((3, "1.0"), (2, "1.1"), (1, "1.2")):
            seen = now - dt.timedelta(hours=hours)
            Release.objects.create(version=version, first_seen=seen)
        log = ErrorLog.objects.get()
        for frame in log.stacktrace[-1]["frames"]:
            frame.update(filename="shop/pay.py", in_app=True)
        log.release = "1.1"
        log.save()
        KnownBug.objects.update(first_release="1.1")
        bug.refresh_from_db()
        return bug

    def test_what_is_filed_shows_the_changes(self, site):
        [line] = self.commits_for(site, Collecting())
        assert line.endswith("Ada: Read the price later")

    def test_tracker_that_does_not_show_them_costs_no_git(self, site):
        tracker = Collecting()
        tracker.shows_changes = False
        assert self.commits_for(site, tracker) == ()

    def test_site_without_a_checkout_has_none(self, site, settings, tmp_path):
        settings.BASE_DIR = tmp_path
        assert self.commits_for(site, Collecting()) == ()

    def test_bug_that_came_back_is_about_the_release_in_which_it_did(self, site):
        site.resolve(by="ada")
        KnownBug.objects.all().regress(timezone.now(), "1.2")
        log = ErrorLog.objects.get()
        log.pk = None
        log.event_id = "0192d3b0-0000-7000-8000-000000000000"
        log.release = "1.2"
        log.created = timezone.now() + dt.timedelta(seconds=1)
        log.save()
        site.refresh_from_db()
        report = build_report(site)
        assert (report.healthy_release, report.failing_release) == ("1.1", "1.2")

    def test_release_that_nobody_has_seen_has_none_before_it(self, site):
        Release.objects.all().delete()
        report = build_report(site)
        assert (report.healthy_release, report.failing_release) == ("", "1.1")
        assert ErrorGroup.objects.exists()
