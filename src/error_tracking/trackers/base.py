"""What a tracker is: the small class that a project subclasses to file bugs elsewhere."""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
from typing import ClassVar

from error_tracking.report import BugReport


@dataclasses.dataclass(frozen=True, slots=True)
class Filed:
    """
    What a tracker made: its name for it there, and where to look at it.

    ``is_local`` says that only this machine has it; ``state`` is ``"open"`` or
    ``"closed"`` where the tracker has one and ``reason`` why, ``pushed_state`` what we
    have made it last, and ``updated_at`` when it changed.
    """

    reference: str
    url: str = ""
    number: int | None = None
    is_local: bool = False
    state: str = ""
    reason: str = ""
    pushed_state: str = ""
    updated_at: dt.datetime | None = None


class Tracker(abc.ABC):
    """Files bugs in one place; stateless, so that any process may use it."""

    name: ClassVar[str]

    def why_not(self) -> str:
        """Return why this process cannot file here, ``""`` when it can; asked often, so it asks no network."""
        return ""

    def find(self, report: BugReport) -> Filed | None:  # noqa: ARG002  for subclasses
        """
        Return what an earlier attempt already made for *report*, if anything.

        Asked before every attempt but the first, so that a crash between making
        and storing never makes a second one.

        Raises:
            TrackerError: It could not be found out.
        """
        return None

    @abc.abstractmethod
    def file(self, report: BugReport) -> Filed:
        """
        File *report* and return what was made.

        Raises:
            TrackerError: Nothing was made, or nobody knows.
        """

    def update(self, report: BugReport, reference: str) -> Filed | None:  # noqa: ARG002  for subclasses
        """
        Bring what has *reference* up to date; return how it is now, None where nothing was to do.

        Called when ``report.news`` has something: a regression, another status, a
        power of ten of occurrences. May be called twice for the same news.

        Raises:
            TrackerError: It was not brought up to date, or nobody knows.
        """
        return None
