"""
Dataclasses in, SVG out: a stacked bar chart with releases, without script or file.

Colours are the page's own, by class: ``et-bar et-<kind>``. All text is escaped. Whoever
cannot see the chart has the table of the same numbers below it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

WIDTH = 720
HEIGHT = 160
AXIS = 26
HEAD = 18
# Room for the numbers of the value axis: "1,200,000".
LEFT = 48
GAP = 0.25
MAX_LABELS = 8
# The name of a release has about twelve characters. Others have a line alone.
NAME_WIDTH = 90.0
# Further right the name of a release stands on the other side of its line.
LAST_START = 0.88
# The value axis has so many lines above the bottom one.
LINES = 3
# A bar of one error beside one of thousands is still seen.
LEAST_HEIGHT = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """
    One bar of the chart.

    Attributes:
        label: What stands under it.
        title: What a pointer shows.
        parts: Its values by class, from the bottom up.
        url: Where it leads; empty for nowhere.
        releases: The releases that began in its time.

    """

    label: str
    title: str
    parts: Mapping[str, int]
    url: str = ""
    releases: Sequence[str] = ()

    @property
    def total(self) -> int:
        """The sum of its parts."""
        return sum(self.parts.values())


@dataclasses.dataclass(frozen=True, slots=True)
class _Rectangle:
    """A part of a bar, where it is drawn."""

    name: str
    x: str
    y: str
    width: str
    height: str


@dataclasses.dataclass(frozen=True, slots=True)
class _DrawnBar:
    """A bar and where it is drawn: also its whole column, which is what people hit."""

    bar: Bar
    x: str
    middle: str
    width: str
    # On which side of its line the name of a release stands: inside of the chart.
    anchor: str
    parts: Sequence[_Rectangle]


def bar_chart(
    bars: Sequence[Bar],
    *,
    title: str,
    description: str,
    kinds: Mapping[str, str] | None = None,
) -> SafeString:
    """
    Return the chart as inline SVG that scales to its place, with its numbers below.

    Args:
        bars: From left to right; none gives an empty string.

        title: The accessible name.

        description: What a reader who cannot see it should know.

        kinds: The names of the classes, for the head of the table.
    """
    if not bars:
        return SafeString("")
    step = axis_step(max(bar.total for bar in bars))
    highest = step * LINES
    width = (WIDTH - LEFT) / len(bars)
    every = -(-len(bars) // MAX_LABELS)
    drawn = [_drawn(bar, number, width, highest) for number, bar in enumerate(bars)]
    context = {
        "width": WIDTH,
        "left": LEFT,
        "head": HEAD,
        "bottom": HEIGHT,
        "height": HEIGHT + AXIS,
        "title": title,
        "description": description,
        "bars": drawn,
        "labels": drawn[::every],
        "releases": _releases(drawn),
        "lines": [
            (f"{HEIGHT - number * (HEIGHT - HEAD) / LINES:.1f}", step * number)
            for number in range(1, LINES + 1)
        ],
        "kinds": list((kinds or {}).values()),
        "rows": _table(bars, list(kinds or {})),
    }
    text = render_to_string("error_tracking/admin/chart.html", context)
    return SafeString(text)


def axis_step(highest: int) -> int:
    """Return the round number of which ``LINES`` are at least *highest*: 1, 2, 5, 10 and so on."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power * LINES >= highest:
                return digit * power
        power *= 10


def _drawn(bar: Bar, number: int, width: float, highest: int) -> _DrawnBar:
    left = LEFT + number * width
    rectangles = []
    top = float(HEIGHT)
    for name, value in bar.parts.items():
        if not value:
            continue
        height = max(value / highest * (HEIGHT - HEAD), LEAST_HEIGHT)
        top -= height
        rectangles.append(
            _Rectangle(
                name,
                x=f"{left + width * GAP / 2:.1f}",
                y=f"{top:.1f}",
                width=f"{width * (1 - GAP):.1f}",
                height=f"{height:.1f}",
            )
        )
    return _DrawnBar(
        bar,
        x=f"{left:.1f}",
        middle=f"{left + width / 2:.1f}",
        width=f"{width:.1f}",
        anchor="start" if left < WIDTH * LAST_START else "end",
        parts=rectangles,
    )


def _releases(bars: Sequence[_DrawnBar]) -> list[tuple[_DrawnBar, str]]:
    """Return the bars in which releases began, each with the name that has room."""
    releases: list[tuple[_DrawnBar, str]] = []
    # From the right: what runs now is named first.
    free_until = float(WIDTH)
    for drawn in reversed(bars):
        if not drawn.bar.releases:
            continue
        left = float(drawn.x)
        if drawn.anchor == "end":
            left -= NAME_WIDTH
        name = ""
        if left + NAME_WIDTH <= free_until:
            name = drawn.bar.releases[-1]
            free_until = left
        releases.append((drawn, name))
    return releases[::-1]


def _table(bars: Sequence[Bar], names: Sequence[str]) -> list[tuple[Bar, list[int]]]:
    """Return the bars that have anything, each with its values of *names*."""
    shown = [bar for bar in bars if bar.total or bar.releases]
    return [(bar, [bar.parts.get(name, 0) for name in names]) for bar in shown]
