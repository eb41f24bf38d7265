"""
Makes harmless twins of events, to find out whether an event's content is at fault.

A twin is written and rolled back. It has the same rows, columns and length as its
event, so a missing column, privilege or table stops it as well; only its text is
meaningless. If the twin can be stored and the event cannot, its content is at fault.
"""

from __future__ import annotations

import dataclasses
import re
import uuid
from typing import Any

from error_tracking.events.event import KINDS, LEVELS, Event, Fold, Outcome

from .packed_event import PackedEvent, packed

# Names of rows. A twin has the same ones, for it has to touch the rows of its event.
_FINGERPRINT = re.compile(r"[0-9a-f]{1,64}")
_CLIENT = re.compile(r"[0-9a-f]{16}")
_LABEL = re.compile(r"[ -~]{0,100}")
_TEXTS = (
    "reference",
    "mechanism",
    "title",
    "method",
    "route",
    "url",
    "message",
    "culprit",
    "traceback",
    "user_label",
    "user_agent",
    "server_name",
    "cause",
    "exception_type",
    "exception_message",
)
# Of PostgreSQL and MySQL.
_LARGEST_SMALLINT = 32_767
# Reserved for documentation (RFC 5737).
_ADDRESS = "192.0.2.1"


Item = Event | Fold | Outcome


def harmless(item: Item) -> Item:
    """
    Return the twin of *item*.

    It has the same rows and the same number of bytes, and no content that a database
    refuses.
    """
    if isinstance(item, Outcome):
        return item  # it has ids and numbers only
    if isinstance(item, Fold):
        return _harmless_fold(item)
    return _harmless_event(packed(item))


def _harmless_fold(fold: Fold) -> Fold:
    return dataclasses.replace(
        fold,
        event_id=_uuid(fold.event_id),
        fingerprint=_if_valid(fold.fingerprint, _FINGERPRINT, "0" * 32),
        client=_if_valid(fold.client, _CLIENT, ""),
    )


def _harmless_event(event: PackedEvent) -> PackedEvent:
    error_type = event.error_type
    if error_type not in KINDS:
        error_type = KINDS[0]
    level = event.level
    if level not in LEVELS:
        level = LEVELS[0]
    ip_address = ""
    if event.ip_address:
        ip_address = _ADDRESS
    texts: dict[str, Any] = {name: _filling(getattr(event, name)) for name in _TEXTS}
    return dataclasses.replace(
        event,
        **texts,
        event_id=_uuid(event.event_id),
        fingerprint=_if_valid(event.fingerprint, _FINGERPRINT, "0" * 32),
        fingerprint_version=_small(event.fingerprint_version),
        status_code=_small(event.status_code),
        error_type=error_type,
        level=level,
        client=_if_valid(event.client, _CLIENT, ""),
        environment=_if_valid(event.environment, _LABEL, "x"),
        release=_if_valid(event.release, _LABEL, "x"),
        user_id="",
        ip_address=ip_address,
        # The letters are cut by what the brackets and quotes around them need.
        stacktrace=f'["{_filling(event.stacktrace)[4:]}"]',
        request_data=f'{{"x": "{_filling(event.request_data)[9:]}"}}',
        context_json=f'{{"x": "{_filling(event.context_json)[9:]}"}}',
    )


def small(twin: Item) -> Item:
    """
    Return *twin* with hardly any bytes.

    If this can be stored and *twin* cannot, the size is at fault.
    """
    if isinstance(twin, Fold | Outcome):
        return twin
    event = packed(twin)
    texts: dict[str, Any] = dict.fromkeys(_TEXTS, "x")
    return dataclasses.replace(
        event,
        **texts,
        stacktrace="[]",
        request_data="{}",
        context_json="{}",
    )


def stranger(twin: Item) -> Item:
    """
    Return *twin* with rows of its own.

    If only this can be stored, the names of the rows are at fault.
    """
    if isinstance(twin, Outcome):
        return dataclasses.replace(
            twin, event_id=str(uuid.uuid4()), fingerprint=uuid.uuid4().hex
        )
    other = small(twin)
    assert not isinstance(other, Outcome)  # noqa: S101  for the type checker
    return dataclasses.replace(
        other,
        event_id=str(uuid.uuid4()),
        fingerprint=uuid.uuid4().hex,
        client="",
    )


def _if_valid(value: str, allowed: re.Pattern[str], otherwise: str) -> str:
    if isinstance(value, str) and allowed.fullmatch(value):
        return value
    return otherwise


def _uuid(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        return str(uuid.uuid4())


def _small(value: int) -> int:
    if isinstance(value, int) and 0 <= value <= _LARGEST_SMALLINT:
        return value
    return 0


def _filling(text: str) -> str:
    """Return as many letters as *text* has bytes on its way to the database."""
    return "x" * len(str(text).encode(errors="replace"))
