"""
The functions for the project's own code: capture an exception or a message.

None of them raises. ``set_tag()``, ``set_user()`` and ``add_breadcrumb()``, which are
imported here, are in ``context`` and ``breadcrumbs``.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from error_tracking.events.object_text import safe_text

from . import context
from .breadcrumbs import add_breadcrumb
from .context import set_tag, set_user
from .service import ErrorCaptureService

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "add_breadcrumb",
    "capture_exception",
    "capture_message",
    "error_reference",
    "set_tag",
    "set_user",
]

PARTS = 20
PART_CHARS = 200

logger = logging.getLogger("error_tracking")


def capture_exception(
    exc: BaseException | None = None,
    *,
    request: HttpRequest | None = None,
    level: str = "error",
    tags: Mapping[str, object] | None = None,
    extra: Mapping[str, object] | None = None,
    fingerprint: str | Sequence[str] | None = None,
) -> str:
    """
    Capture an exception that your own code has handled.

    Args:
        exc: The exception; by default the one being handled.

        request: The request it happened in; by default the current one, if there is
            one.

        level: ``"debug"``, ``"info"``, ``"warning"``, ``"error"`` or ``"fatal"``.

        tags: Short values to find the error by, besides those of ``set_tag``.

        extra: Values that help to fix it; stored without secrets.

        fingerprint: What makes errors equal, instead of where they happened;
            ``"{{ default }}"`` among the parts stands for that.

    Returns:
        The reference of the event, ``""`` when nothing was captured. Never raises.

    """
    exception = exc if exc is not None else sys.exception()
    if exception is None:
        logger.warning(
            "capture_exception() was called where no exception is being handled"
        )
        return ""
    event = ErrorCaptureService().capture_exception(
        _given_or_current(request),
        exception,
        handled=True,
        mechanism="api",
        level=level,
        fingerprint=_parts(fingerprint),
        more=lambda: {"tags": tags, "extra": extra},
    )
    return event.reference if event is not None else ""


def capture_message(
    message: str,
    *,
    level: str = "info",
    request: HttpRequest | None = None,
    tags: Mapping[str, object] | None = None,
    extra: Mapping[str, object] | None = None,
    fingerprint: str | Sequence[str] | None = None,
) -> str:
    """
    Capture *message*, as :func:`capture_exception` does.

    Of level ``"error"`` and above it becomes a bug.
    """
    event = ErrorCaptureService().capture_message(
        message,
        level=level,
        request=_given_or_current(request),
        fingerprint=_parts(fingerprint),
        more=lambda: {"tags": tags, "extra": extra},
    )
    return event.reference if event is not None else ""


def error_reference(request: HttpRequest | None = None) -> str:
    """
    Return the reference of the error that a request failed with.

    For a project's own 500 template and handlers: visitors can quote it, and the search
    box of the admin and ``error_tracking_bugs show`` find it. The error is captured
    now, and once. The response has the same reference in its header
    ``X-Error-Reference``.

    Args:
        request: The request that failed, by default the current one.

    Returns:
        The reference, ``""`` when no exception was unhandled or nothing was captured.
        Never raises.

    """
    request = _given_or_current(request)
    if request is None:
        return ""
    state = request.__dict__.get(context.STATE)
    exception = getattr(state, "exception", None)
    if exception is None or not getattr(state, "unhandled", False):
        return ""
    event = ErrorCaptureService().capture_exception(request, exception)
    return event.reference if event is not None else ""


def _given_or_current(request: Any) -> HttpRequest | None:
    """Return the *request* that was given, or that it wraps, else the current one."""
    if issubclass(type(request), HttpRequest):
        return request  # type: ignore[no-any-return]
    try:
        # Django REST framework's is a wrapper.
        wrapped = getattr(request, "__dict__", {}).get("_request")
    except Exception:  # noqa: BLE001  an object of the project's own, or a lazy one
        wrapped = None
    if issubclass(type(wrapped), HttpRequest):
        return wrapped
    return context.current_request()


def _parts(fingerprint: Any) -> tuple[str, ...]:
    if fingerprint is None:
        return ()
    parts: Any = (fingerprint,)
    try:
        # Of the type: isinstance() would ask a lazy value for its __class__.
        if issubclass(type(fingerprint), (list, tuple)):
            parts = fingerprint[:PARTS]
        return tuple(safe_text(part, PART_CHARS) for part in parts)
    except Exception:  # noqa: BLE001  a list of the project's own may fail in any way
        return ()
