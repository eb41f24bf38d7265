"""
The local variables of a frame, as plain data without secrets.

Runs no code of the project's: see ``plain_data``. What the project has marked with
``sensitive_variables`` is filtered, also under DEBUG.
"""

from __future__ import annotations

import inspect
import types
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.views.debug import (
    SafeExceptionReporterFilter,
    get_exception_reporter_filter,
)
from django.views.decorators.debug import coroutine_functions_to_sensitive_variables

from error_tracking.events.plain_data import PlainReader
from error_tracking.scrubbing.event_secrets import note_all
from error_tracking.scrubbing.scrubber import (
    FILTERED,
    MAX_BREADTH,
    MAX_VARIABLE_STRING,
    VARIABLE_DEPTH,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from django.http import HttpRequest

    from error_tracking.events.size_budget import Share
    from error_tracking.scrubbing.scrubber import Scrubber

VARIABLES = 25
# Names looked at to find them: a module has many that are imports.
NAMES = 200
STACK_DEPTH = 200
# What is kept of one text, with room for a note on the rest within the scrubber's own
# limit for variables.
STRING_CHARS = MAX_VARIABLE_STRING - 40
# One less than the scrubber's limit: the note on the rest is an item too.
BREADTH = MAX_BREADTH - 1
_WRAPPER = "sensitive_variables_wrapper"
_DULL = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


def locals_of(
    frame: FrameType,
    scrubber: Scrubber,
    request: HttpRequest | None,
    share: Share,
    read_rows: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """
    Return local variables of *frame* by name, as far as *share* goes.

    *read_rows* is called with those that nothing hides, as they are.
    """
    variables = _variables_of(frame)
    hidden = _sensitive_names(frame)
    if hidden == "__ALL__":
        hidden = tuple(variables)
    else:
        hidden = (*hidden, *_names_hidden_by_filter(frame, request))
    reader = PlainReader(
        share,
        scrubber.text,
        string=STRING_CHARS,
        depth=VARIABLE_DEPTH,
        breadth=BREADTH,
    )
    kept: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    for name, value in variables.items():
        if len(kept) == VARIABLES:
            break
        if name in hidden or scrubber.is_secret_key(name):
            note_all(value)
            kept[name] = FILTERED
        else:
            shown[name] = value
            kept[name] = reader.read(value)
    if read_rows is not None:
        read_rows(shown)
    return scrubber.variables(kept)


def _variables_of(frame: FrameType) -> dict[str, Any]:
    """Return the variables of *frame*, but for imports, functions and classes."""
    code = frame.f_code
    if not code.co_flags & inspect.CO_OPTIMIZED and code.co_name != "<module>":
        # The body of a class: its namespace may be an object of a metaclass, which
        # Python itself would write to.
        return {}
    found = frame.f_locals
    if issubclass(type(found), dict):
        items = dict.items(found)
    elif type(found).__module__ == "builtins":  # Python 3.13 has a type of its own
        items = found.items()
    else:
        return {}
    variables: dict[str, Any] = {}
    for name, value in islice(items, NAMES):
        # Of the type: isinstance() would ask a lazy value for its __class__ and so wake
        # it.
        is_dull = issubclass(type(value), _DULL)
        if type(name) is str and not name.startswith("__") and not is_dull:
            variables[name] = value
    variables.pop(_WRAPPER, None)
    return variables


def _sensitive_names(frame: FrameType) -> Any:
    """Return what ``sensitive_variables`` names around *frame*, found as Django does."""
    code = frame.f_code
    if code.co_flags & inspect.CO_COROUTINE:
        names = coroutine_functions_to_sensitive_variables.get(
            hash(f"{code.co_filename}:{code.co_firstlineno}")
        )
        if names is not None:
            return names
    current: FrameType | None = frame
    for _ in range(STACK_DEPTH):
        if current is None:
            break
        if current.f_code.co_name == _WRAPPER:
            wrapper = current.f_locals.get(_WRAPPER)
            if type(wrapper) is types.FunctionType:
                return getattr(wrapper, "sensitive_variables", ())
        current = current.f_back
    return ()


def _names_hidden_by_filter(
    frame: FrameType, request: HttpRequest | None
) -> tuple[str, ...]:
    """Return the variables that a reporter filter of the project's own hides."""
    chosen = get_exception_reporter_filter(request)
    if type(chosen) is SafeExceptionReporterFilter:
        return ()
    shown = dict(chosen.get_traceback_frame_variables(request, frame))
    return tuple(
        name
        for name in frame.f_locals
        if name not in shown or shown[name] is chosen.cleansed_substitute
    )
