"""
Limits what reading one event costs: characters, items and time for each part of it.

Characters and items are counted, so that the same error is always read the
same way. The time is the last resort, for content that is slower to read than
any we measured. What is not read is dropped and its size noted; it is never
stored unscrubbed.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# The CPU time of this thread: work of other threads must not cost the event its
# payload.
_clock = getattr(time, "thread_time", time.monotonic)

#: How much a text is read beyond what is kept of it, so that a secret that the cut
#: would split is recognised. Longer ones (tokens, keys, quoted passwords, elements of
#: XML) are recognised by how they begin, and go whole where they reach the end of what
#: was read; tests/test_long_secrets.py has each kind. Reading 4,096 characters would
#: not recognise more of them, and after two long local variables nothing would be left
#: for the others.
LOOKAHEAD_CHARS = 512


@dataclasses.dataclass(frozen=True, slots=True)
class Size:
    """What a part may cost: characters handed to the scrubber, and values looked at."""

    characters: int
    items: int


@dataclasses.dataclass(frozen=True, slots=True)
class Sizes:
    """
    The shares of one kind of event.

    ``frames`` are of all exceptions, ``seconds`` of CPU for each part.
    """

    seconds: float
    frames: int
    messages: Size
    locals: Size
    request: Size
    context: Size


# A request that crashes takes a millisecond or more without us, so 10 ms more are
# within ten times of it. What usually arrives is far below: 12 frames with locals and a
# form of 9 KB have 9,000 characters and 250 items. Of what takes longest to read (a
# secret every ten characters) 1,000 characters take 0.4 ms.
CRASH = Sizes(
    seconds=0.0016,
    frames=100,
    messages=Size(characters=8_000, items=500),
    locals=Size(characters=6_000, items=400),
    request=Size(characters=12_000, items=300),
    context=Size(characters=22_000, items=300),
)
# A request that is refused takes a tenth of a millisecond without us, and strangers
# send as many as they like.
REFUSED = Sizes(
    seconds=0.001,
    frames=20,
    messages=Size(characters=600, items=30),
    locals=Size(characters=600, items=30),
    request=Size(characters=900, items=60),
    context=Size(characters=1_500, items=60),
)


class Share:
    """What is left for one part of an event."""

    __slots__ = ("_deadline", "_is_late", "_seconds", "characters", "items")

    def __init__(self, size: Size, seconds: float = float("inf")) -> None:
        """
        Start with *size*.

        Args:
            size: What may be read.
            seconds: CPU time of this thread, from the first use on. After it nothing
                is granted.
        """
        self.characters = size.characters
        self.items = size.items
        self._seconds = seconds
        self._deadline = 0.0
        self._is_late = False

    def take_item(self) -> bool:
        """Return whether one more value may be looked at."""
        if self.items <= 0 or self.is_late():
            return False
        self.items -= 1
        return True

    def take_characters(self, wanted: int) -> bool:
        """
        Return whether a text of *wanted* characters may be read.

        It is all or nothing.
        """
        if wanted > self.characters or self.is_late():
            return False
        self.characters -= wanted
        return True

    def granted(self, wanted: int) -> int:
        """Take up to *wanted* characters and return how many of them may be read."""
        if self.is_late():
            return 0
        given = min(wanted, self.characters)
        self.characters -= given
        return given

    def settle(self, granted: int, used: int) -> None:
        """Give back what was *granted* and not *used*, or take the excess."""
        self.characters = max(0, self.characters + granted - used)

    def is_late(self) -> bool:
        """Return whether the event's time is over."""
        if self._is_late:
            return True
        now = _clock()
        if self._deadline == 0.0:
            self._deadline = now + self._seconds
        self._is_late = now > self._deadline
        return self._is_late


class EventBudget:
    """The shares of one event."""

    def __init__(self, sizes: Sizes = CRASH) -> None:
        """Give out the shares of *sizes*."""
        self.frames = sizes.frames
        self.messages = Share(sizes.messages, sizes.seconds)
        self.locals = Share(sizes.locals, sizes.seconds)
        self.request = Share(sizes.request, sizes.seconds)
        self.context = Share(sizes.context, sizes.seconds)
        #: The rows that the failing code had, which are read with its local variables.
        self.rows: list[dict[str, Any]] = []


def more(count: int, what: str) -> str:
    """Return what replaces *count* things that were not read, ``""`` for none."""
    if count <= 0:
        return ""
    return f"… {count:,} more {what}"


def scrubbed_beginning(text: str, kept: int, scrub: Callable[[str, int], str]) -> str:
    """
    Return the first *kept* characters of *text*, cut after it was scrubbed.

    *text* is read ``LOOKAHEAD_CHARS`` further: half a secret is not recognised as one.
    """
    beginning = str.__getitem__(text, slice(kept + LOOKAHEAD_CHARS))
    return scrub(beginning, kept)
