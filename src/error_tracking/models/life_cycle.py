"""
The life of known bugs: open, in progress, resolved, muted, merged; and what of it trackers are told.

Each change is one conditional UPDATE and one ``Activity``. An activity that
concerns trackers becomes the bug's ``news``; a filing that was told less is due.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import F, Max, Min, Sum
from django.db.models.functions import Coalesce, Greatest, Least
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from error_tracking import conf, signals

from .activity import Activity
from .base import write_alias
from .error_group import ErrorGroup, Release

if TYPE_CHECKING:
    from .known_bug import KnownBug


class Status(models.TextChoices):
    """Where a bug is in its life."""

    OPEN = "open", _("open")
    IN_PROGRESS = "in_progress", _("in progress")
    RESOLVED = "resolved", _("resolved")
    MUTED = "muted", _("muted")


UNRESOLVED = (Status.OPEN, Status.IN_PROGRESS, Status.MUTED)
_SIGNALS: dict[str, Signal] = {
    Activity.Verb.RESOLVED: signals.bug_resolved,
    Activity.Verb.REGRESSED: signals.bug_regressed,
}


class KnownBugQuerySet(models.QuerySet["KnownBug"]):
    """State changes of many bugs, and reads that read as English."""

    def open(self) -> KnownBugQuerySet:
        """Return the bugs that are not resolved: open, in progress or muted."""
        return self.exclude(status=Status.RESOLVED)

    def seen_since(self, moment: dt.datetime) -> KnownBugQuerySet:
        """Return the bugs whose last occurrence is not before *moment*."""
        return self.filter(last_occurrence__gte=moment)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Mark these as deleted, so that they still match and are not filed again; return what Django would."""
        count = self.filter(is_deleted=False).update(is_deleted=True, deleted_at=timezone.now())
        return count, {self.model._meta.label: count}

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def hard_delete(self) -> tuple[int, dict[str, int]]:
        """Delete these from the database."""
        return super().delete()

    hard_delete.alters_data = True  # type: ignore[attr-defined]
    hard_delete.queryset_only = True  # type: ignore[attr-defined]

    def restore(self) -> int:
        """Bring deleted ones back; return how many."""
        return self.filter(is_deleted=True).update(is_deleted=False, deleted_at=None)

    def resolve(self, *, by: str = "", release: str = "", grace_until: dt.datetime | None = None) -> list[KnownBug]:
        """
        Resolve those that are not resolved, in the next release; return the changed ones.

        Args:
            by: Who does it, empty for the machine.

            release: The release that has the fix, where that is known.

            grace_until: Until when occurrences without a release are no regression.
        """
        running = conf.get_settings().release
        if running:
            Release.objects.using(write_alias(Release)).see(running)  # what runs now has not got the fix
        values: dict[str, Any] = {"resolved_at": timezone.now(), "grace_until": grace_until}
        return self._move(Status.RESOLVED, UNRESOLVED, by=by, resolved_in_release=release, **values)

    def reopen(self, *, by: str = "") -> list[KnownBug]:
        """Open those that are resolved; return the changed ones. A merged one stays what it is."""
        values: dict[str, Any] = {"resolved_at": None, "resolved_in_release": "", "grace_until": None}
        return self.filter(merged_into=None)._move(Status.OPEN, (Status.RESOLVED,), by=by, **values)

    def start(self, *, by: str = "") -> list[KnownBug]:
        """Mark the open ones as in progress; return the changed ones."""
        return self._move(Status.IN_PROGRESS, (Status.OPEN,), by=by)

    def mute(
        self, *, by: str = "", until: dt.datetime | None = None, events: int | None = None, text: str = ""
    ) -> list[KnownBug]:
        """
        Mute those that are open or in progress, *until* or for *events*, else for ever; return the changed ones.

        They are counted, but nothing is filed or sent. *text* says why.
        """
        count = F("occurrence_count") + events if events is not None else None
        words = [f"until {until:%Y-%m-%d %H:%M}"] if until else []
        words += [f"for {events} more events"] if events is not None else []
        values: dict[str, Any] = {"text": text or " or ".join(words), "muted_until": until, "muted_until_count": count}
        return self._move(Status.MUTED, (Status.OPEN, Status.IN_PROGRESS), by=by, **values)

    def unmute(self, *, by: str = "", text: str = "") -> list[KnownBug]:
        """Open the muted ones; return the changed ones."""
        return self._move(Status.OPEN, (Status.MUTED,), by=by, text=text, muted_until=None, muted_until_count=None)

    def wake(self) -> list[KnownBug]:
        """Open the muted ones whose condition has come true."""
        is_over = models.Q(muted_until__lte=timezone.now()) | models.Q(muted_until_count__lte=F("occurrence_count"))
        return self.filter(is_over, status=Status.MUTED).unmute(text="the time of muting is over")

    def regress(self, occurred_at: dt.datetime, release: str = "") -> list[KnownBug]:
        """Open again those that were resolved before they occurred in *release*; return the changed ones."""
        values: dict[str, Any] = {"regressed_at": occurred_at, "resolved_at": None, "grace_until": None}
        text = f"in release {release}" if release else ""
        return self._move(Status.OPEN, (Status.RESOLVED,), verb=Activity.Verb.REGRESSED, text=text, **values)

    def note(self, verb: str, *, by: str = "", text: str = "", **values: object) -> int:
        """Set *values* and say in each bug's history what was done, where it still fits; return how many."""
        alias = write_alias(self.model)
        rows = self.using(alias)
        with transaction.atomic(using=alias):
            keys = rows.order_by("pk").values_list("pk", flat=True)
            noted = [pk for pk in list(keys) if rows.filter(pk=pk).update(modified=timezone.now(), **values)]
            for pk in noted:
                self._tell(pk, alias, verb, by, text)
        return len(noted)

    def merge_into(self, survivor: KnownBug, *, by: str = "") -> list[KnownBug]:
        """
        Move the groups of these bugs to *survivor*, with what they have counted; return the merged ones.

        Raises:
            ValueError: *survivor* is resolved, or of another environment.
        """
        while survivor.merged_into is not None:
            survivor = survivor.merged_into
        if survivor.status == Status.RESOLVED:
            raise ValueError(f"{survivor.bug_id} is resolved: reopen it before others are merged into it")
        others = self.filter(merged_into=None).exclude(pk=survivor.pk).order_by("pk")
        if others.exclude(environment=survivor.environment).exists():
            msg = f"bugs of another environment than {survivor.environment!r} are not merged into {survivor.bug_id}"
            raise ValueError(msg)
        return [bug for bug in others if self._merge(bug, survivor, by)]

    def _merge(self, bug: KnownBug, survivor: KnownBug, by: str) -> bool:
        alias = write_alias(self.model)
        with transaction.atomic(using=alias):
            groups = ErrorGroup.objects.using(alias).filter(bug=bug).order_by("pk")
            keys = list(groups.values_list("pk", flat=True))
            moved = ErrorGroup.objects.using(alias).filter(pk__in=keys)
            moved.update(bug=survivor, modified=timezone.now())  # locked now: what the writer adds comes after
            sums = moved.aggregate(count=Coalesce(Sum("times_seen"), 0), first=Min("first_seen"), last=Max("last_seen"))
            now = timezone.now()
            values = {"status": Status.RESOLVED, "resolved_at": now, "merged_into": survivor, "modified": now}
            remaining = Greatest(F("occurrence_count"), sums["count"]) - sums["count"]  # never below 0: MariaDB refuses
            rows = self._everywhere(alias).filter(pk=bug.pk, merged_into=None)
            if not rows.update(**values, occurrence_count=remaining):
                transaction.set_rollback(True, using=alias)
                return False
            self._everywhere(alias).filter(merged_into=bug).update(merged_into=survivor)
            grown = {"occurrence_count": F("occurrence_count") + sums["count"], "modified": now}
            if keys:
                grown["first_occurrence"] = Least(Coalesce("first_occurrence", sums["first"]), sums["first"])
                grown["last_occurrence"] = Greatest(Coalesce("last_occurrence", sums["last"]), sums["last"])
            self._everywhere(alias).filter(pk=survivor.pk).update(**grown)
            self._tell(survivor.pk, alias, Activity.Verb.MERGED, by, f"{bug.bug_id} belongs to it")
            self._tell(bug.pk, alias, Activity.Verb.MERGED, by, f"into {survivor.bug_id}")
        return True

    def add_occurrences(self, added: Mapping[int, tuple[int, dt.datetime]]) -> None:
        """Add to the counts: per key how many more and when the last was; keys in order against deadlocks."""
        for pk in sorted(added):
            count, last = added[pk]
            latest = Greatest(Coalesce("last_occurrence", last), last)
            self.filter(pk=pk).update(occurrence_count=F("occurrence_count") + count, last_occurrence=latest)

    def come_back(self, sightings: Mapping[int, Mapping[str, dt.datetime]]) -> None:
        """
        Open the resolved ones again that happened in a release that should have had the fix.

        *sightings* tell per key when the bug was seen last in each release,
        ``""`` where that is not known. A release that was there before the bug was
        resolved has not got the fix, unless it is the one that the bug was resolved in.
        """
        for bug in self.filter(pk__in=list(sightings), status=Status.RESOLVED, merged_into=None).order_by("pk"):
            resolved_at = bug.resolved_at or bug.modified
            old = Release.objects.using(self.db).filter(first_seen__lte=resolved_at)
            for release, moment in sorted(sightings[bug.pk].items(), key=lambda item: item[1]):
                is_late = moment > (resolved_at if release else bug.grace_until or resolved_at)
                is_old = release not in {"", bug.resolved_in_release} and old.filter(version=release).exists()
                if is_late and not is_old:
                    self.filter(pk=bug.pk).regress(moment, release)
                    break

    def _everywhere(self, alias: str) -> KnownBugQuerySet:
        """Return all bugs, deleted ones too."""
        return self.model.all_objects.using(alias)

    def _tell(self, pk: int, alias: str, verb: str, by: str, text: str) -> None:
        """Write the activity; the bug's row is locked by now, so ids grow in the order of commits."""
        activity = Activity.objects.using(alias).create(bug_id=pk, verb=verb, by=by, text=text)
        if verb in Activity.NEWS:
            self._everywhere(alias).filter(pk=pk).update(news=activity.pk)

    def _move(
        self, status: Status, only: Iterable[Status], *, by: str = "", verb: str = "", text: str = "", **values: object
    ) -> list[KnownBug]:
        """Change the status row by row, each conditional on its old one, so that two people never both change it."""
        changed: list[KnownBug] = []
        alias = write_alias(self.model)
        with transaction.atomic(using=alias):
            for bug in self.using(alias).filter(status__in=tuple(only)).order_by("pk"):
                row = self._everywhere(alias).filter(pk=bug.pk, status=bug.status)
                if not row.update(status=status, modified=timezone.now(), **values):
                    continue
                self._tell(bug.pk, alias, verb or status, by, text)
                bug.refresh_from_db(using=alias)
                changed.append(bug)
        for bug in changed:
            signals.send_on_commit(_SIGNALS.get(verb or status), alias, bug)
        return changed
