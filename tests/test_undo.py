"""What people do to bugs can be undone without a trace, while nothing else changed and nobody was told."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from error_tracking.bugs import undo
from error_tracking.filing import outbox
from error_tracking.models import Activity, ErrorGroup, Filing, KnownBug
from error_tracking.recorder import store
from tests.factories import make_event

pytestmark = pytest.mark.django_db


def make_bug(number, times=1):
    """Return a bug with one group that was seen so many times."""
    fingerprint = f"{number:032d}"
    for _ in range(times):
        store.store([make_event(fingerprint=fingerprint)])
    group = ErrorGroup.objects.get(fingerprint=fingerprint)
    bug, _is_new = KnownBug.open_for_group(group, trackers=["memory"])
    Filing.objects.filter(bug=bug).update(
        state="filed",
        reference="7",
        synced_activity_id=Activity.objects.latest("pk").pk,
    )
    return KnownBug.objects.get(pk=bug.pk)


def everything():
    """Return every row of bugs, groups and histories."""
    bugs = KnownBug.all_objects.order_by("pk")
    names = [
        field.attname
        for field in KnownBug._meta.concrete_fields
        if field.name != "modified"
    ]
    return (
        list(bugs.values(*names)),
        list(ErrorGroup.objects.order_by("pk").values("pk", "bug", "times_seen")),
        list(Activity.objects.order_by("pk").values("pk", "verb", "text", "bug")),
    )


def do(change, *bugs, by="mara"):
    """Do *change* and return its step, as the session gives it back."""
    _result, step = undo.recorded([bug.pk for bug in bugs], change, by=by)
    if step is None:
        return None
    return undo.Step.from_json(json.loads(json.dumps(step.as_json())))


def of(bug):
    return KnownBug.all_objects.filter(pk=bug.pk)


CHANGES = {
    "resolve": lambda bug: of(bug).resolve(by="mara", release="2.0"),
    "start": lambda bug: of(bug).start(by="mara"),
    "mute": lambda bug: of(bug).mute(by="mara", until=timezone.now(), events=5),
    "mute until people": lambda bug: of(bug).mute(by="mara", people=5),
    "delete": lambda bug: of(bug).delete(),
    "assign": lambda bug: of(bug).record_activity(
        "edited", by="mara", text="assignee", assignee=User.objects.get().pk
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_action_leaves_no_trace_when_undone(admin_user, name):
    bug = make_bug(1)
    before = everything()
    step = do(lambda: CHANGES[name](bug), bug)
    assert everything() != before
    undo.undo(step)
    assert everything() == before


def test_merge_leaves_no_trace_when_undone():
    first, second, third = make_bug(1, 3), make_bug(2, 2), make_bug(3)
    of(third).merge_into(second)
    before = everything()
    rows = KnownBug.all_objects.filter(pk__in=[first.pk, second.pk])
    step = do(lambda: rows.merge_into(first, by="mara"), first, second)
    first.refresh_from_db()
    assert first.occurrence_count == 6
    undo.undo(step)
    assert everything() == before


def test_occurrences_that_come_meanwhile_go_where_they_belong():
    first, second = make_bug(1, 3), make_bug(2, 2)
    rows = KnownBug.all_objects.filter(pk__in=[first.pk, second.pk])
    step = do(lambda: rows.merge_into(first, by="mara"), first, second)
    for fingerprint in (f"{1:032d}", f"{2:032d}", f"{2:032d}"):
        store.store([make_event(fingerprint=fingerprint)])
    undo.undo(step)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.occurrence_count, second.occurrence_count) == (4, 4)
    assert second.status == "open"


@pytest.mark.parametrize(
    "change_since",
    [
        lambda bug: of(bug).reopen(by="jonas"),
        lambda bug: of(bug).update(resolved_in_release="3.0"),
        lambda bug: of(bug).hard_delete(),
    ],
)
def test_what_has_changed_since_stays(change_since):
    bug = make_bug(1)
    step = do(lambda: of(bug).resolve(by="mara"), bug)
    change_since(bug)
    before = everything()
    with pytest.raises(undo.CannotUndoError, match="changed since"):
        undo.undo(step)
    assert everything() == before


def test_groups_that_went_elsewhere_since_stay():
    first, second, third = make_bug(1), make_bug(2), make_bug(3)
    rows = KnownBug.all_objects.filter(pk__in=[first.pk, second.pk])
    step = do(lambda: rows.merge_into(first, by="mara"), first, second)
    of(first).merge_into(third)
    before = everything()
    with pytest.raises(undo.CannotUndoError, match="changed since"):
        undo.undo(step)
    assert everything() == before


def test_lines_of_others_stay_and_are_told():
    bug = make_bug(1)
    step = do(lambda: of(bug).start(by="mara"), bug)
    of(bug).record_activity("milestone", text="10 occurrences")
    undo.undo(step)
    bug.refresh_from_db()
    line = bug.activities.get(verb="milestone")
    assert bug.latest_activity_id == line.pk
    assert not bug.activities.filter(verb="in_progress").exists()


class TestOutside:
    def test_trackers_wait_half_a_minute(self):
        bug = make_bug(1)
        do(lambda: of(bug).resolve(by="mara"), bug)
        now = timezone.now()
        assert not Filing.objects.due(now).exists()
        assert Filing.objects.due(now + undo.OUTSIDE_WAITS).exists()

    def test_trackers_have_nothing_to_do_when_it_was_undone(self):
        bug = make_bug(1)
        step = do(lambda: of(bug).resolve(by="mara"), bug)
        undo.undo(step)
        later = timezone.now() + undo.OUTSIDE_WAITS
        assert not Filing.objects.due(later).exists()
        assert outbox.file_bug(bug.pk, trackers_by_name={}) == ()

    @pytest.mark.parametrize("state", ["filed", "claimed"])
    def test_what_a_tracker_knows_stays(self, state):
        bug = make_bug(1)
        step = do(lambda: of(bug).resolve(by="mara"), bug)
        bug.refresh_from_db()
        known = bug.latest_activity_id if state == "filed" else 0
        Filing.objects.update(state=state, synced_activity_id=known)
        with pytest.raises(undo.CannotUndoError, match="too late"):
            undo.undo(step)
        bug.refresh_from_db()
        assert bug.status == "resolved"


class TestLimits:
    def test_what_changes_nothing_is_no_step(self):
        bug = make_bug(1)
        assert do(lambda: of(bug).reopen(by="mara"), bug) is None
        note = do(lambda: of(bug).record_activity("note", by="mara", text="x"), bug)
        assert note is None

    def test_what_is_too_much_for_a_session_is_done_and_no_step(self, monkeypatch):
        monkeypatch.setattr(undo, "MOST_BUGS", 1)
        bugs = [make_bug(1), make_bug(2)]
        rows = KnownBug.all_objects.all()
        assert do(lambda: rows.resolve(by="mara"), *bugs) is None
        assert KnownBug.objects.filter(status="resolved").count() == 2

    def test_failure_changes_nothing(self):
        bug = make_bug(1)
        before = everything()

        def fail():
            of(bug).resolve(by="mara")
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            undo.recorded([bug.pk], fail, by="mara")
        assert everything() == before


class TestInTheAdmin:
    @pytest.fixture
    def bug(self):
        return make_bug(1)

    def page(self, client, bug):
        address = reverse("admin:error_tracking_knownbug_change", args=[bug.pk])
        return client.get(address).text

    def act(self, client, bug, action, **data):
        address = reverse("admin:error_tracking_knownbug_action", args=[bug.pk])
        return client.post(address, {"action": action, **data}, follow=True)

    def bulk(self, client, action, *bugs, **data):
        rows = {"action": action, "_selected_action": [bug.pk for bug in bugs]}
        address = reverse("admin:error_tracking_knownbug_changelist")
        return client.post(address, {**rows, **data}, follow=True)

    def undo(self, client):
        address = reverse("admin:error_tracking_knownbug_undo")
        return client.post(address, follow=True)

    def test_button_undoes_what_a_button_did(self, admin_client, bug):
        before = everything()
        text = self.act(admin_client, bug, "resolve").text
        assert ">Undo</button>" in text
        assert "Issues and mails wait for half a minute." in text
        text = self.undo(admin_client).text
        assert "Undone." in text
        assert ">Undo</button>" not in text
        assert bug.bug_id in text
        assert everything() == before
        assert "There is nothing to undo." in self.undo(admin_client).text

    def test_bulk_actions_can_be_undone(self, admin_client, bug):
        other = make_bug(2)
        before = everything()
        for action in ("mark_resolved", "start", "mute", "assign_to_me"):
            text = self.bulk(admin_client, action, bug, other).text
            assert ">Undo</button>" in text, action
            assert everything() != before
            self.undo(admin_client)
            assert everything() == before, action
        self.bulk(admin_client, "delete_selected", bug, other, post="yes")
        assert not KnownBug.objects.exists()
        self.undo(admin_client)
        assert everything() == before

    def test_merge_asks_first_and_can_be_undone(self, admin_client, bug):
        other = make_bug(2)
        before = everything()
        asked = self.bulk(admin_client, "merge", bug, into=other.bug_id.lower())
        assert asked.context["survivor"] == other
        assert everything() == before
        data = {"post": "yes", "survivor": other.pk}
        text = self.bulk(admin_client, "merge", bug, other, **data).text
        assert f"1 bug merged into {other.bug_id}." in text
        self.undo(admin_client)
        assert everything() == before
        third = make_bug(3)
        self.bulk(admin_client, "merge", bug, other, **data)
        # Into one that was merged is into the one it was merged into.
        data = {"post": "yes", "survivor": bug.pk}
        text = self.bulk(admin_client, "merge", bug, third, **data).text
        assert f"merged into {other.bug_id}." in text
        self.undo(admin_client)
        of(bug).update(merged_into=None)
        text = self.bulk(admin_client, "merge", bug, into="B-999").text
        assert "There is no other bug B-999." in text

    def test_delete_page_says_what_it_means(self, admin_client, bug):
        address = reverse("admin:error_tracking_knownbug_delete", args=[bug.pk])
        text = admin_client.get(address).text
        assert "never becomes a bug again" in text
        assert "Restore" in text
        assert bug.bug_id in text
        assert "related items" not in text
        before = everything()
        text = admin_client.post(address, {"post": "yes"}, follow=True).text
        assert "deleted successfully" in text
        later = admin_client.get(reverse("admin:error_tracking_knownbug_changelist"))
        assert f"Deleted: {bug.bug_id}" in later.text
        self.undo(admin_client)
        assert everything() == before

    def test_history_is_on_the_page_of_the_bug(self, admin_client, bug):
        address = reverse("admin:error_tracking_knownbug_history", args=[bug.pk])
        assert admin_client.get(address).url.endswith(f"/{bug.pk}/change/#history")
        assert 'id="history"' in self.page(admin_client, bug)
        missing = reverse("admin:error_tracking_knownbug_history", args=[12345])
        assert admin_client.get(missing).status_code == 404

    def test_what_cannot_be_undone_says_why(self, admin_client, bug):
        self.act(admin_client, bug, "resolve")
        of(bug).reopen(by="jonas")
        assert "something has changed since" in self.undo(admin_client).text
        bug.refresh_from_db()
        assert bug.status == "open"

    def test_offer_ends_and_a_note_ends_it(self, admin_client, bug, monkeypatch):
        self.act(admin_client, bug, "start")
        assert ">Undo</button>" in self.page(admin_client, bug)
        self.act(admin_client, bug, "note", text="x")
        assert ">Undo</button>" not in self.page(admin_client, bug)
        self.act(admin_client, bug, "resolve")
        monkeypatch.setattr("error_tracking.admin.undo_steps.OFFERED_SECONDS", -1)
        assert ">Undo</button>" not in self.page(admin_client, bug)

    def test_undo_needs_a_permission_and_a_post(self, client, admin_client, bug):
        address = reverse("admin:error_tracking_knownbug_undo")
        assert admin_client.get(address).status_code == 405
        user = User.objects.create_user("ada", password="x", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="view_knownbug"))
        client.force_login(user)
        assert client.post(address).status_code == 403
