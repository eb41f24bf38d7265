"""Keeps in the session what a person has done last, so that it can be undone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from error_tracking.bugs import undo

if TYPE_CHECKING:
    from django.http import HttpRequest

SESSION_KEY = "error_tracking_undo"
# Whoever comes back later looks at the history before changing anything.
OFFERED_SECONDS = 600


def remember(
    request: HttpRequest, step: undo.Step | None, *, text: str, address: str
) -> None:
    """
    Keep *step* as the one that can be undone.

    Args:
        request: The request of whoever did it.
        step: What was done; None forgets the one before, which is no longer the last.
        text: What was done, in one sentence.
        address: Where one is led when it was undone.

    """
    if step is None:
        request.session.pop(SESSION_KEY, None)
        return
    request.session[SESSION_KEY] = {
        "step": step.as_json(),
        "text": text,
        "address": address,
        "at": time.time(),
    }


def context_for(request: HttpRequest) -> dict[str, Any]:
    """Return what the template shows: the sentence of what can be undone."""
    kept = request.session.get(SESSION_KEY)
    if not kept or time.time() - kept["at"] > OFFERED_SECONDS:
        return {}
    return {"undo_text": kept["text"]}


def undo_last(request: HttpRequest) -> str:
    """
    Undo what this session did last. Return where one is led.

    Raises:
        CannotUndoError: There is nothing, or it has been changed or told since.

    """
    kept = request.session.pop(SESSION_KEY, None)
    if not kept:
        raise undo.CannotUndoError(_("There is nothing to undo."))
    undo.undo(undo.Step.from_json(kept["step"]))
    address: str = kept["address"]
    return address
