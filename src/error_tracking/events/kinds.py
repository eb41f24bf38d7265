"""
The kinds of events that have budgets of their own, and each one's share of every bound.

What an anonymous client can cause in any amount must not use up what the project's
own crashes need, and must not starve another kind either: so each bound counts each
kind apart, and no kind borrows from another. All bounds read this one table.
"""

from __future__ import annotations

import dataclasses
import enum

from .event import CLIENT_ERROR, CSRF, EXCEPTION, MESSAGE, SERVER_ERROR

# The kinds of noise, as groups store them: refused requests that are nobody's bug.
SCANNER = "scanner"
FOREIGN_HOST = "host"
DISCONNECT = "disconnect"
OWN_PAGES = "own pages"


class Kind(enum.StrEnum):
    """Kinds in the order in which they come first."""

    #: An exception that came through the project's own code, or a 5xx that it answered.
    CRASH = "crash"
    #: An exception with none of the project's code in it; its message is in its
    #: fingerprint.
    LIBRARY = "library"
    #: A log record or ``capture_message()``; its text is in its fingerprint.
    MESSAGE = "message"
    #: A form that Django's CSRF protection refused.
    CSRF = "csrf"
    #: Any other 4xx.
    REFUSED = "refused"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """
    How much of each bound one kind has.

    Attributes:
        new_groups: How many groups a process may begin in a minute. The last half is
            for places that have begun none in this minute, so a few places cannot
            use up all of it.

        whole: How many events a process stores with their payload in a minute.

        decided: How many groups a round of the gate looks at, where more wait.

        filed_per_hour: How many bugs are filed with one tracker, on all servers.

        filed_per_day: The same for a day.

    """

    new_groups: int
    whole: int
    decided: int
    filed_per_hour: int
    filed_per_day: int


# Crashes have half of everything. A client makes no place of the project's code, so
# to use up the crashes' groups it would have to find a hundred functions that crash.
# Of refused requests few bugs are worth filing: twenty a day is more than people read.
QUOTAS = {
    Kind.CRASH: Quota(
        new_groups=200, whole=500, decided=100, filed_per_hour=20, filed_per_day=100
    ),
    Kind.LIBRARY: Quota(
        new_groups=60, whole=150, decided=30, filed_per_hour=10, filed_per_day=40
    ),
    Kind.MESSAGE: Quota(
        new_groups=60, whole=150, decided=30, filed_per_hour=10, filed_per_day=40
    ),
    Kind.CSRF: Quota(
        new_groups=30, whole=100, decided=20, filed_per_hour=5, filed_per_day=20
    ),
    Kind.REFUSED: Quota(
        new_groups=60, whole=100, decided=20, filed_per_hour=5, filed_per_day=20
    ),
}

#: How many groups of one kind one place (a function, a route, a log call) begins in a
#: minute. A function rarely fails in more than two or three ways; what has twenty has
#: text from outside in its fingerprint.
CLASSES_PER_PLACE = 20


def kind_of(error_type: str, culprit: str) -> Kind:
    """
    Return the kind of an event or group.

    *culprit* is ``""`` where no function of the project is in its stack.
    """
    if error_type == EXCEPTION and not culprit:
        return Kind.LIBRARY
    return _BY_TYPE[error_type]


_BY_TYPE = {
    EXCEPTION: Kind.CRASH,
    SERVER_ERROR: Kind.CRASH,
    MESSAGE: Kind.MESSAGE,
    CSRF: Kind.CSRF,
    CLIENT_ERROR: Kind.REFUSED,
}
