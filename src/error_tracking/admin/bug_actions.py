"""
What people do on the page of a bug: one form each, and one sentence about what follows.

Every action is a method of the model; here is only what a browser sends and what a
person reads.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from error_tracking import conf
from error_tracking.models import Activity, Filing, KnownBug

from .base import without_nul

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, QueryDict
    from django.utils.functional import _StrPromise

PEOPLE_OFFERED = 100
MORNING = dt.time(8)
# What fits on a button; the whole reason is below, where it was filed.
REASON_CHARS = 50

MUTE_CHOICES = (
    ("tomorrow", gettext_lazy("until tomorrow, 8:00")),
    ("week", gettext_lazy("for a week")),
    ("events_10", gettext_lazy("until it happened 10 more times")),
    ("events_100", gettext_lazy("until it happened 100 more times")),
    ("people_10", gettext_lazy("until it affected 10 more people")),
    ("people_100", gettext_lazy("until it affected 100 more people")),
    ("ever", gettext_lazy("until somebody opens it")),
)
#: How many more events end the muting, by the choice.
MUTED_EVENTS = {"events_10": 10, "events_100": 100}
#: How many more people end the muting, by the choice.
MUTED_PEOPLE = {"people_10": 10, "people_100": 100}


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """
    A button.

    Attributes:
        name: What the form sends.
        label: What people read.
        menu: The menu beside the button, with the same action and a choice:
            ``"release"`` or ``"people"``.

    """

    name: str
    label: str | _StrPromise
    menu: str = ""


def offered(bug: KnownBug, *, can_file: bool) -> list[Action]:
    """Return the buttons that would change *bug*, the most likely one first."""
    status = bug.status
    if bug.is_deleted:
        return [Action("restore", _("Restore"))]
    actions = []
    if status != KnownBug.Status.RESOLVED:
        actions.append(Action("resolve", _("Resolve"), "release"))
    elif bug.merged_into_id is None:
        actions.append(Action("reopen", _("Open again")))
    if status == KnownBug.Status.MUTED:
        actions.append(Action("reopen", _("Unmute")))
    if status == KnownBug.Status.OPEN:
        actions.append(Action("start", _("Start work")))
    if status in {KnownBug.Status.OPEN, KnownBug.Status.IN_PROGRESS}:
        actions.append(Action("assign_to_me", _("Assign to me"), "people"))
    if can_file and bug.merged_into_id is None:
        actions += _filing_actions(bug)
    return actions


def _filing_actions(bug: KnownBug) -> list[Action]:
    """Return the button that files *bug* now, or again with the reason why it has to."""
    stopped = bug.filings.filter(
        state__in=(Filing.State.FAILED, Filing.State.PAUSED)
    ).exclude(reason="")
    filing = stopped.order_by("tracker").first()
    if filing is not None:
        reason = Truncator(filing.reason).chars(REASON_CHARS)
        return [Action("retry", _("Retry: %(reason)s") % {"reason": reason})]
    is_unfiled = not bug.github_issue_number
    if is_unfiled and conf.get_settings().GITHUB_REPO:
        return [Action("file", _("Create GitHub issue"))]
    return []


def assignable() -> list[tuple[str, str]]:
    """Return keys and names of the people who may change bugs, by name."""
    people = [(str(user.pk), str(user)) for user in _people()[:PEOPLE_OFFERED]]
    return sorted(people, key=lambda person: person[1].lower())


def people_offered(current: Any) -> Any:
    """Return the query of the people who may change bugs, and of the one with the key *current*."""
    users: Any = get_user_model()._default_manager
    return users.filter(Q(pk__in=_people().values("pk")) | Q(pk=current))


def _people() -> Any:
    model: Any = get_user_model()
    manager = model._default_manager
    try:
        users = manager.with_perm(
            "error_tracking.change_knownbug",
            backend="django.contrib.auth.backends.ModelBackend",
        )
    except (AttributeError, TypeError, ValueError):
        # A user model of the project's own without Django's permissions.
        users = manager.all()
        if hasattr(model, "is_staff"):
            users = users.filter(is_staff=True)
    return users


def is_known(name: str) -> bool:
    """Return whether there is an action called *name*."""
    return name in _ACTIONS


def perform(name: str, bug: KnownBug, request: HttpRequest) -> str:
    """
    Do the action called *name*, and return what follows from it.

    Raises:
        KeyError: There is no such action.
        ValueError: What was sent with it makes no sense.
    """
    action: Callable[[KnownBug, str, QueryDict, HttpRequest], str] = _ACTIONS[name]
    return action(bug, request.user.get_username(), request.POST, request)


def _rows(bug: KnownBug) -> Any:
    return KnownBug.all_objects.filter(pk=bug.pk)


def _resolve(bug: KnownBug, by: str, data: QueryDict, _request: HttpRequest) -> str:
    release = without_nul(data.get("release", "")).strip()[:100]
    running = conf.get_settings().release
    if not _rows(bug).resolve(by=by, release=release):
        return _("It was resolved already.")
    if release:
        return _(
            "Resolved in %(release)s. It is a regression if it happens there or later."
        ) % {"release": release}
    if running:
        return _(
            "Resolved. It is a regression if it happens in a release after %(release)s."
        ) % {"release": running}
    return _("Resolved. It is a regression if it happens again.")


def _reopen(bug: KnownBug, by: str, _data: QueryDict, _request: HttpRequest) -> str:
    changed = _rows(bug).reopen(by=by) + _rows(bug).unmute(by=by)
    if not changed:
        return _("Nothing has changed: it is not resolved, or it was merged.")
    return _("Open again. New occurrences are filed as before.")


def _start(bug: KnownBug, by: str, _data: QueryDict, request: HttpRequest) -> str:
    if not _rows(bug).start(by=by):
        return _("Nothing has changed: it is not open.")
    if bug.assignee_id is None:
        _assign_to(bug, request.user, by)
    return _("In progress. Visitors read that somebody is working on it.")


def _tomorrow_morning() -> dt.datetime:
    """Return 8:00 of tomorrow, naive where the project's times are (USE_TZ)."""
    now = timezone.now()
    if timezone.is_aware(now):
        now = timezone.localtime(now)
    day = now.date() + dt.timedelta(days=1)
    morning = dt.datetime.combine(day, MORNING)
    return timezone.make_aware(morning) if timezone.is_aware(now) else morning


