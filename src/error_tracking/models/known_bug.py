"""
``KnownBug``: what people work on. B-012, its severity, its status, its issue.

The life of a bug is here too: open, in progress, resolved, muted, merged. Every change
of a status is one conditional UPDATE and one ``Activity`` in the same transaction. An
activity that trackers must show becomes the bug's ``latest_activity_id``; a filing with
an older ``synced_activity_id`` is due.
"""

from __future__ import annotations

import datetime as dt
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.validators import URLValidator
from django.db import models, transaction
from django.db.models import Case, Count, F, Max, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest, Least
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from error_tracking import conf, signals
from error_tracking.events.event import CSRF, SERVER_ERROR
from error_tracking.utils import clean_text

from .activity import Activity
from .base import (
    CLOCK_SKEW_SECONDS,
    OwnQuerySet,
    TimestampedModel,
    moment_from,
    moment_text,
    write_alias,
)
from .error_group import Counted, ErrorGroup, GroupClient, Release
from .sequence import Sequence

# Ten logins, which is as many as GitHub accepts.
ASSIGNEES_CHARS = 500
# A page of text; what is longer belongs into a document.
NOTE_CHARS = 2_000

_SIGNALS: dict[str, Signal] = {
    Activity.Verb.RESOLVED: signals.bug_resolved,
    Activity.Verb.REGRESSED: signals.bug_regressed,
}

# The gate has nothing to decide on a group that has a bug.
_DECIDED: dict[str, Any] = {"verdict_reason": "", "is_due": False, "look_at_count": 0}

# The columns that a new bug copies from its group.
_COPIED = ("fingerprint", "environment", "title", "cause", "first_release")


