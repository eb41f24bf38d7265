"""The table of what a process keeps, in the docs, is what the source says."""

from __future__ import annotations

import ast
import re
import threading
import types
from pathlib import Path

import pytest

from error_tracking import conf, trackers
from error_tracking.capture import exclusions
from error_tracking.exceptions import TrackerError
from error_tracking.report import known_names
from error_tracking.trackers import mail as mail_tracker
from error_tracking.trackers.mail import MailTracker
from tests import module_state

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "architecture.md"


def rows():
    section = PAGE.read_text(encoding="utf-8").partition("## What a process keeps\n")[2]
    section = section.partition("\n## ")[0]
    found = re.findall(r"^\| (`.*) \|$", section, re.MULTILINE)
    return [row.split(" | ") for row in found]


def test_everything_that_is_kept_is_in_the_table_with_owner_bound_and_lifetime():
    named = [name for row in rows() for name in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(named) == sorted(module_state.kept_objects())
    for row in rows():
        assert len(row) == 4
        assert all(cell.strip() for cell in row)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("_seen = set()", "_seen"),
        ("_seen: dict[str, int] = {}", "_seen"),
        ("_a, _b = 1, []", "_b"),
        ("_current = ContextVar('x')", "_current"),
        ("_here = threading.local()", "_here"),
        ("NAMES = {}\ndef f(x): NAMES[x] = 1", "NAMES"),
        ("NAMES = []\ndef f(x): NAMES.append(x)", "NAMES"),
        ("def f():\n global _n\n _n = 1", "_n"),
        ("@cache\ndef f(): pass", "f"),
        ("@functools.lru_cache(maxsize=1)\ndef f(): pass", "f"),
        ("class A:\n def __init__(self): self.f = lru_cache(maxsize=1)(g)", "self.f"),
        ("class A: pass\ndef f(): A.hung = True", "A.hung"),
        ("import sys\ndef f(): sys.excepthook = g", "sys.excepthook"),
        ("import sys\ndef f(): sys.path.append(1)", "sys.path"),
        ("def f(): threading.Thread(target=g).start()", "f()"),
        ("def f(): logging.setLogRecordFactory(g)", "f()"),
    ],
)
def test_each_way_to_keep_something_is_found(source, name):
    assert name in module_state._names_in(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "NAMES = {'a': 1}\ndef f(): return NAMES['a']",
        "_pattern = re.compile('x')",
        "__all__ = ['f']",
        "def f():\n found = []\n found.append(1)",
        "logger = logging.getLogger('x')",
    ],
)
def test_constants_are_none(source):
    assert module_state._names_in(ast.parse(source)) == set()


def test_every_cache_has_a_bound_or_no_arguments_from_outside():
    """``cache`` never forgets: only what has a handful of arguments may have one."""
    unbounded = {
        path.stem
        for path in module_state.SOURCE.rglob("*.py")
        if re.search(r"@(functools\.)?cache\n", path.read_text(encoding="utf-8"))
    }
    assert unbounded <= {"noise", "install"}


def test_a_message_is_told_again_after_an_hour(caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(trackers.time, "monotonic", lambda: now[0])
    caplog.set_level("INFO")
    for seconds in (0, 60, 3_600):
        now[0] = seconds
        trackers.log_hourly("cannot file")
    assert [record.message for record in caplog.records] == ["cannot file"] * 2


def test_an_ignored_class_that_could_not_be_imported_is_tried_again(
    configure, monkeypatch
):
    configure(IGNORE_EXCEPTIONS=["late_module.Quiet"])
    now = [0.0]
    monkeypatch.setattr(exclusions.time, "monotonic", lambda: now[0])
    home = types.ModuleType("home")
    quiet = type("Quiet", (Exception,), {"__module__": "home"})
    assert not exclusions.is_ignored(quiet())
    home.Quiet = quiet
    monkeypatch.setitem(__import__("sys").modules, "late_module", home)
    now[0] = exclusions.NAMES_SECONDS
    assert exclusions.is_ignored(quiet())
    assert conf.get_settings().IGNORE_EXCEPTIONS == ["late_module.Quiet"]


def test_urls_that_could_not_be_read_are_tried_again(settings):
    settings.ROOT_URLCONF = "late_urls"
    known_names._names_by_urlconf.cache_clear()
    assert "late_name" not in known_names.known_names([]).words
    module = types.ModuleType("late_urls")
    from django.urls import path

    module.urlpatterns = [path("x/", print, name="late_name")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "late_urls", module)
        assert "late_name" in known_names.known_names([]).words
    known_names._names_by_urlconf.cache_clear()


def test_a_silent_mail_server_has_few_threads(monkeypatch, bug):
    answers = threading.Event()
    monkeypatch.setattr(mail_tracker, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(
        mail_tracker, "mail_admins", lambda *_args, **_kwargs: answers.wait()
    )
    from error_tracking.report.builder import build_report

    report = build_report(bug)
    for _ in range(10):
        with pytest.raises(TrackerError, match="mail"):
            MailTracker().file(report)
    waiting = [
        thread
        for thread in threading.enumerate()
        if thread.name == "error_tracking.mail"
    ]
    assert len(waiting) == mail_tracker.MOST_WAITING_THREADS
    answers.set()
    for thread in waiting:
        thread.join(10)
    monkeypatch.setattr(mail_tracker, "ANSWER_SECONDS", 10)
    assert MailTracker().file(report).reference == "ADMINS"
