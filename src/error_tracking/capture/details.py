"""
Reads the details of a failure: stack and locals, request, context; all scrubbed.

This takes most of the time that capturing takes, so it is done only for events that are
stored whole. Each part has a share of the event's budget and a guard of its own: what
cannot be read costs that part, not the event.
"""

from __future__ import annotations

import dataclasses
import functools
import platform
import re
from typing import TYPE_CHECKING, Any

import django

from error_tracking import conf
from error_tracking.events.event import CLIENT_KINDS, Event
from error_tracking.events.plain_data import tree_reader
from error_tracking.events.redaction import without_values
from error_tracking.events.size_budget import CRASH, REFUSED, EventBudget
from error_tracking.scrubbing.event_secrets import collecting

from . import context
from .breadcrumbs import scrubbed_breadcrumbs
from .exception_context import exception_values
from .guard import count_failure
from .request_context import columns_for, guarded
from .setup import setup_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.http import HttpRequest

_RUNTIME = {"python": platform.python_version(), "django": django.get_version()}
# W3C Trace Context, 3.2
_TRACE = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-")
_TRACE_CHARS = 100


def with_details(
    event: Event,
    exception: BaseException | None,
    request: HttpRequest | None,
    more: Callable[[], Mapping[str, object]],
) -> Event:
    """
    Return *event* with everything that people see of it.

    Args:
        event: What its summary makes of it.

        exception: What was raised, if anything.

        request: The request it happened in, None outside any.

        more: Returns what an integration knows besides.
    """
    budget = EventBudget(REFUSED if event.error_type in CLIENT_KINDS else CRASH)
    values: dict[str, Any] = {}
    with collecting() as filtered:
        for part in _parts(exception, request, more, budget):
            try:
                values |= part()
            except Exception as error:  # noqa: BLE001  out of memory, hostile objects
                count_failure("a part of an error could not be captured", error)
    event = dataclasses.replace(event, **values)
    if filtered:
        # A secret that has a name in one place may stand without it in another.
        event = without_values(event, filtered)
    return event


def _parts(
    exception: BaseException | None,
    request: HttpRequest | None,
    more: Callable[[], Mapping[str, object]],
    budget: EventBudget,
) -> Iterator[Callable[[], dict[str, Any]]]:
    """Yield the functions that read a part each; the most important one first."""
    extra = _Extra(more)
    if exception is not None:
        yield lambda: exception_values(exception, request, budget, extra.task_arguments)
    yield lambda: columns_for(request, budget.request, exception)
    yield lambda: {"context": _context_values(request, extra, budget)}


class _Extra:
    """What an integration knows; read once, for the rows or for the context."""

    def __init__(self, more: Callable[[], Mapping[str, object]]) -> None:
        self._more = more

    @functools.cached_property
    def values(self) -> Mapping[str, object]:
        return self._more()

    def task_arguments(self) -> object:
        """Return the arguments of the task, None outside any."""
        task = self.values.get("task")
        return task.get("arguments") if type(task) is dict else None


def _context_values(
    request: HttpRequest | None, more: _Extra, budget: EventBudget
) -> dict[str, Any]:
    """
    Return tags, breadcrumbs, what *more* has, the trace and the versions.

    Also what a generated test needs. Its rows were read with the local variables.
    """
    share = budget.context
    scrubber = conf.get_scrubber()
    found: dict[str, Any] = {}
    tags = context.scrubbed_tags(scrubber, share)
    crumbs = scrubbed_breadcrumbs(scrubber, share)
    if crumbs:
        found["breadcrumbs"] = crumbs
    extra = {name: value for name, value in more.values.items() if value is not None}
    reader = tree_reader(share, scrubber)
    given = scrubber.tree(reader.read_mapping(extra))
    if isinstance(given.get("tags"), dict):
        tags |= given.pop("tags")
    found |= {name: value for name, value in given.items() if value}
    found["runtime"] = _RUNTIME
    if tags:
        found["tags"] = tags
    setup = guarded(setup_for, request, budget.rows, share, default={})
    if setup:
        found["setup"] = setup
    trace_id = _trace_id_of(request)
    if trace_id:
        found["trace_id"] = trace_id
    return found


def _trace_id_of(request: HttpRequest | None) -> str:
    """Return the id of the distributed trace that *request* belongs to."""
    if request is None:
        return ""
    header = str(request.META.get("HTTP_TRACEPARENT", ""))
    trace = _TRACE.match(header[:_TRACE_CHARS])
    if trace is None:
        return ""
    return trace[1]