class KnownBugQuerySet(OwnQuerySet["KnownBug"]):
    """Queries and changes of many bugs."""

    def unresolved(self) -> KnownBugQuerySet:
        """Return the bugs that are open, in progress or muted."""
        return self.exclude(status=KnownBug.Status.RESOLVED)

    def open_or_in_progress(self) -> KnownBugQuerySet:
        """Return the bugs that somebody has to work on."""
        return self.filter(
            status__in=(KnownBug.Status.OPEN, KnownBug.Status.IN_PROGRESS)
        )

    def seen_since(self, moment: dt.datetime) -> KnownBugQuerySet:
        """Return the bugs whose last occurrence is not before *moment*."""
        return self.filter(last_occurrence__gte=moment)

    # Deleting

    def delete(self) -> tuple[int, dict[str, int]]:
        """
        Mark these bugs as deleted.

        They still match their errors, so that nothing is filed again.

        Returns:
            What Django's ``delete()`` would return.

        """
        present = self.filter(is_deleted=False)
        count = present.update(is_deleted=True, deleted_at=timezone.now())
        return count, {self.model._meta.label: count}

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def hard_delete(self) -> tuple[int, dict[str, int]]:
        """Delete these bugs from the database."""
        return super().delete()

    hard_delete.alters_data = True  # type: ignore[attr-defined]
    hard_delete.queryset_only = True  # type: ignore[attr-defined]

    def restore(self) -> int:
        """Undo ``delete()``. Return how many bugs that changed."""
        return self.filter(is_deleted=True).update(is_deleted=False, deleted_at=None)

    # Changes of the status

    def resolve(
        self,
        *,
        by: str = "",
        release: str = "",
        grace_until: dt.datetime | None = None,
        fixed_at: dt.datetime | None = None,
        text: str = "",
    ) -> list[KnownBug]:
        """
        Resolve the unresolved bugs of these.

        Writes the status, when and in which release it was resolved, and an activity.

        Args:
            by: The user name of who does it, empty for the machine.
            release: The release that has the fix, if it is known.
            grace_until: Occurrences without a release are no regression before.
            fixed_at: When the fix was merged, by default now. Releases that were seen
                before have not got it.
            text: What fixed them.

        Returns:
            The bugs that changed.

        """
        running = conf.get_settings().release
        if running:
            # Later this tells a release without the fix from one that has it: what
            # runs now, and what was seen before, has not got it.
            Release.objects.see(running)
        return self._change_status(
            KnownBug.Status.RESOLVED,
            only=KnownBug.UNRESOLVED,
            by=by,
            text=text,
            resolved_at=fixed_at or timezone.now(),
            resolved_in_release=release,
            grace_until=grace_until,
        )

    def reopen(self, *, by: str = "") -> list[KnownBug]:
        """
        Open the resolved bugs of these. A merged bug stays resolved.

        Writes the status, clears when and where it was resolved, and adds an activity.

        Returns:
            The bugs that changed.

        """
        return self.filter(merged_into=None)._change_status(
            KnownBug.Status.OPEN,
            only=(KnownBug.Status.RESOLVED,),
            by=by,
            resolved_at=None,
            resolved_in_release="",
            grace_until=None,
        )

    def start(self, *, by: str = "", text: str = "") -> list[KnownBug]:
        """
        Mark the open bugs of these as in progress.

        Writes the status, and an activity with *text*.

        Returns:
            The bugs that changed.

        """
        return self._change_status(
            KnownBug.Status.IN_PROGRESS, only=(KnownBug.Status.OPEN,), by=by, text=text
        )

    def stop(self, *, by: str = "", text: str = "") -> list[KnownBug]:
        """
        Mark the bugs of these that are in progress as open: nobody works on them.

        Writes the status, and an activity with *text*.

        Returns:
            The bugs that changed.

        """
        return self._change_status(
            KnownBug.Status.OPEN, only=(KnownBug.Status.IN_PROGRESS,), by=by, text=text
        )

    def mute(
        self,
        *,
        by: str = "",
        until: dt.datetime | None = None,
        events: int | None = None,
        people: int | None = None,
        text: str = "",
    ) -> list[KnownBug]:
        """
        Mute the open and in-progress bugs of these: they are counted, but not filed.

        Writes the status, when muting ends, and an activity. A muted bug gets the new
        end, if there is one.

        Args:
            by: The user name of who does it, empty for the machine.
            until: When muting ends. Without *until*, *events* and *people* it does
                not.
            events: After how many more events muting ends.
            people: After how many more people muting ends: users, or addresses of
                those who are not signed in.
            text: Why, by default when it ends.

        Returns:
            The bugs that changed.

        """
        ends = []
        muted_until_count = None
        muted_until_people = None
        if until is not None:
            ends.append(f"until {moment_text(until)}")
        if events is not None:
            ends.append(f"for {events} more events")
            muted_until_count = F("occurrence_count") + events
        if people is not None:
            ends.append(f"for {people} more people")
            # Counted by the UPDATE itself, so that nobody is missed in between.
            muted_until_people = _people_stored() + people
        only = [KnownBug.Status.OPEN, KnownBug.Status.IN_PROGRESS]
        if ends:
            only.append(KnownBug.Status.MUTED)
        return self._change_status(
            KnownBug.Status.MUTED,
            only=only,
            by=by,
            text=text or " or ".join(ends),
            muted_until=until,
            muted_until_count=muted_until_count,
            muted_until_people=muted_until_people,
        )

    def unmute(self, *, by: str = "", text: str = "") -> list[KnownBug]:
        """
        Open the muted bugs of these.

        Writes the status, clears when muting ends, and adds an activity with *text*.

        Returns:
            The bugs that changed.

        """
        return self._change_status(
            KnownBug.Status.OPEN,
            only=(KnownBug.Status.MUTED,),
            by=by,
            text=text,
            muted_until=None,
            muted_until_count=None,
            muted_until_people=None,
        )

    def unmute_expired(self) -> list[KnownBug]:
        """
        Open the muted bugs whose time is over, or that enough events or people met.

        Returns:
            The bugs that changed.

        """
        is_over = Q(muted_until__lte=timezone.now()) | Q(
            muted_until_count__lte=F("occurrence_count")
        )
        # The condition on the column is read first: the people of other bugs are not
        # counted.
        is_over |= Q(
            muted_until_people__isnull=False,
            muted_until_people__lte=_people_stored(),
        )
        muted = self.filter(is_over, status=KnownBug.Status.MUTED)
        return muted.unmute(text="the time of muting is over")

    def regress(self, occurred_at: dt.datetime, release: str = "") -> list[KnownBug]:
        """
        Open the resolved bugs of these, because they occurred again.

        Writes the status and ``regressed_at``, clears when it was resolved, and adds an
        activity that names the *release*.

        Returns:
            The bugs that changed.

        """
        text = ""
        if release:
            text = f"in release {release}"
        return self._change_status(
            KnownBug.Status.OPEN,
            only=(KnownBug.Status.RESOLVED,),
            verb=Activity.Verb.REGRESSED,
            text=text,
            regressed_at=occurred_at,
            resolved_at=None,
            grace_until=None,
        )

    def reopen_regressed(
        self, sightings: Mapping[int, Mapping[str, dt.datetime]]
    ) -> None:
        """
        Open the resolved bugs that occurred in a release that should have the fix.

        A release that was seen before the bug was resolved has not got the fix, unless
        it is the one in which the bug was resolved.

        Args:
            sightings: For each primary key the last occurrence in each release, with
                ``""`` for an unknown release.

        """
        resolved = self.filter(
            pk__in=list(sightings), status=KnownBug.Status.RESOLVED, merged_into=None
        )
        for bug in resolved.order_by("pk"):
            by_time = sorted(sightings[bug.pk].items(), key=lambda item: item[1])
            for release, moment in by_time:
                if _is_regression_of(bug, release, moment):
                    self.filter(pk=bug.pk).regress(moment, release)
                    break

    def _change_status(
        self,
        status: KnownBug.Status,
        *,
        only: Iterable[KnownBug.Status],
        by: str = "",
        verb: str = "",
        text: str = "",
        **values: object,
    ) -> list[KnownBug]:
        """
        Give the *status* and *values* to those that have one of the states *only*.

        Row by row, each on condition that its status is still the one that was read, so
        that two people never both change it.

        Args:
            status: The new status.
            only: The states from which it changes.
            by: Who does it, for the activity.
            verb: The verb of the activity, by default the status.
            text: The text of the activity.
            values: Other columns.

        Returns:
            The bugs that changed, as they are now.

        """
        verb = verb or status
        changed: list[KnownBug] = []
        alias = write_alias(self.model)
        with transaction.atomic(using=alias):
            for bug in self.filter(status__in=list(only)).order_by("pk"):
                row = KnownBug.all_objects.filter(pk=bug.pk, status=bug.status)
                if row.update(status=status, modified=timezone.now(), **values):
                    _add_activity(bug.pk, verb, by=by, text=text)
                    bug.refresh_from_db(using=alias)
                    changed.append(bug)
        signal = _SIGNALS.get(verb)
        if signal is not None:
            for bug in changed:
                signals.send_on_commit(signal, alias, bug)
        return changed

    # Other changes

    def record_activity(
        self, verb: str, *, by: str = "", text: str = "", **values: object
    ) -> int:
        """
        Set *values*, and add an activity to the history of each of these bugs.

        A bug that matches no longer when its turn comes is left out.

        Returns:
            How many bugs that were.

        """
        recorded = 0
        with transaction.atomic(using=write_alias(self.model)):
            keys = list(self.order_by("pk").values_list("pk", flat=True))
            for pk in keys:
                if self.filter(pk=pk).update(modified=timezone.now(), **values):
                    _add_activity(pk, verb, by=by, text=text)
                    recorded += 1
        return recorded

    def add_note(self, text: str, *, by: str, to_issue: bool = False) -> int:
        """
        Add a note to the history of each of these bugs.

        Args:
            text: The note; cut to ``NOTE_CHARS``.
            by: Who wrote it.
            to_issue: Whether it becomes a comment on the issue as well.

        Returns:
            How many bugs that were.

        Raises:
            ValueError: The note is empty, or there is no issue to comment on.

        """
        text = clean_text(text.strip(), NOTE_CHARS)
        if not text:
            raise ValueError("The note is empty")
        verb = Activity.Verb.NOTE
        if to_issue:
            without_issue = self.filter(github_issue_number=None).first()
            if without_issue is not None:
                raise ValueError(f"{without_issue.bug_id} has no issue to comment on")
            verb = Activity.Verb.COMMENT
        return self.record_activity(verb, by=by, text=text)

    def add_occurrences(self, added: Mapping[int, tuple[int, dt.datetime]]) -> None:
        """
        Add to the counts of these bugs.

        Args:
            added: For each primary key how many occurrences, and when the last one was.

        """
        horizon = moment_from(time.time() + CLOCK_SKEW_SECONDS)
        # In the order of their keys, as everywhere: otherwise two processes might wait
        # for each other.
        for pk in sorted(added):
            count, last = added[pk]
            # A time in the future was stored while a clock was ahead. A true one
            # replaces it.
            latest = Case(
                When(last_occurrence__gt=horizon, then=Value(last)),
                default=Greatest(Coalesce("last_occurrence", last), last),
            )
            self.filter(pk=pk).update(
                occurrence_count=F("occurrence_count") + count, last_occurrence=latest
            )

    def merge_into(self, survivor: KnownBug, *, by: str = "") -> list[KnownBug]:
        """
        Move the groups of these bugs to *survivor*, with what they have counted.

        The merged bugs are resolved. If *survivor* was merged itself, the bug that
        survived then gets the groups.

        Returns:
            The bugs that were merged.

        Raises:
            ValueError: *survivor* is resolved, or of another environment.

        """
        survivor = survivor.last_survivor()
        if survivor.is_resolved:
            raise ValueError(
                f"{survivor.bug_id} is resolved: reopen it before others are merged "
                "into it"
            )
        others = self.filter(merged_into=None).exclude(pk=survivor.pk)
        if others.exclude(environment=survivor.environment).exists():
            raise ValueError(
                f"bugs of another environment than {survivor.environment!r} are not "
                f"merged into {survivor.bug_id}"
            )
        return [bug for bug in others.order_by("pk") if _merge(bug, survivor, by)]


