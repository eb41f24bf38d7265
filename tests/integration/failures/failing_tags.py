"""A filter that fails."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def share(value):
    return value / 0
