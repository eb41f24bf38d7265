"""
Builds rows that are not saved yet, and expressions for many rows at once.

Asks no table.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db.models import Case, Field, Value, When

from error_tracking.models import ErrorLog
from error_tracking.models.base import moment_from

from .packed_event import packed

if TYPE_CHECKING:
    from error_tracking.events.event import Event, Fold

# The last digits of an event's id.
REFERENCE_LENGTH = 10
# What a row lacks that a fold made, until its event comes.
LATE_FIELDS = (
    "mechanism",
    "url_pattern",
    "full_url",
    "method",
    "user_id",
    "user_label",
    "ip_address",
    "user_agent",
    "request_data",
    "context",
    "exception_type",
    "exception_message",
    "traceback",
    "stacktrace",
    "created",
    "release",
    "server_name",
)


def log_from_fold(fold: Fold, group_pk: int, environment: str) -> ErrorLog:
    """Return a row for the event that represents *fold*, which is not stored."""
    return ErrorLog(
        event_id=uuid.UUID(fold.event_id),
        reference=fold.event_id[-REFERENCE_LENGTH:],
        fingerprint=fold.fingerprint,
        group_id=group_pk,
        error_type=fold.error_type,
        status_code=fold.status_code or None,
        created=moment_from(fold.timestamp),
        environment=environment,
    )


def log_from(event: Event) -> ErrorLog:
    """Return the row of *event*, each text cut to its column; without its group."""
    event = packed(event)
    return ErrorLog(
        event_id=uuid.UUID(event.event_id),
        reference=event.reference,
        fingerprint=event.fingerprint,
        error_type=event.error_type,
        mechanism=event.mechanism[:20],
        status_code=event.status_code or None,
        url_pattern=event.route[:255],
        full_url=event.url,
        method=event.method[:16],
        user_id=_user_pk(event.user_id),
        user_label=event.user_label[:150],
        ip_address=event.ip_address or None,
        user_agent=event.user_agent[:300],
        request_data=JsonText(event.request_data),
        context=JsonText(event.context_json),
        exception_type=event.exception_type[:255],
        exception_message=event.exception_message,
        traceback=event.traceback,
        stacktrace=JsonText(event.stacktrace),
        created=moment_from(event.timestamp),
        release=event.release[:100],
        environment=event.environment[:50],
        server_name=event.server_name[:100],
    )


def _user_pk(value: str) -> Any:
    """Return *value* as a key of the project's user model, or None if it is none."""
    if not value:
        return None
    field = ErrorLog._meta.get_field("user")
    try:
        return field.target_field.to_python(value)
    except Exception:  # noqa: BLE001  a field of the project's
        # It may raise anything for text from a session.
        return None


class JsonText:
    """
    JSON text that is stored as it is: what Django calls a compilable.

    Decoding it only to encode it again would take longer than the rest of a row. Django
    inserts rows with one as plain values and not with ``UNNEST``, for which psycopg
    escapes text in Python.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def as_sql(self, _compiler: object, _connection: object) -> tuple[str, list[str]]:
        """Return a placeholder and its parameters."""
        return "%s", [self.text]


def by_key(
    values: dict[Any, Any],
    field: Field[Any, Any],
    *,
    name: str = "pk",
    default: Any = None,
) -> Any:
    """
    Return the expression for an UPDATE that sets another value in each row.

    Args:
        values: The value for each key. Keys with equal values share a condition.

        field: The type of the values.

        name: The column of the keys.

        default: The expression for rows whose key is not among *values*.
    """
    keys: dict[Any, list[Any]] = defaultdict(list)
    for key, value in values.items():
        keys[value].append(key)
    if len(keys) == 1 and default is None:
        return Value(next(iter(keys)), output_field=field)
    cases = [
        When(**{f"{name}__in": found}, then=Value(value, output_field=field))
        for value, found in keys.items()
    ]
    return Case(*cases, default=default, output_field=field)
