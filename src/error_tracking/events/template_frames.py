"""
Finds the place in a Django template that a frame renders or compiles.

The engine's own frames say nothing about the project. Its node or parser knows the
template's file, line and text, so that place is shown instead of the engine's.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from error_tracking.scrubbing.descriptions import instance_dict

from .raised import module_of

if TYPE_CHECKING:
    from types import FrameType

_ENGINE = "django.template.base"
_RENDER = "render_annotated"
_COMPILE = "compile_nodelist"
#: Names of the engine's functions whose frames may have a place in a template: a quick
#: first look.
TEMPLATE_FUNCTIONS = frozenset({_RENDER, _COMPILE})
_PATH_CHARS = 4_096  # the longest path that Linux accepts


class TemplatePlace(NamedTuple):
    """
    A node or tag in a template.

    Attributes:
        name: The template's name, as it was loaded by.
        path: Its file.
        lineno: The line, 0 if it is unknown.
        text: What stands there, unscrubbed.
    """

    name: str
    path: str
    lineno: int
    text: str


def template_place(frame: FrameType, exception: BaseException) -> TemplatePlace | None:
    """Return the place that *frame* renders or compiles, None for any other frame."""
    function = frame.f_code.co_name
    if function not in TEMPLATE_FUNCTIONS or module_of(frame) != _ENGINE:
        return None
    # The node that is rendered, or the template that is compiled.
    owner = instance_dict(frame.f_locals.get("self"))
    origin = owner.get("origin")
    if function == _RENDER:
        token = owner.get("token")
        is_made_by_hand = token is None
    else:
        # The parser leaves the token where it stopped on the error.
        token = instance_dict(exception).get("token")
        is_made_by_hand = False
    if origin is None or is_made_by_hand:
        return None
    return _place_of(origin, token)


def _place_of(origin: object, token: object) -> TemplatePlace:
    """Return where *token* stands; a class of the project's own is not asked for it."""
    where = instance_dict(origin)
    what = instance_dict(token)
    lineno = what.get("lineno")
    if type(lineno) is not int:
        lineno = 0
    return TemplatePlace(
        name=_plain_text(where.get("template_name")),
        path=_plain_text(where.get("name")),
        lineno=lineno,
        text=_plain_text(what.get("contents")),
    )


def _plain_text(value: Any) -> str:
    """Return a text of any subclass of ``str``, or a path; ``""`` for anything else."""
    if issubclass(type(value), str):
        return str.__getitem__(value, slice(_PATH_CHARS))
    if issubclass(type(value), PurePath):
        return str(value)[:_PATH_CHARS]
    return ""
