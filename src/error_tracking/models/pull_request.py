"""``PullRequest``: who is fixing a bug where, and how far that is."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .base import OwnQuerySet, TimestampedModel
from .known_bug import KnownBug

# A unique index over longer addresses is too wide for MariaDB.
URL_CHARS = 255
TITLE_CHARS = 255
# GitHub's logins have at most 39 characters, and "[bot]".
AUTHOR_CHARS = 50
# As long as a name of a branch can be in a release's column.
BRANCH_CHARS = 100


class PullRequestQuerySet(OwnQuerySet["PullRequest"]):
    """Queries of the links."""

    def active(self) -> PullRequestQuerySet:
        """Return those that are open and close their bug's issue."""
        return self.filter(state=PullRequest.State.OPEN, closes_issue=True)


class PullRequest(TimestampedModel):
    """One pull request that closes or mentions the issue of one bug."""

    class State(models.TextChoices):
        """What became of it, as we read it last."""

        UNREAD = "", _("not read yet")
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")
        MERGED = "merged", _("merged")

    bug = models.ForeignKey(
        KnownBug, on_delete=models.CASCADE, related_name="pull_requests"
    )
    number = models.PositiveIntegerField(_("number"))
    url = models.CharField(_("URL"), max_length=URL_CHARS)
    title = models.CharField(_("title"), max_length=TITLE_CHARS, blank=True)
    author = models.CharField(_("author"), max_length=AUTHOR_CHARS, blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=State, default=State.UNREAD, blank=True
    )
    # Not only mentions it.
    closes_issue = models.BooleanField(_("closes the issue"), default=False)
    merge_commit = models.CharField(_("merge commit"), max_length=64, blank=True)
    merged_at = models.DateTimeField(_("merged at"), null=True, blank=True)
    # Where it was merged into.
    branch = models.CharField(_("branch"), max_length=BRANCH_CHARS, blank=True)
    # The activity by which its opening started the work on the bug, 0 without one:
    # closing it takes back only that.
    start_activity_id = models.PositiveBigIntegerField(default=0, editable=False)

    objects = PullRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("pull request")
        verbose_name_plural = _("pull requests")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["bug", "url"], name="et_pullrequest_unique")
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.title}".strip()

    @property
    def short_commit(self) -> str:
        """The merge commit as people read it, ``""`` without one."""
        return self.merge_commit[:12]
