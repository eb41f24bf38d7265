"""``{% load error_tracking_charts %}``: small charts and times of the dashboard."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from django import template

from error_tracking.dashboard.relative_time import age_text, ago_text

register = template.Library()

#: How high a small chart is.
SPARK_HEIGHT = 24
# A day with one error beside one with thousands is still seen.
LEAST_HEIGHT = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """One bar of a small chart: where it begins, and how high it is."""

    top: int
    height: int


@register.simple_tag
def spark(counts: Sequence[int]) -> list[Point]:
    """Return the bars of a small chart of *counts*."""
    highest = max(counts, default=0) or 1
    points = []
    for count in counts:
        height = 0
        if count:
            height = max(round(count * SPARK_HEIGHT / highest), LEAST_HEIGHT)
        points.append(Point(SPARK_HEIGHT - height, height))
    return points


register.filter("span", age_text)
register.filter("ago", ago_text)
