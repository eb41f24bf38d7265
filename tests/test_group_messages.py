"""The message of a group: stored with its events, gone with a person or in time; and hidden groups."""

from __future__ import annotations

import time

import pytest
from django.utils import timezone

from error_tracking.bugs import erasure, retention
from error_tracking.models import ErrorGroup, KnownBug
from error_tracking.recorder import store
from tests.factories import make_event

pytestmark = pytest.mark.django_db
HOUR = 3_600


def stored(message, hours=0, **values):
    """Store an event with *message*, so many hours old, and return its group."""
    now = time.time()
    store.store([make_event(message=message, timestamp=now - hours * HOUR, **values)])
    return ErrorGroup.objects.order_by("pk").last()


def test_first_line_and_type_are_stored(bug):
    group = bug.groups.get()
    assert group.message.startswith("ValueError: ")
    assert group.message_pattern.startswith("ValueError: ")


def test_message_without_values_is_beside_it():
    group = stored("order 17 of 'anna' not found\nmore", error_type="message")
    assert group.message == "order 17 of 'anna' not found"
    assert group.message_pattern == "order {number} of {value} not found"


def test_latest_words_win_and_other_values_once_an_hour():
    assert stored("order 1", hours=5).message == "order 1"
    assert stored("order 2", hours=2).message == "order 2"
    # Within the hour of the latest event only other words are stored.
    assert stored("order 3", hours=2).message == "order 2"
    assert stored("no order", hours=2).message == "no order"
    assert stored("", hours=0).message == "no order"


def test_long_and_odd_messages_are_stored():
    group = stored("x" * 1_000)
    assert len(group.message) == 255
    assert stored("a\tb\u202ec").message == "a b\ufffdc"


def test_person_is_erased_from_it():
    stored("no mail to anna@example.com")
    person = erasure.Person(email="anna@example.com")
    erasure.Eraser(person, is_dry=True).run()
    erasure.Eraser(person).run()
    group = ErrorGroup.objects.get()
    assert "anna" not in group.message
    assert "anna" not in group.message_pattern


def test_values_go_when_the_log_expires():
    stored("order 17", hours=24 * 100)
    stored("order 18", fingerprint="2" * 32)
    retention.Pruner(is_dry=True).run()
    assert ErrorGroup.objects.exclude(message="").count() == 2
    retention.Pruner().run()
    old, young = ErrorGroup.objects.order_by("first_seen")
    assert (old.message, old.message_pattern) == ("", "order {number}")
    assert young.message == "order 18"


def test_short_time_is_enough_to_go_on_later():
    stored("order 17", hours=24 * 100)
    retention.Pruner(deadline=0.0).run()
    assert ErrorGroup.objects.get().message == "order 17"


class TestHiding:
    def test_hidden_group_is_not_shown_and_can_be_shown_again(self):
        group = stored("x")
        assert list(ErrorGroup.objects.without_bug()) == [group]
        assert ErrorGroup.objects.hide() == 1
        assert ErrorGroup.objects.hide() == 0
        assert not ErrorGroup.objects.without_bug().exists()
        assert not ErrorGroup.objects.due(group.environment).exists()
        assert ErrorGroup.objects.show_again() == 1
        assert ErrorGroup.objects.due(group.environment).exists()

    def test_group_that_gets_worse_stays_hidden(self):
        stored("x", level="error", handled=True)
        ErrorGroup.objects.hide()
        group = stored("x", level="fatal")
        assert (group.verdict, group.level) == ("hidden", "fatal")
        assert group.times_seen == 2

    def test_group_with_a_bug_is_not_hidden(self, bug):
        assert bug.groups.all().hide() == 0


def test_hidden_group_does_not_join_an_incident(immediate, configure):
    configure(AUTO_CREATE_BUGS=False)
    from error_tracking.bugs import gate

    for number in range(6):
        store.store([make_event(fingerprint=f"{number:032d}", culprit="shop.pay")])
    ErrorGroup.objects.update(cause="OperationalError: till")
    hidden = ErrorGroup.objects.first()
    ErrorGroup.objects.filter(pk=hidden.pk).hide()
    gate.sweep()
    hidden.refresh_from_db()
    assert hidden.bug is None
    assert KnownBug.objects.get().groups.count() == 5
    assert timezone.now() > hidden.first_seen
