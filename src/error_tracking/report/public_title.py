"""
Titles and causes of bugs without names that the project does not have.

A title says what a message names: ``ProgrammingError (column shop_order.total) in …``.
Most of those names are code, but a view may ask for a template or a URL by a name that
a visitor sent. So a name only leaves the site where the project knows it.
"""

from __future__ import annotations

import re

from .public_message import Vocabulary, public_name

# As events.subjects finds them, in parentheses in a title and at the end of a cause.
# Hosts, databases and settings belong to the set-up of the site; no visitor names them.
_NAMED = re.compile(
    r"(?P<before>\(|: )"
    r"(?P<kind>column|table|template|module|name|URL name|namespace|tag library|tag"
    r"|filter) "
    r"(?P<name>[^\s()]{1,300})"
    r"(?=\)|$)"
)


def names_something(title: str) -> bool:
    """Return whether *title* has a name that may have come from a visitor."""
    return _NAMED.search(title) is not None


def public_title(title: str, vocabulary: Vocabulary) -> str:
    """
    Return *title* with ``[…]`` for a name that is not known.

    Args:
        title: Of a bug or a group, or the cause of a bug.
        vocabulary: What is known.
    """

    def shown(match: re.Match[str]) -> str:
        name = public_name(match["name"], vocabulary)
        return f"{match['before']}{match['kind']} {name}"

    return _NAMED.sub(shown, title)
