"""What a tracker is: the small class that a project subclasses to file bugs elsewhere."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from error_tracking.report import BugReport


@dataclasses.dataclass(frozen=True, slots=True)
class Filed:
    """What a tracker made: its name for it there, and where to look at it."""

    reference: str
    url: str = ""
    number: int | None = None


class Tracker(abc.ABC):
    """Files bugs in one place; stateless, so that any process may use it."""

    name: ClassVar[str]

    def why_not(self) -> str:
        """Return why this process cannot file here, ``""`` when it can."""
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
