"""
Dataclasses in, SVG out: a stacked bar chart with its highest value on a line, without script or file.

Colours are the page's own, by class: ``et-bar et-<kind>``. All text is escaped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from django.template.loader import render_to_string

WIDTH = 720
HEIGHT = 160
AXIS = 26
HEAD = 18
GAP = 0.25
MAX_LABELS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One bar: the label under it, what a pointer shows, and its parts by class from the bottom up."""

    label: str
    title: str
    parts: Mapping[str, int]


def bar_chart(bars: Sequence[Bar], *, title: str, description: str) -> str:
    """
    Return the chart as inline SVG that scales to its place.

    Args:
        bars: From left to right; none gives an empty string.

        title: The accessible name.

        description: What a reader who cannot see it should know.
    """
    if not bars:
        return ""
    highest = max(1, *(sum(bar.parts.values()) for bar in bars))
    width = WIDTH / len(bars)
    step = -(-len(bars) // MAX_LABELS)
    sizes = {"width": WIDTH, "head": HEAD, "bottom": HEIGHT, "height": HEIGHT + AXIS}
    context = {
        **sizes,
        "title": title,
        "description": description,
        "highest": highest,
        "bars": [(bar.title, _rectangles(bar, index * width, width, highest)) for index, bar in enumerate(bars)],
        "labels": [(f"{(index + 0.5) * width:.1f}", bar.label) for index, bar in enumerate(bars) if index % step == 0],
    }
    return render_to_string("error_tracking/admin/chart.html", context)


def _rectangles(bar: Bar, left: float, width: float, highest: int) -> list[tuple[str, ...]]:
    """Return class, left edge, top, width and height of each part."""
    rectangles = []
    top = float(HEIGHT)
    for name, value in bar.parts.items():
        height = value / highest * (HEIGHT - HEAD)
        top -= height
        numbers = (left + width * GAP / 2, top, width * (1 - GAP), height)
        rectangles.append((name, *(f"{number:.1f}" for number in numbers)))
    return rectangles
