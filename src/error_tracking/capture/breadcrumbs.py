"""
Breadcrumbs: what happened in the current unit of work before an error.

The project leaves them with ``add_breadcrumb()``, and each of its log records is one.
Must not run code of theirs when one is left: of values that are not plain, only the
type is kept.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from error_tracking import conf
from error_tracking.events.object_text import safe_text
from error_tracking.events.plain_data import PlainReader, tree_reader
from error_tracking.utils import PLAIN, clean_line, clean_text

from . import context
from .context import MARGIN_CHARS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from error_tracking.events.size_budget import Share
    from error_tracking.scrubbing.scrubber import Scrubber

# As many as anybody reads; a request that logs more keeps the last ones.
BREADCRUMBS = 30
BREADCRUMB_CHARS = 300
DATA_ITEMS = 20
_WIDE_FIELD = re.compile(r"%[^a-zA-Z%]{0,20}(?:\d{4}|\*)")


def add_breadcrumb(
    message: str,
    *,
    category: str = "",
    level: str = "info",
    data: Mapping[str, object] | None = None,
) -> None:
    """
    Leave a breadcrumb, which is stored with the next errors of the current unit.

    The last 30 are kept.

    Args:
        message: What happened.

        category: What it is about, such as ``"payment"``.

        level: ``"debug"``, ``"info"``, ``"warning"``, ``"error"`` or ``"fatal"``.

        data: Up to 20 values; of what is not text or a number only the type is kept.

    """
    if "breadcrumbs" in conf.get_settings().DISABLE:
        return
    given: Mapping[str, object] = {}
    if issubclass(type(data), dict):
        given = data  # type: ignore[assignment]
    elif data is not None:
        given = {"data": data}
    kept = {
        safe_text(key, 50): _plain(value)
        for key, value in islice(given.items(), DATA_ITEMS)
    }
    _leave(
        time.time(),
        safe_text(category, 100),
        safe_text(level, 10),
        safe_text(message, BREADCRUMB_CHARS + MARGIN_CHARS),
        kept,
    )


def add_log_breadcrumb(record: logging.LogRecord) -> None:
    """
    Leave a log record of level INFO or above as a breadcrumb.

    Called for each record of the project, so the message is put together only when an
    error is stored. Of arguments that are not plain, only the type is kept.
    """
    if (
        record.levelno < logging.INFO
        or not record.name
        or record.name.startswith(("error_tracking", "django.request"))
    ):
        return
    args = record.args if isinstance(record.args, tuple) else ()
    kept = tuple(map(_plain, args))
    if type(record.msg) is str:
        message = record.msg[: BREADCRUMB_CHARS + MARGIN_CHARS]
    else:
        message = f"<{type(record.msg).__name__}>"
    _leave(record.created, record.name, record.levelname.lower(), message, kept)


def _leave(*crumb: Any) -> None:
    unit = context.current()
    if not unit.is_kept:
        return
    if unit.breadcrumbs is None:
        unit.breadcrumbs = deque(maxlen=BREADCRUMBS)
    unit.breadcrumbs.append(crumb)


def _plain(value: object) -> object:
    if type(value) is str:
        return value[: BREADCRUMB_CHARS + MARGIN_CHARS]
    if type(value) in PLAIN:
        return value
    return f"<{type(value).__name__}>"


def scrubbed_breadcrumbs(scrubber: Scrubber, share: Share) -> list[dict[str, Any]]:
    """
    Return the breadcrumbs of the current unit without secrets, the oldest first.

    Where *share* is not enough for all, the latest ones are returned: they are closest
    to the error.
    """
    unit = context.current()
    if not unit.breadcrumbs:
        return []
    reader = tree_reader(share, scrubber)
    crumbs: list[dict[str, Any]] = []
    for crumb in reversed(tuple(unit.breadcrumbs)):
        message = _message_of(crumb, scrubber)
        if not share.take_item() or not share.take_characters(len(message)):
            break
        crumbs.append(_values_of(scrubber, reader, crumb, message))
    return crumbs[::-1]


def _message_of(crumb: context.Crumb, scrubber: Scrubber) -> str:
    _timestamp, _category, _level, message, data = crumb
    # A template that asks for a million blanks may be a text from outside, logged
    # without arguments of its own.
    if isinstance(data, tuple) and data and not _WIDE_FIELD.search(message):
        message, data = scrubber.format_and_arguments(message, data)
        try:
            message = message % data
        except (TypeError, ValueError):
            message = f"{message} {data}"
    return clean_text(message, BREADCRUMB_CHARS + MARGIN_CHARS)


def _values_of(
    scrubber: Scrubber,
    reader: PlainReader,
    crumb: context.Crumb,
    message: str,
) -> dict[str, Any]:
    timestamp, category, level, _template, data = crumb
    values: dict[str, Any] = {
        "timestamp": round(timestamp, 3),
        "category": clean_line(category, 100),
        "level": level,
    }
    if data and not isinstance(data, tuple):  # a tuple is a log record's arguments
        values["data"] = scrubber.tree(reader.read(data))
    values["message"] = scrubber.text(message, BREADCRUMB_CHARS)
    return values
