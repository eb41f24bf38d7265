"""
``KnownBug``: what people work on. B-012, its severity, its status, its issue.

State changes of many are in ``life_cycle``; the methods here call those for one.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from error_tracking import conf, signals
from error_tracking.events import CSRF, SERVER_ERROR

from .activity import Activity
from .base import TimestampedModel, write_alias
from .error_group import ErrorGroup
from .filing import Filing
from .life_cycle import UNRESOLVED, KnownBugQuerySet, Status
from .sequence import Sequence


def format_bug_id(number: int, prefix: str) -> str:
    """Return the bug id of *number*: ``B-001`` … ``B-999``, ``B-1000``."""
    return f"{prefix}-{number:03d}"


def highest_planned_number(prefix: str) -> int:
    """Return the highest number among the ``B-NNN…`` files and folders in PLANNING_DIR, 0 when there is none."""
    pattern = re.compile(rf"^{re.escape(prefix)}-(\d{{1,9}})(?!\d)", re.IGNORECASE)
    try:
        names = [path.name for path in conf.get_settings().planning_dir.iterdir()]
    except OSError:
        return 0
    return max((int(match[1]) for name in names if (match := pattern.match(name))), default=0)


class KnownBugManager(models.Manager.from_queryset(KnownBugQuerySet)):  # type: ignore[misc]
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
        DIGEST = "digest", _("digest of what waits")

    Status = Status

    UNRESOLVED = UNRESOLVED

    number = models.PositiveIntegerField(_("number"), editable=False, db_index=True)
    bug_id = models.CharField(_("bug"), max_length=20, unique=True, editable=False)
    uuid = models.UUIDField(_("UUID"), default=uuid.uuid4, unique=True, editable=False)
    fingerprint = models.CharField(_("fingerprint"), max_length=64, blank=True, db_index=True)
    environment = models.CharField(_("environment"), max_length=50, blank=True)
    title = models.CharField(_("title"), max_length=255)
    description = models.TextField(_("description"), blank=True)
    public_message = models.CharField(
        _("public message"),
        max_length=300,
        blank=True,
        help_text=_("Shown on the error page to people who meet this bug. Never put a secret here."),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.ERROR, editable=False)
    cause = models.CharField(_("cause"), max_length=255, blank=True, editable=False)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity, default=Severity.MEDIUM)
    has_manual_severity = models.BooleanField(_("severity set by hand"), default=False, editable=False)
    is_worsened = models.BooleanField(_("severity raised"), default=False, editable=False)
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.OPEN)
    assignee = models.ForeignKey(
        conf.host("AUTH_USER_MODEL"),
        verbose_name=_("assignee"),
        null=True,
        blank=True,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
    )
    occurrence_count = models.PositiveBigIntegerField(_("occurrences"), default=0, editable=False)
    first_occurrence = models.DateTimeField(_("first occurrence"), null=True, blank=True, editable=False)
    last_occurrence = models.DateTimeField(_("last occurrence"), null=True, blank=True, editable=False)
    first_release = models.CharField(_("first release"), max_length=100, blank=True, editable=False)
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True, editable=False)
    resolved_in_release = models.CharField(_("resolved in release"), max_length=100, blank=True)
    grace_until = models.DateTimeField(null=True, blank=True, editable=False)
    regressed_at = models.DateTimeField(_("regressed at"), null=True, blank=True, editable=False)
    muted_until = models.DateTimeField(_("muted until"), null=True, blank=True)
    muted_until_count = models.PositiveBigIntegerField(_("muted until it occurred"), null=True, blank=True)
    merged_into = models.ForeignKey(
        "self",
        verbose_name=_("merged into"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="merged",
    )
    news = models.PositiveBigIntegerField(default=0, editable=False)
    next_milestone = models.PositiveBigIntegerField(default=10, editable=False)
    spiked_at = models.DateTimeField(_("last spike"), null=True, blank=True, editable=False)
    github_issue_number = models.PositiveIntegerField(_("GitHub issue"), null=True, blank=True, editable=False)
    github_issue_url = models.TextField(_("GitHub issue URL"), blank=True, editable=False)
    github_issue_state = models.CharField(max_length=10, blank=True, editable=False)
    github_issue_updated_at = models.DateTimeField(null=True, blank=True, editable=False)
    file_name = models.CharField(_("bug file"), max_length=120, blank=True, editable=False)
    is_deleted = models.BooleanField(_("deleted"), default=False, editable=False)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True, editable=False)

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

    def save(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Django's signature
        """Save; a new bug gets its number, its bug id and its environment."""
        if self.bug_id:
            super().save(*args, **kwargs)
            return
        alias = kwargs.get("using") or write_alias(KnownBug)
        with transaction.atomic(using=alias):
            prefix = conf.get_settings().BUG_PREFIX
            self.number = Sequence.take(f"bug:{prefix}", floor=self.highest_number())
            self.bug_id = format_bug_id(self.number, prefix)
            self.environment = self.environment or conf.get_settings().environment
            try:
                super().save(*args, **kwargs)
            except BaseException:
                self.bug_id = ""  # unsaved again, as before the call
                raise

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:  # noqa: ARG002, FBT001, FBT002  Django's signature
        """Mark this bug as deleted."""
        result = self._row().using(using or self._state.db).delete()
        self.refresh_from_db(fields=["is_deleted", "deleted_at"])
        return result

    def hard_delete(self) -> tuple[int, dict[str, int]]:
        """Delete this bug from the database."""
        return super().delete()

    def restore(self) -> None:
        """Bring this bug back."""
        self._row().restore()
        self.refresh_from_db(fields=["is_deleted", "deleted_at"])

    @classmethod
    def highest_number(cls) -> int:
        """Return the highest number ever given, also when its bug is gone for good, or used in PLANNING_DIR."""
        prefix, alias = conf.get_settings().BUG_PREFIX, write_alias(cls)
        taken = Sequence.objects.using(alias).filter(name=f"bug:{prefix}").values_list("value", flat=True).first() or 0
        rows = cls.all_objects.using(alias).filter(bug_id__startswith=f"{prefix}-")
        stored = rows.aggregate(highest=models.Max("number"))["highest"] or 0
        return max(taken, stored, highest_planned_number(prefix))

    @classmethod
    def open_for_group(
        cls, group: ErrorGroup, *, by: str = "", trackers: Iterable[str] = (), **changes: object
    ) -> tuple[KnownBug, bool]:
        """
        Return the bug of *group* and whether it was made now, with its outbox rows for *trackers*.

        *changes* are values of a new bug that are not those of the group.

        One short transaction conditional on the group having none: the group's
        row is locked first, so counts that arrive meanwhile wait and then add
        to the bug.
        """
        alias = write_alias(cls)
        with transaction.atomic(using=alias):
            groups = ErrorGroup.objects.using(alias).filter(pk=group.pk)
            is_free = groups.filter(bug=None).update(modified=timezone.now())
            current = groups.get()
            if not is_free:
                return cls.all_objects.using(alias).get(groups=current), False
            same = ("fingerprint", "environment", "title", "cause", "first_release")
            values = {
                **{name: getattr(current, name) for name in same},
                "severity": severity_for(current),
                "occurrence_count": current.times_seen,
                "first_occurrence": current.first_seen,
                "last_occurrence": current.last_seen,
                "next_milestone": next_milestone(current.times_seen),
            }
            bug = cls(**{**values, **changes})
            bug.save(using=alias)
            groups.update(bug=bug, verdict_reason="")
            Activity.objects.using(alias).create(bug=bug, verb=Activity.Verb.CREATED, by=by)
            Filing.objects.using(alias).request_for(bug, trackers)
        signals.send_on_commit(signals.bug_created, alias, bug)
        return bug, True

    def take_group(self, group: ErrorGroup, *, by: str = "") -> bool:
        """Make *group* part of this bug, with what it has counted, unless it has a bug; return whether."""
        alias = write_alias(KnownBug)
        with transaction.atomic(using=alias):
            groups = ErrorGroup.objects.using(alias).filter(pk=group.pk)
            if not groups.filter(bug=None).update(bug=self, verdict_reason="", modified=timezone.now()):
                return False
            current = groups.get()
            self._row().using(alias).add_occurrences({self.pk: (current.times_seen, current.last_seen)})
            self._row().note(Activity.Verb.JOINED, by=by, text=current.title)
        return True

    def resolve(self, *, by: str = "", release: str = "") -> bool:
        """Resolve this bug; return whether that changed it."""
        return self._apply(self._row().resolve(by=by, release=release))

    def reopen(self, *, by: str = "") -> bool:
        """Open this bug again; return whether that changed it."""
        return self._apply(self._row().reopen(by=by))

    def start(self, *, by: str = "") -> bool:
        """Mark this bug as in progress; return whether that changed it."""
        return self._apply(self._row().start(by=by))

    def mute(self, *, by: str = "", until: dt.datetime | None = None, events: int | None = None) -> bool:
        """Mute this bug, for ever, *until* a moment or for so many more *events*; return whether that changed it."""
        return self._apply(self._row().mute(by=by, until=until, events=events))

    def unmute(self, *, by: str = "") -> bool:
        """Open this muted bug; return whether that changed it."""
        return self._apply(self._row().unmute(by=by))

    def _row(self) -> KnownBugQuerySet:
        return KnownBug.all_objects.filter(pk=self.pk)

    def _apply(self, changed: list[KnownBug]) -> bool:
        if changed:
            self.refresh_from_db()
        return bool(changed)

    @property
    def is_resolved(self) -> bool:
        """Return whether the bug is resolved."""
        return self.status == self.Status.RESOLVED

    @property
    def is_regression(self) -> bool:
        """Return whether the bug came back after it had been resolved, and is not resolved again."""
        return self.regressed_at is not None and not self.is_resolved


def next_milestone(count: int) -> int:
    """Return the first power of ten above *count*, from ten on."""
    return max(10, int(10 ** len(str(count))))


def severity_for(group: ErrorGroup) -> str:
    """Return the severity that a new bug of *group* starts with: a crash is high, a refused request low."""
    if group.level in {"fatal", "critical"}:
        return KnownBug.Severity.CRITICAL
    if group.is_client_error:
        return KnownBug.Severity.MEDIUM if group.error_type == CSRF else KnownBug.Severity.LOW
    is_caught = group.handled and group.error_type != SERVER_ERROR
    return KnownBug.Severity.MEDIUM if is_caught else KnownBug.Severity.HIGH