def _mute(bug: KnownBug, by: str, data: QueryDict, _request: HttpRequest) -> str:
    choice = data.get("mute", "")
    if choice not in dict(MUTE_CHOICES):
        raise ValueError(_("Choose for how long it is muted."))
    until = None
    if choice == "tomorrow":
        until = _tomorrow_morning()
    elif choice == "week":
        until = timezone.now() + dt.timedelta(days=7)
    events = MUTED_EVENTS.get(choice)
    people = MUTED_PEOPLE.get(choice)
    if not _rows(bug).mute(by=by, until=until, events=events, people=people):
        return _("Nothing has changed: it is muted already, or resolved.")
    why = data.get("why", "")
    if why.strip():
        # A note, which stays on the site: trackers publish what the history says of
        # muting.
        _rows(bug).add_note(why, by=by)
    end = dict(MUTE_CHOICES)[choice]
    return _(
        "Muted %(end)s. It is counted, and nothing is filed or sent until then."
    ) % {"end": end}


def _assign(bug: KnownBug, by: str, data: QueryDict, _request: HttpRequest) -> str:
    key = data.get("assignee", "")
    if not key:
        _rows(bug).record_activity(
            Activity.Verb.EDITED, by=by, text="assignee: -", assignee=None
        )
        return _("Assigned to nobody.")
    if key not in dict(assignable()):
        raise ValueError(_("This person cannot change bugs."))
    user = get_user_model()._default_manager.get(pk=key)
    _assign_to(bug, user, by)
    return _("Assigned to %(name)s.") % {"name": user}


def _assign_to_me(
    bug: KnownBug, by: str, _data: QueryDict, request: HttpRequest
) -> str:
    _assign_to(bug, request.user, by)
    return _("Assigned to you.")


def _assign_to(bug: KnownBug, user: Any, by: str) -> None:
    text = f"assignee: {user}"
    _rows(bug).record_activity(Activity.Verb.EDITED, by=by, text=text, assignee=user.pk)


def _note(bug: KnownBug, by: str, data: QueryDict, request: HttpRequest) -> str:
    text = data.get("text", "")
    if not text.strip():
        raise ValueError(_("The note is empty."))
    to_issue = "to_issue" in data
    if to_issue and not request.user.has_perm("error_tracking.file_issue"):
        raise ValueError(_("Your account may not write to the issue."))
    _rows(bug).add_note(text, by=by, to_issue=to_issue)
    if to_issue:
        return _("Note added. It will be a comment on the issue within a minute.")
    return _("Note added.")


def _restore(bug: KnownBug, _by: str, _data: QueryDict, _request: HttpRequest) -> str:
    _rows(bug).restore()
    return _("Restored. New occurrences are filed again.")


_ACTIONS = {
    "resolve": _resolve,
    "reopen": _reopen,
    "start": _start,
    "mute": _mute,
    "assign": _assign,
    "assign_to_me": _assign_to_me,
    "note": _note,
    "restore": _restore,
}
