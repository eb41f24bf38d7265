"""``Activity``: what happened to a bug, when, and by whom."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .base import OwnManager


class Activity(models.Model):
    """
    One line in a bug's history.

    ``by`` is a user name, and empty for the machine.
    """

    class Verb(models.TextChoices):
        """What happened. The name of a status means that the bug got that status."""

        CREATED = "created", _("created")
        FILED = "filed", _("filed")
        FILING_FAILED = "filing_failed", _("could not be filed")
        REGRESSED = "regressed", _("came back")
        OPEN = "open", _("opened")
        IN_PROGRESS = "in_progress", _("work started")
        RESOLVED = "resolved", _("resolved")
        MUTED = "muted", _("muted")
        MERGED = "merged", _("merged")
        EDITED = "edited", _("edited")
        MILESTONE = "milestone", _("reached")
        SPIKING = "spiking", _("far more often than usual")
        JOINED = "joined", _("another error belongs to it")
        NOTE = "note", _("note")
        COMMENT = "comment", _("note, also on the issue")
        PULL_REQUEST = "pull_request", _("pull request")

    #: What trackers must show: changes of the status, of texts that they show,
    #: milestones, and notes that a person has sent to the issue. The others are for
    #: people who read the history.
    NEWS = frozenset(Verb) - {
        Verb.CREATED,
        Verb.FILED,
        Verb.FILING_FAILED,
        Verb.JOINED,
        Verb.NOTE,
        Verb.PULL_REQUEST,
    }

    bug = models.ForeignKey(
        "error_tracking.KnownBug", on_delete=models.CASCADE, related_name="activities"
    )
    created = models.DateTimeField(_("when"), default=timezone.now)
    verb = models.CharField(_("what"), max_length=20, choices=Verb)
    by = models.CharField(_("who"), max_length=150, blank=True)
    text = models.TextField(_("note"), blank=True)

    objects = OwnManager()

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        ordering = ["created", "id"]

    def __str__(self) -> str:
        when = f"{self.created:%Y-%m-%d %H:%M}"
        return f"{when} {self.get_verb_display()} {self.by}".strip()
