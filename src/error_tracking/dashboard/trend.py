"""Whether something happens more often than before: an arrow, and the same in words."""

from __future__ import annotations

import dataclasses

from django.utils.translation import gettext as _

# Less than a tenth more or less is what chance makes.
SAME_SHARE = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Trend:
    """
    How a count differs from that of the time before.

    Attributes:
        arrow: What catches the eye; it says nothing that the words do not.
        words: The same for people who read or hear it.

    """

    arrow: str
    words: str


def trend_of(count: int, before: int) -> Trend:
    """Return how *count* differs from *before*, the count of the same time before it."""
    if abs(count - before) * SAME_SHARE <= before:
        return Trend("→", _("as before"))
    values = {"count": f"{before:,}"}
    if count > before:
        return Trend("↑", _("up from %(count)s") % values)
    return Trend("↓", _("down from %(count)s") % values)
