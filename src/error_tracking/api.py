"""
The functions for the host's own code: an exception that it has handled, a message, what belongs to an error.

None of them raises. Their words for the unit of work are in ``context``.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from . import context
from .capture import ErrorCaptureService
from .context import add_breadcrumb, set_tag, set_user
from .utils import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpRequest

__all__ = ["add_breadcrumb", "capture_exception", "capture_message", "set_tag", "set_user"]

PARTS = 20
PART_CHARS = 200

logger = logging.getLogger("error_tracking")


def capture_exception(  # noqa: PLR0913  keywords, each said in the docstring
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

        request: The request it happened in; by default the one at hand, if there is one.

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
        logger.warning("capture_exception() was called where no exception is being handled")
        return ""
    event = ErrorCaptureService().capture_exception(
        request or context.current_request(),
        exception,
        handled=True,
        mechanism="api",
        level=level,
        fingerprint=_parts(fingerprint),
        more=lambda: {"tags": tags, "extra": extra},
    )
    return event.reference if event is not None else ""


def capture_message(  # noqa: PLR0913  the same
    message: str,
    *,
    level: str = "info",
    request: HttpRequest | None = None,
    tags: Mapping[str, object] | None = None,
    extra: Mapping[str, object] | None = None,
    fingerprint: str | Sequence[str] | None = None,
) -> str:
    """Capture *message*, as :func:`capture_exception` does; of level ``"error"`` and above it becomes a bug."""
    event = ErrorCaptureService().capture_message(
        message,
        level=level,
        request=request or context.current_request(),
        fingerprint=_parts(fingerprint),
        more=lambda: {"tags": tags, "extra": extra},
    )
    return event.reference if event is not None else ""


def _parts(fingerprint: Any) -> tuple[str, ...]:  # noqa: ANN401  whatever the host has given
    if fingerprint is None:
        return ()
    parts = fingerprint if isinstance(fingerprint, (list, tuple)) else (fingerprint,)
    return tuple(safe_text(part, PART_CHARS) for part in parts[:PARTS])
