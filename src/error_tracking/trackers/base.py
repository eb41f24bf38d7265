"""The classes that a project subclasses to file bugs elsewhere."""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import ClassVar

from error_tracking.report.bug_report import BugReport


@dataclasses.dataclass(frozen=True, slots=True)
class Filed:
    """
    What a tracker created.

    Attributes:
        reference: The tracker's name for it, for example ``#12`` or a file name.
        url: Its address, ``""`` without one.
        number: Its number, where the tracker has numbers.
        is_local: Whether only this machine has it.
        state: ``"open"`` or ``"closed"``, ``""`` where the tracker has no states.
        reason: Why it was closed.
        pushed_state: The state that we gave it last.
        pushed_activity_id: The bug's latest activity when we gave it that state.
        updated_at: When it changed last.
        assignees: The logins of the people it is assigned to.
        file_name: The name of the bug's file, where that is what was written.
        note: What people should know of it although it was filed.

    """

    reference: str
    url: str = ""
    number: int | None = None
    is_local: bool = False
    state: str = ""
    reason: str = ""
    pushed_state: str = ""
    pushed_activity_id: int = 0
    updated_at: dt.datetime | None = None
    file_name: str = ""
    note: str = ""
    assignees: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPullRequest:
    """
    A pull request as the tracker shows it now.

    Attributes:
        url: Its address, by which it is stored.
        state: ``"open"``, ``"closed"`` or ``"merged"``.
        is_trusted: Whether its author may say what it fixes: anybody may open one.
        closes: The addresses of the issues that merging it closes.
        mentions: The addresses of other issues that its description names.
        updated_at: When it changed last.
        merged_at: When it was merged, None before.

    """

    number: int
    url: str
    title: str
    author: str
    state: str
    is_trusted: bool
    closes: frozenset[str] = frozenset()
    mentions: frozenset[str] = frozenset()
    updated_at: dt.datetime | None = None
    merged_at: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Merge:
    """What a merge did: its commit, and the branch that has it now."""

    commit: str
    branch: str
    is_default_branch: bool


class Tracker(abc.ABC):
    """Files bugs in one place; stateless, so that any process may use it."""

    #: Of the class, or of an instance where one class has several places.
    name: str
    #: Whether what it writes names the bug's issue, and is updated once there is one.
    names_issue: ClassVar[bool] = False
    #: Whether what it writes shows the recent changes to the files of the stack, for
    #: which git is run where the site runs from a checkout.
    shows_changes: ClassVar[bool] = False

    def unavailable_reason(self) -> str:
        """
        Return why this process cannot file here, ``""`` when it can.

        Called often, so it uses no network.
        """
        return ""

    def find(self, report: BugReport) -> Filed | None:
        """
        Return what an earlier attempt already created for *report*, if anything.

        Called before every attempt but the first, so that a crash between creating and
        storing never creates a second one.

        Raises:
            TrackerError: It could not be found out.
        """
        return None

    @abc.abstractmethod
    def file(self, report: BugReport) -> Filed:
        """
        File *report* and return what was created.

        Raises:
            TrackerError: Nothing was created, or nobody knows.
        """

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """
        Update what has *reference*; return how it is now, None if nothing changed.

        Called when ``report.news`` is not empty: a regression, another status, a power
        of ten of occurrences. May be called twice for the same news.

        Raises:
            TrackerError: It was not updated, or nobody knows.
        """
        return None


class Notifier(Tracker):
    """A tracker that sends messages to people or programs, and can send a test."""

    @property
    @abc.abstractmethod
    def place(self) -> str:
        """Where messages go, for people; without any secret."""

    @abc.abstractmethod
    def send_test(self, report: BugReport) -> None:
        """
        Send a message that says that it is a test.

        Args:
            report: A made-up bug.

        Raises:
            TrackerError: It was not sent, or nobody knows.
        """


class IssueTracker(Tracker):
    """
    A tracker whose issues people close and reopen, and whose bugs follow them.

    The number, the URL and the state of what it files are stored with the bug. A site
    has one issue tracker at most.
    """

    @abc.abstractmethod
    def changed_since(
        self, moment: dt.datetime
    ) -> Iterator[Filed | ChangedPullRequest]:
        """
        Yield what has changed since *moment*, the oldest change first.

        Raises:
            TrackerError: The tracker could not be asked.
        """

    def merge_of(self, pull_request: ChangedPullRequest) -> Merge | None:
        """
        Return what merging *pull_request* did, None when this process may not read it.

        Raises:
            TrackerError: The tracker could not be asked.
        """
        return None
