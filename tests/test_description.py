"""A bug is described when it is created; what a person writes instead is never overwritten."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from django.db import OperationalError

from error_tracking.bugs import gate, opening
from error_tracking.bugs.opening import open_bug
from error_tracking.events.stacktrace import exceptions_from
from error_tracking.models import ErrorGroup, ErrorLog, KnownBug
from error_tracking.recorder import store
from error_tracking.report.automatic_texts import automatic_description
from error_tracking.report.builder import build_report
from error_tracking.report.markdown import bug_file, issue_body
from tests.factories import make_event, raised
from tests.message_errors import sentence


def stored_group(**values):
    event = make_event(
        exceptions=exceptions_from(raised(sentence, "qzx")),
        method="POST",
        release="3.2",
        **values,
    )
    store.store([event])
    return ErrorGroup.objects.get()


class TestDescription:
    def test_new_bug_says_what_fails_where_and_since_when(self, db):
        bug, _is_new = open_bug(stored_group())
        assert bug.description == (
            "ValueError: order […] has no owner\n"
            "\n"
            "Route: POST /pay/{id}/\n"
            "Place: tests/message_errors.py in sentence\n"
            "First release: 3.2"
        )
        assert bug.has_automatic_description

    def test_error_without_an_exception_is_described_by_its_title(self, db):
        store.store([make_event(title="404 at /nowhere/", culprit="", status_code=404)])
        description = automatic_description(ErrorGroup.objects.get())
        assert description == "404 at /nowhere/\n\nRoute: GET /pay/{id}/"

    def test_automatic_description_is_not_repeated_in_file_and_issue(self, db):
        bug, _is_new = open_bug(stored_group())
        for text in (bug_file(build_report(bug)), issue_body(build_report(bug))):
            assert "## Description" not in text
            assert "ValueError: order […] has no owner" in text

    def test_what_a_person_wrote_stays_and_is_shown(self, db):
        group = stored_group()
        bug, _is_new = open_bug(group)
        KnownBug.objects.update(description="The owner was deleted.")
        open_bug(ErrorGroup.objects.get())
        gate.sweep()
        bug.refresh_from_db()
        assert bug.description == "The owner was deleted."
        assert "## Description" in bug_file(build_report(bug))

    def test_bug_is_created_also_where_it_cannot_be_described(self, db, swallowed):
        group = stored_group()
        ErrorLog.objects.update(stacktrace=[{"frames": [{"in_app": True}] * 2}])
        bug, is_new = open_bug(group)
        assert is_new
        assert bug.description == ""
        [record] = swallowed
        assert "could not be made: automatic_description" in record.getMessage()

    def test_locked_database_is_waited_for(self, db, monkeypatch):
        """A bug that lacks its description because of a lock would lack it for ever."""
        group = stored_group()
        locked = Mock(side_effect=OperationalError("database is locked"))
        monkeypatch.setattr(opening, "automatic_description", locked)
        with pytest.raises(OperationalError):
            open_bug(group)
        assert not KnownBug.objects.exists()
