"""
Dataclasses in, SVG out: a stacked bar chart that needs no script and no file.

Colours are the page's own, by class: ``et-bar et-<kind>``. All text is escaped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

WIDTH = 720
HEIGHT = 160
AXIS = 20
GAP = 0.25
MAX_LABELS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One bar: the label under it, what a pointer shows, and its parts by class from the bottom up."""

    label: str
    title: str
    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        """Return the height of the bar, in the unit of its parts."""
        return sum(self.parts.values())


def bar_chart(bars: Sequence[Bar], *, title: str, description: str) -> SafeString:
    """
    Return the chart as inline SVG that scales to its place.

    Args:
        bars: From left to right; none gives an empty string.

        title: The accessible name.

        description: What a reader who cannot see it should know.
    """
    if not bars:
        return mark_safe("")
    highest = max(1, *(bar.total for bar in bars))
    width = WIDTH / len(bars)
    drawn = [(bar.title, _rectangles(bar, index * width, width, highest)) for index, bar in enumerate(bars)]
    step = max(1, -(-len(bars) // MAX_LABELS))
    labels = [
        (f"{index * width + width / 2:.1f}", HEIGHT + AXIS - 5, bar.label)
        for index, bar in enumerate(bars)
        if index % step == 0
    ]
    return format_html(
        '<svg class="et-chart" viewBox="0 0 {} {}" role="img"'
        ' aria-label="{}. {}">{}<line class="et-axis" x1="0" x2="{}" y1="{}" y2="{}"/>{}</svg>',
        WIDTH,
        HEIGHT + AXIS,
        title,
        description,
        format_html_join("", "<g><title>{}</title>{}</g>", drawn),
        WIDTH,
        HEIGHT,
        HEIGHT,
        format_html_join("", '<text class="et-label" x="{}" y="{}" text-anchor="middle">{}</text>', labels),
    )


def _rectangles(bar: Bar, left: float, width: float, highest: int) -> SafeString:
    rectangles = []
    top = float(HEIGHT)
    for name, value in bar.parts.items():
        height = value / highest * (HEIGHT - 8)
        top -= height
        place = (f"{left + width * GAP / 2:.1f}", f"{top:.1f}", f"{width * (1 - GAP):.1f}", f"{height:.1f}")
        rectangles.append((name, *place))
    return format_html_join("", '<rect class="et-bar et-{}" x="{}" y="{}" width="{}" height="{}"/>', rectangles)
