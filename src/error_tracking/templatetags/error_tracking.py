"""
``{% load error_tracking %}``: ``{% degrade %}`` lets a part of a template fail alone.

::

    {% degrade %}
      {% include "shop/recommendations.html" %}
    {% fallback %}
      <p>There are no recommendations at the moment.</p>
    {% enddegrade %}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.utils.safestring import SafeString

from error_tracking.capture import api
from error_tracking.pages.degradation import ANSWERS, capture, reraise, savepoints

if TYPE_CHECKING:
    from django.template.base import NodeList, Parser, Token
    from django.template.context import Context

register = template.Library()

#: What tags set on the context itself, and do not set back when their content fails.
CONTEXT_ATTRIBUTES = ("autoescape", "use_l10n", "use_tz", "template_name")


@register.simple_tag
def error_reference() -> str:
    """Return the reference of the error that the current request failed with."""
    return api.error_reference()


@register.tag("degrade")
def degrade(parser: Parser, token: Token) -> DegradeNode:
    """
    Render what precedes ``{% fallback %}``, or what follows it if that fails.

    Output and variables of the failed part are discarded, its writes to a database
    inside ``atomic()`` are rolled back, and the error is captured as handled.
    """
    name, *arguments = token.split_contents()
    if arguments:
        raise template.TemplateSyntaxError(f"{{% {name} %}} takes no arguments")
    part = parser.parse(("fallback", "enddegrade"))
    fallback = None
    if parser.next_token().contents == "fallback":
        fallback = parser.parse(("enddegrade",))
        parser.delete_first_token()
    return DegradeNode(part, fallback)


class DegradeNode(template.Node):
    """
    A part of a template and what takes its place.

    Attributes:
        nodelist: The part.
        nodelist_fallback: What is shown when it fails; None shows nothing.

    """

    child_nodelists = ("nodelist", "nodelist_fallback")

    def __init__(self, nodelist: NodeList, nodelist_fallback: NodeList | None) -> None:
        self.nodelist = nodelist
        self.nodelist_fallback = nodelist_fallback

    def render(self, context: Context) -> SafeString:
        """Render the part, or the fallback."""
        state = _ContextState(context)
        try:
            with savepoints():
                return self.nodelist.render(context)
        except ANSWERS:
            raise
        except Exception as error:  # noqa: BLE001  the tag's purpose; it is captured
            state.restore()
            capture(error)
            if self.nodelist_fallback is None:
                return SafeString("")
            try:
                return self.nodelist_fallback.render(context)
            except Exception as failure:  # noqa: BLE001
                # The original error is the one to see
                reraise(error, failure)


class _ContextState:
    """What a part of a template may change of its context, as it was before."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._attributes = {
            name: getattr(context, name)
            for name in CONTEXT_ATTRIBUTES
            if hasattr(context, name)
        }
        self._variables = [(layer, dict(layer)) for layer in context.dicts]
        render_context = context.render_context
        self._template = render_context.template
        self._render_state = [(layer, dict(layer)) for layer in render_context.dicts]
        # A block takes itself from its list while it is rendered.
        self._blocks: dict[str, list[Any]] = {}
        block_context = render_context.get(BLOCK_CONTEXT_KEY)
        if block_context is not None:
            self._blocks = {
                name: list(blocks) for name, blocks in block_context.blocks.items()
            }

    def restore(self) -> None:
        """Undo what was changed since."""
        context = self._context
        for name, value in self._attributes.items():
            setattr(context, name, value)
        context.dicts[:] = _contents_restored(self._variables)
        render_context = context.render_context
        render_context.template = self._template
        render_context.dicts[:] = _contents_restored(self._render_state)
        block_context = render_context.get(BLOCK_CONTEXT_KEY)
        if block_context is not None:
            for name, blocks in self._blocks.items():
                block_context.blocks[name][:] = blocks


def _contents_restored(
    layers: list[tuple[dict[Any, Any], dict[Any, Any]]],
) -> list[dict[Any, Any]]:
    restored = []
    for layer, contents in layers:
        layer.clear()
        layer.update(contents)
        restored.append(layer)
    return restored
