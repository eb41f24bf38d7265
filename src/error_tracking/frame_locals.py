"""
The local variables of a frame, as plain data without secrets.

Never calls a foreign ``__repr__``: values of plain types by value, everything
else by what it is (FAULTS C21). What the host has marked with
``sensitive_variables`` is filtered, also under DEBUG (FAULTS V06).
"""

from __future__ import annotations

import inspect
import types
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.views.debug import SafeExceptionReporterFilter, get_exception_reporter_filter
from django.views.decorators.debug import coroutine_functions_to_sensitive_variables

from .scrubbing import FILTERED

if TYPE_CHECKING:
    from types import FrameType

    from django.http import HttpRequest

    from .scrubbing import Scrubber

VARIABLES = 25
STACK_DEPTH = 200
_WRAPPER = "sensitive_variables_wrapper"
_DULL = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


def locals_of(frame: FrameType, scrubber: Scrubber, request: HttpRequest | None) -> dict[str, Any]:
    """Return up to ``VARIABLES`` local variables of *frame* by name."""
    hidden = _sensitive_names(frame)
    hidden = hidden if hidden == "__ALL__" else (*hidden, *_names_filtered_by_host(frame, request))
    kept: dict[str, Any] = {}
    for name, value in islice(frame.f_locals.items(), 200):
        # Of the type: isinstance() would ask a lazy value for its __class__ and so wake it (FAULTS C08).
        if name.startswith("__") or name == _WRAPPER or issubclass(type(value), _DULL):
            continue
        kept[name] = FILTERED if hidden == "__ALL__" or name in hidden else value
        if len(kept) == VARIABLES:
            break
    return scrubber.variables(kept)


def _sensitive_names(frame: FrameType) -> Any:  # noqa: ANN401  a tuple of names or "__ALL__", as Django keeps them
    """Return what ``sensitive_variables`` names around *frame*, found as Django's own report finds it."""
    code = frame.f_code
    if code.co_flags & inspect.CO_COROUTINE:
        names = coroutine_functions_to_sensitive_variables.get(hash(f"{code.co_filename}:{code.co_firstlineno}"))
        if names is not None:
            return names
    current: FrameType | None = frame
    for _ in range(STACK_DEPTH):
        if current is None:
            break
        if current.f_code.co_name == _WRAPPER:
            return getattr(current.f_locals.get(_WRAPPER), "sensitive_variables", ())
        current = current.f_back
    return ()


def _names_filtered_by_host(frame: FrameType, request: HttpRequest | None) -> tuple[str, ...]:
    """Return the variables that a reporter filter of the host's own hides."""
    chosen = get_exception_reporter_filter(request)
    if type(chosen) is SafeExceptionReporterFilter:
        return ()
    shown = dict(chosen.get_traceback_frame_variables(request, frame))
    return tuple(name for name in frame.f_locals if name not in shown or shown[name] is chosen.cleansed_substitute)