class KnownBugManager(
    models.Manager.from_queryset(KnownBugQuerySet),  # type: ignore[misc]
):
    """Hides deleted bugs."""

    def get_queryset(self) -> KnownBugQuerySet:
        """Return the bugs that are not deleted."""
        return KnownBugQuerySet(self.model, using=self._db).filter(is_deleted=False)


class KnownBug(TimestampedModel):
    """A numbered bug with one or more groups; deleting it marks it."""

    class Severity(models.TextChoices):
        """How bad it is; also a label of the issue."""

        CRITICAL = "critical", _("critical")
        HIGH = "high", _("high")
        MEDIUM = "medium", _("medium")
        LOW = "low", _("low")

    class Kind(models.TextChoices):
        """What a bug is made of."""

        ERROR = "error", _("error")
        INCIDENT = "incident", _("incident: many errors with one cause")

    class Status(models.TextChoices):
        """Where a bug is in its life."""

        OPEN = "open", _("open")
        IN_PROGRESS = "in_progress", _("in progress")
        RESOLVED = "resolved", _("resolved")
        MUTED = "muted", _("muted")

    UNRESOLVED = (Status.OPEN, Status.IN_PROGRESS, Status.MUTED)

    # Not unique: another BUG_PREFIX has the same numbers. The bug id is.
    number = models.PositiveIntegerField(_("number"), editable=False, db_index=True)
    bug_id = models.CharField(_("bug"), max_length=20, unique=True, editable=False)
    uuid = models.UUIDField(_("UUID"), default=uuid.uuid4, unique=True, editable=False)
    fingerprint = models.CharField(
        _("fingerprint"), max_length=64, blank=True, db_index=True
    )
    environment = models.CharField(_("environment"), max_length=50, blank=True)
    title = models.CharField(_("title"), max_length=255)
    description = models.TextField(_("description"), blank=True)
    # What the description was when the bug was created, to notice what people change.
    automatic_description = models.TextField(blank=True, db_default="", editable=False)
    public_message = models.CharField(
        _("public message"),
        max_length=300,
        blank=True,
        help_text=_(
            "Shown on the error page to people who meet this bug. "
            "Never put a secret here."
        ),
    )
    public_workaround = models.CharField(
        _("workaround for visitors"),
        max_length=300,
        blank=True,
        help_text=_("Shown on the error page: what people can do until it is fixed."),
    )
    public_link = models.CharField(
        _("link for visitors"),
        max_length=300,
        blank=True,
        validators=[URLValidator(schemes=["https", "http"])],
        help_text=_("Shown on the error page: where people find more, a status page."),
    )
    kind = models.CharField(
        _("kind"), max_length=10, choices=Kind, default=Kind.ERROR, editable=False
    )
    # What failed innermost. Bugs with one cause become an incident.
    cause = models.CharField(_("cause"), max_length=255, blank=True, editable=False)
    severity = models.CharField(
        _("severity"), max_length=10, choices=Severity, default=Severity.MEDIUM
    )
    has_manual_severity = models.BooleanField(
        _("severity set by hand"), default=False, editable=False
    )
    # The severity is raised once at most, whatever people make of it afterwards.
    is_worsened = models.BooleanField(
        _("severity raised"), default=False, editable=False
    )
    status = models.CharField(
        _("status"), max_length=12, choices=Status, default=Status.OPEN
    )
    # Without a constraint: users may be in another database, or be deleted.
    assignee = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        verbose_name=_("assignee"),
        null=True,
        blank=True,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
    )
    occurrence_count = models.PositiveBigIntegerField(
        _("occurrences"), default=0, editable=False
    )
    first_occurrence = models.DateTimeField(
        _("first occurrence"), null=True, blank=True, editable=False
    )
    last_occurrence = models.DateTimeField(
        _("last occurrence"), null=True, blank=True, editable=False
    )
    first_release = models.CharField(
        _("first release"), max_length=100, blank=True, editable=False
    )
    resolved_at = models.DateTimeField(
        _("resolved at"), null=True, blank=True, editable=False
    )
    resolved_in_release = models.CharField(
        _("resolved in release"), max_length=100, blank=True
    )
    # Until then occurrences without a release are no regression.
    grace_until = models.DateTimeField(null=True, blank=True, editable=False)
    regressed_at = models.DateTimeField(
        _("regressed at"), null=True, blank=True, editable=False
    )
    muted_until = models.DateTimeField(_("muted until"), null=True, blank=True)
    muted_until_count = models.PositiveBigIntegerField(
        _("muted until it occurred"), null=True, blank=True
    )
    # A number of people in all, as count_people() counts them. Where people are deleted
    # it is lowered by as many, so that as many are still to come.
    muted_until_people = models.PositiveBigIntegerField(
        _("muted until this many people are affected"), null=True, blank=True
    )
    merged_into = models.ForeignKey(
        "self",
        verbose_name=_("merged into"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="merged",
    )
    # The latest activity that trackers must show; 0 without one.
    latest_activity_id = models.PositiveBigIntegerField(default=0, editable=False)
    # The number of occurrences that is recorded next.
    next_milestone = models.PositiveBigIntegerField(default=10, editable=False)
    spiked_at = models.DateTimeField(
        _("last spike"), null=True, blank=True, editable=False
    )
    github_issue_number = models.PositiveIntegerField(
        _("GitHub issue"), null=True, blank=True, editable=False
    )
    github_issue_url = models.TextField(
        _("GitHub issue URL"), blank=True, editable=False
    )
    # The state in which we saw the issue last, to notice what people change.
    github_issue_state = models.CharField(max_length=10, blank=True, editable=False)
    github_issue_updated_at = models.DateTimeField(
        null=True, blank=True, editable=False
    )
    # Logins, separated by commas. With a default in the database, because servers of
    # the release before create bugs while the migration has already run.
    github_issue_assignees = models.CharField(
        _("assignees of the issue"),
        max_length=ASSIGNEES_CHARS,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    file_name = models.CharField(
        _("bug file"), max_length=120, blank=True, editable=False
    )
    is_deleted = models.BooleanField(_("deleted"), default=False, editable=False)
    deleted_at = models.DateTimeField(
        _("deleted at"), null=True, blank=True, editable=False
    )

    objects = KnownBugManager()
    all_objects = KnownBugQuerySet.as_manager()

    class Meta:
        verbose_name = _("known bug")
        verbose_name_plural = _("known bugs")
        ordering = ["-number"]
        base_manager_name = "all_objects"
        indexes = [
            models.Index(fields=["status", "last_occurrence"], name="et_bug_status"),
            models.Index(fields=["severity", "status"], name="et_bug_severity"),
        ]
        permissions = [("file_issue", "Can file a bug with its trackers")]

    def __str__(self) -> str:
        """Return bug id and title."""
        return f"{self.bug_id} {self.title}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a new bug gets its number, its bug id and its environment."""
        if self.bug_id:
            super().save(*args, **kwargs)
            return
        alias = kwargs.get("using") or write_alias(KnownBug)
        with transaction.atomic(using=alias):
            settings = conf.get_settings()
            prefix = settings.BUG_PREFIX
            self.number = Sequence.take(f"bug:{prefix}", floor=self.highest_number())
            self.bug_id = format_bug_id(self.number, prefix)
            self.environment = self.environment or settings.environment
            try:
                super().save(*args, **kwargs)
            except BaseException:
                # Unsaved again, as before the call: the rollback takes the number back.
                self.bug_id = ""
                raise

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        """Mark this bug as deleted."""
        result = self._row().using(using or self._state.db).delete()
        self.refresh_from_db(fields=["is_deleted", "deleted_at"])
        return result

    def hard_delete(self) -> tuple[int, dict[str, int]]:
        """Delete this bug from the database."""
        return super().delete()

    def restore(self) -> None:
        """Undo ``delete()``."""
        self._row().restore()
        self.refresh_from_db(fields=["is_deleted", "deleted_at"])

    @classmethod
    def highest_number(cls) -> int:
        """
        Return the highest number that was ever used.

        It may be that of a bug that was deleted for good, or of a file or folder in
        PLANNING_DIR.
        """
        prefix = conf.get_settings().BUG_PREFIX
        sequence = Sequence.objects.filter(name=f"bug:{prefix}")
        taken = sequence.values_list("value", flat=True).first() or 0
        bugs = cls.all_objects.filter(bug_id__startswith=f"{prefix}-")
        stored = bugs.aggregate(highest=Max("number"))["highest"] or 0
        return max(taken, stored, highest_planned_number(prefix))

    @property
    def has_automatic_description(self) -> bool:
        """Whether the description is still the one that the bug was created with."""
        return self.description == self.automatic_description

    @classmethod
    def open_for_group(
        cls,
        group: ErrorGroup,
        *,
        by: str = "",
        trackers: Iterable[str] = (),
        **changes: object,
    ) -> tuple[KnownBug, bool]:
        """
        Return the bug of *group*, which is created if the group has none.

        One short transaction on condition that the group has no bug. The group's row is
        locked first, so counts that arrive meanwhile wait and then add to the bug.

        Args:
            group: The group.
            by: Who creates the bug, empty for the machine.
            trackers: Names of the trackers that a new bug gets an outbox row for.
            changes: Values of a new bug that differ from those of the group.

        Returns:
            The bug, and whether it was created now.

        """
        alias = write_alias(cls)
        with transaction.atomic(using=alias):
            groups = ErrorGroup.objects.filter(pk=group.pk)
            is_free = groups.filter(bug=None).update(modified=timezone.now())
            current = groups.get()
            if not is_free:
                return cls.all_objects.get(groups=current), False
            bug = cls(**{**_values_from(current), **changes})
            bug.save(using=alias)
            groups.update(bug=bug, **_DECIDED)
            Activity.objects.create(bug=bug, verb=Activity.Verb.CREATED, by=by)
            bug.filings.request_for(bug, trackers)
        signals.send_on_commit(signals.bug_created, alias, bug)
        return bug, True

    def add_group(self, group: ErrorGroup, *, by: str = "") -> bool:
        """
        Make *group* part of this bug, with what it has counted.

        Returns:
            False if the group has a bug already.

        """
        with transaction.atomic(using=write_alias(KnownBug)):
            groups = ErrorGroup.objects.filter(pk=group.pk)
            free = groups.filter(bug=None)
            if not free.update(bug=self, modified=timezone.now(), **_DECIDED):
                return False
            current = groups.get()
            added = {self.pk: (current.times_seen, current.last_seen)}
            self._row().add_occurrences(added)
            self._row().record_activity(Activity.Verb.JOINED, by=by, text=current.title)
        return True

    def resolve(self, *, by: str = "", release: str = "") -> bool:
        """Resolve this bug. Return whether that changed it."""
        return self._refresh_after(self._row().resolve(by=by, release=release))

    def reopen(self, *, by: str = "") -> bool:
        """Open this resolved bug. Return whether that changed it."""
        return self._refresh_after(self._row().reopen(by=by))

    def start(self, *, by: str = "") -> bool:
        """Mark this bug as in progress. Return whether that changed it."""
        return self._refresh_after(self._row().start(by=by))

    def mute(
        self,
        *,
        by: str = "",
        until: dt.datetime | None = None,
        events: int | None = None,
        people: int | None = None,
    ) -> bool:
        """
        Mute this bug.

        Args:
            by: The user name of who does it, empty for the machine.
            until: When muting ends. Without *until*, *events* and *people* it does
                not.
            events: After how many more events muting ends.
            people: After how many more people muting ends.

        Returns:
            Whether that changed the bug.

        """
        changed = self._row().mute(by=by, until=until, events=events, people=people)
        return self._refresh_after(changed)

    def unmute(self, *, by: str = "") -> bool:
        """Open this muted bug. Return whether that changed it."""
        return self._refresh_after(self._row().unmute(by=by))

    def count_people(self) -> int:
        """
        Count the people whom this bug has affected, as long as they are stored.

        People are users, or addresses of those who are not signed in. More than a
        thousand a day and group are not stored.
        """
        clients = GroupClient.objects.filter(group__bug=self.pk)
        counted: int = clients.aggregate(people=Count("hash", distinct=True))["people"]
        return counted

    def _row(self) -> KnownBugQuerySet:
        return KnownBug.all_objects.filter(pk=self.pk)

    def _refresh_after(self, changed: list[KnownBug]) -> bool:
        if not changed:
            return False
        self.refresh_from_db()
        return True

    @property
    def is_resolved(self) -> bool:
        """Whether nobody has to work on it."""
        return self.status == self.Status.RESOLVED

    def last_survivor(self) -> KnownBug:
        """Return the bug that this one was merged into in the end; itself if in none."""
        bug = self
        seen = {bug.pk}
        # Never for ever, whatever the rows say: this runs in requests.
        while bug.merged_into is not None and bug.merged_into.pk not in seen:
            bug = bug.merged_into
            seen.add(bug.pk)
        return bug

    @property
    def is_regression(self) -> bool:
        """Whether it is unresolved because it occurred again."""
        return self.regressed_at is not None and not self.is_resolved


def _people_stored() -> Coalesce:
    """Return what :meth:`KnownBug.count_people` counts, for each row of a query."""
    clients = GroupClient.objects.filter(group__bug=OuterRef("pk")).order_by()
    counted = clients.values("group__bug").annotate(people=Count("hash", distinct=True))
    return Coalesce(Subquery(counted.values("people")), 0)


def _add_activity(pk: int, verb: str, *, by: str, text: str) -> None:
    """
    Add to the history of the bug with the primary key *pk*.

    The caller has changed the bug's row in the same transaction, which locks it. So the
    ids of a bug's activities grow in the order of commits, and a tracker that has seen
    one has seen all before it.
    """
    activity = Activity.objects.create(bug_id=pk, verb=verb, by=by, text=text)
    if verb in Activity.NEWS:
        bug = KnownBug.all_objects.filter(pk=pk)
        bug.update(latest_activity_id=activity.pk)


def _is_regression_of(bug: KnownBug, release: str, moment: dt.datetime) -> bool:
    """Return whether the resolved *bug* should not have occurred there and then."""
    resolved_at = bug.resolved_at or bug.modified
    if not release:
        # Nobody knows whether the fix was running, so a deploy gets some time.
        return moment > (bug.grace_until or resolved_at)
    if moment <= resolved_at:
        return False
    if release == bug.resolved_in_release:
        return True
    seen_before = Release.objects.filter(version=release, first_seen__lte=resolved_at)
    return not seen_before.exists()


def _merge(bug: KnownBug, survivor: KnownBug, by: str) -> bool:
    """
    Move the groups and counts of *bug* to *survivor*, and resolve it.

    Returns:
        False if another process has merged one of them meanwhile; nothing is changed
        then.

    """
    alias = write_alias(KnownBug)
    with transaction.atomic(using=alias):
        moved = _move_groups(bug, survivor)
        # Two bugs that are merged into each other at the same time would lead in a
        # circle.
        is_free = _lock_unmerged(bug, survivor)
        if not is_free or not _close_merged(bug, survivor, moved):
            transaction.set_rollback(True, using=alias)
            return False
        merged_before = KnownBug.all_objects.filter(merged_into=bug)
        merged_before.update(merged_into=survivor)
        _add_counted(survivor, moved)
        verb = Activity.Verb.MERGED
        _add_activity(survivor.pk, verb, by=by, text=f"{bug.bug_id} belongs to it")
        _add_activity(bug.pk, verb, by=by, text=f"into {survivor.bug_id}")
    return True


def _move_groups(bug: KnownBug, survivor: KnownBug) -> Counted:
    """Give the groups of *bug* to *survivor*. Return what they have counted."""
    groups = ErrorGroup.objects.filter(bug=bug).order_by("pk")
    keys = list(groups.values_list("pk", flat=True))
    moved = ErrorGroup.objects.filter(pk__in=keys)
    # This locks the rows: what the recorder adds comes after, and to the survivor.
    moved.update(bug=survivor, modified=timezone.now())
    return moved.counted()


def _lock_unmerged(*bugs: KnownBug) -> bool:
    """Lock the rows of *bugs*. Return whether none of them is merged."""
    for pk in sorted(bug.pk for bug in bugs):
        unmerged = KnownBug.all_objects.filter(pk=pk, merged_into=None)
        if not unmerged.update(modified=timezone.now()):
            return False
    return True


def _close_merged(bug: KnownBug, survivor: KnownBug, moved: Counted) -> bool:
    """
    Resolve *bug*, and subtract what its groups have counted.

    Returns:
        False if another process has merged it meanwhile.

    """
    now = timezone.now()
    # Never below 0: MariaDB refuses to subtract more from an unsigned column.
    at_least_moved = Greatest(F("occurrence_count"), moved.count)
    unmerged = KnownBug.all_objects.filter(pk=bug.pk, merged_into=None)
    changed = unmerged.update(
        status=KnownBug.Status.RESOLVED,
        resolved_at=now,
        merged_into=survivor,
        modified=now,
        occurrence_count=at_least_moved - moved.count,
    )
    return changed > 0


def _add_counted(survivor: KnownBug, moved: Counted) -> None:
    values: dict[str, Any] = {
        "occurrence_count": F("occurrence_count") + moved.count,
        "modified": timezone.now(),
    }
    if moved.first is not None and moved.last is not None:
        first = Coalesce("first_occurrence", moved.first)
        last = Coalesce("last_occurrence", moved.last)
        values["first_occurrence"] = Least(first, moved.first)
        values["last_occurrence"] = Greatest(last, moved.last)
    KnownBug.all_objects.filter(pk=survivor.pk).update(**values)


def format_bug_id(number: int, prefix: str) -> str:
    """Return the bug id of *number*: ``B-001`` … ``B-999``, ``B-1000``."""
    return f"{prefix}-{number:03d}"


def highest_planned_number(prefix: str) -> int:
    """
    Return the highest number of a file or folder ``B-NNN…`` in PLANNING_DIR.

    0 if there is none, or if the folder cannot be read.
    """
    pattern = re.compile(rf"^{re.escape(prefix)}-(\d{{1,9}})(?!\d)", re.IGNORECASE)
    highest = 0
    try:
        names = [path.name for path in conf.get_settings().planning_dir.iterdir()]
    except OSError:
        return 0
    for name in names:
        match = pattern.match(name)
        if match is not None:
            highest = max(highest, int(match[1]))
    return highest


def next_milestone(count: int) -> int:
    """Return the first power of ten above *count*, at least ten."""
    digits = len(str(count))
    return max(10, int(10**digits))


def severity_for(group: ErrorGroup) -> str:
    """
    Return the severity of a new bug of *group*.

    A crash is high. An exception that was handled and a refused form are medium, and
    any other refused request is low.
    """
    # BEFORE_STORE may have written "critical", as logging calls it.
    if group.level in {"fatal", "critical"}:
        return KnownBug.Severity.CRITICAL
    if group.error_type == CSRF:
        return KnownBug.Severity.MEDIUM
    if group.is_client_error:
        return KnownBug.Severity.LOW
    is_caught = group.handled and group.error_type != SERVER_ERROR
    if is_caught:
        return KnownBug.Severity.MEDIUM
    return KnownBug.Severity.HIGH


def _values_from(group: ErrorGroup) -> dict[str, Any]:
    """Return the columns of a new bug of *group*."""
    values = {name: getattr(group, name) for name in _COPIED}
    return {
        **values,
        "severity": severity_for(group),
        "occurrence_count": group.times_seen,
        "first_occurrence": group.first_seen,
        "last_occurrence": group.last_seen,
        "next_milestone": next_milestone(group.times_seen),
    }
