"""
Which issues a pull request closes, and which it only mentions, by GitHub's rules.

GitHub documents them under "Linking a pull request to an issue": one of nine keywords
in front of a reference closes that issue once the pull request is merged. What a
person has linked with a click is in none of GitHub's REST answers.
"""

from __future__ import annotations

import dataclasses
import re

# GitHub accepts no longer bodies.
BODY_CHARS = 65_536
# More than anybody fixes at once. Lists of issues in the notes of a release are longer,
# and are about no single bug.
MOST_ISSUES = 20

_KEYWORD = r"(?<![\w-])(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s{1,9}"
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CODE = re.compile(r"`+[^`\n]*`+")
_ADDRESS = re.compile(r"(https?://[^/\s]+)/([\w.-]+/[\w.-]+)/pull/[0-9]+", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class References:
    """
    The addresses of issues of the same repository.

    Attributes:
        closed: Those that are closed once the pull request is merged.
        mentioned: The others.

    """

    closed: frozenset[str] = frozenset()
    mentioned: frozenset[str] = frozenset()


def references_in(body: str, address: str) -> References:
    """
    Return the issues to which the *body* of a pull request refers.

    Comments and code are left out, as GitHub leaves them out. Issues of other
    repositories are left out, too.

    Args:
        body: Its description, as Markdown.
        address: Where people read it: ``https://github.com/acme/shop/pull/36``.
    """
    place = _ADDRESS.fullmatch(address)
    if place is None:
        return References()
    host, name = re.escape(place[1]), re.escape(place[2])
    reference = re.compile(
        rf"(?P<keyword>{_KEYWORD})?(?<![\w/.#&-])"
        rf"(?:{host}/{name}/issues/|{name}#|#|GH-)(?P<number>[0-9]{{1,9}})(?!\w)",
        re.IGNORECASE,
    )
    closed: set[str] = set()
    mentioned: set[str] = set()
    for found in reference.finditer(_prose_of(body[:BODY_CHARS])):
        if len(closed | mentioned) >= MOST_ISSUES:
            break
        issue = f"{place[1]}/{place[2]}/issues/{int(found['number'])}"
        if found["keyword"]:
            closed.add(issue)
        else:
            mentioned.add(issue)
    return References(frozenset(closed), frozenset(mentioned - closed))


def _prose_of(body: str) -> str:
    """Return *body* without HTML comments, blocks of code and code in a line."""
    lines = []
    open_fence = ""
    for line in _without_comments(body).splitlines():
        fence = _FENCE.match(line)
        if open_fence:
            if fence is not None and fence[1].startswith(open_fence):
                open_fence = ""
        elif fence is not None:
            open_fence = fence[1]
        else:
            lines.append(_CODE.sub(" ", line))
    return "\n".join(lines)


def _without_comments(body: str) -> str:
    """Return *body* without HTML comments; one without an end hides the rest."""
    pieces = []
    end = 0
    begin = body.find("<!--")
    while begin >= 0:
        pieces.append(body[end:begin])
        closing = body.find("-->", begin)
        if closing < 0:
            return "".join(pieces)
        end = closing + len("-->")
        begin = body.find("<!--", end)
    pieces.append(body[end:])
    return "".join(pieces)
