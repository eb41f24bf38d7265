"""Events and folds to rows that are not saved yet; asks no table."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from error_tracking.models import ErrorLog
from error_tracking.models.base import moment_from

from .expressions import JsonText
from .records import packed

if TYPE_CHECKING:
    from error_tracking.events import Event, Fold

# What a row that a fold made lacks until its event comes.
LATE_FIELDS = (
    *("mechanism", "url_pattern", "full_url", "method", "user_id", "user_label", "ip_address", "user_agent"),
    *("request_data", "context", "exception_type", "exception_message", "traceback", "stacktrace", "created"),
    *("release", "server_name"),
)


def log_from_fold(fold: Fold, group_pk: int, environment: str) -> ErrorLog:
    """Return the row that stands in for the event that *fold* was folded into."""
    return ErrorLog(
        event_id=uuid.UUID(fold.event_id),
        reference=fold.event_id[-10:],
        fingerprint=fold.fingerprint,
        group_id=group_pk,
        error_type=fold.error_type,
        status_code=fold.status_code or None,
        created=moment_from(fold.timestamp),
        environment=environment,
    )


def log_from(event: Event) -> ErrorLog:
    """Return the row of *event*, each text cut to its column; its group is still to be set."""
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
        context=JsonText(event.request_context),
        exception_type=event.exception_type[:255],
        exception_message=event.exception_message,
        traceback=event.traceback,
        stacktrace=JsonText(event.stacktrace),
        created=moment_from(event.timestamp),
        release=event.release[:100],
        environment=event.environment[:50],
        server_name=event.server_name[:100],
    )


def _user_pk(value: str) -> Any:  # noqa: ANN401  the type of the host's primary key
    """Return *value* as the host's user key, None when it is none."""
    if not value:
        return None
    field = ErrorLog._meta.get_field("user")
    try:
        return field.target_field.to_python(value)
    except Exception:  # noqa: BLE001  a user model's own field may raise anything for text from a session
        return None
