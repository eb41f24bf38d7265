"""
What a chat message shows, before a service's own format: plain texts and links.

Only fields of the privacy list (``report.PUBLISHED``) are used, and the address of the
bug in the admin. Headlines and labels are ours; titles and values come from outside.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import NamedTuple

from error_tracking.report.bug_report import BugReport
from error_tracking.report.markdown import times
from error_tracking.utils import clean_line

# Titles are cut where issues cut theirs; a value is one line of a phone's screen.
TITLE_CHARS = 200
VALUE_CHARS = 300
# No link of ours is longer, and three of them fit into every service's limits.
URL_CHARS = 500
ZERO_WIDTH_SPACE = "\u200b"
#: The headline of each event; any other event is named by its own verb.
HEADLINES = {
    "created": "New bug",
    "regressed": "Happened again",
    "spiking": "Far more often than usual",
    "resolved": "Resolved",
    "open": "Reopened",
    "in_progress": "In progress",
    "test": "Test message",
}

# What a service could turn into a mention, a channel, a command or a link.
_ACTIVE = re.compile(
    r"(@|#|<(?=[!@#])|:(?=//)|(?<!\S)/|\bwww(?=\.))(?=\S)", re.IGNORECASE
)
# What Markdown could read as the end of a link or as emphasis (RFC 3986, 2.1).
_ESCAPED_IN_URL = str.maketrans(
    {"(": "%28", ")": "%29", "[": "%5B", "]": "%5D", "*": "%2A", "~": "%7E"}
)
# The characters of a URL (RFC 3986) without the quote, which ends an attribute.
_WEB_URL = re.compile(r"https?://[\w.~:/?#@!$&()*+,;=%\[\]-]+", re.ASCII)


class Fact(NamedTuple):
    """One line: a label of ours and a value from outside."""

    label: str
    value: str


class Link(NamedTuple):
    """A label of ours and an address that begins with ``http(s)://``."""

    label: str
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class ChatMessage:
    """
    A message about one bug.

    Attributes:
        headline: What happened, in our words.
        bug_id: For example ``B-012``.
        title: The title of the bug; from outside.
        severity: One of the four severities.
        facts: What else is shown, the most important first.
        links: Where to go from here.

    """

    headline: str
    bug_id: str
    title: str
    severity: str
    facts: tuple[Fact, ...]
    links: tuple[Link, ...]

    @property
    def subject(self) -> str:
        """The first line, which has no text from outside."""
        return f"{self.bug_id}: {self.headline}"


def message_for(report: BugReport, event: str) -> ChatMessage:
    """
    Return the message that *event* has happened to the bug of *report*.

    Args:
        report: The bug.
        event: ``"created"``, ``"test"`` or the verb of an activity.
    """
    return ChatMessage(
        headline=HEADLINES.get(event, event.replace("_", " ").capitalize()),
        bug_id=report.bug_id,
        title=clean_line(report.title, TITLE_CHARS) or "error",
        severity=report.severity,
        facts=_facts(report),
        links=_links(report),
    )


def _facts(report: BugReport) -> tuple[Fact, ...]:
    people = ""
    if report.users:
        people = f"{report.users:,}"
    named = {
        "Severity": report.severity,
        "Environment": report.environment,
        "Release": report.last_release or report.first_release,
        "Seen": times(report.count),
        "People": people,
        "Request": f"{report.method} {report.route}".strip(),
        "Location": _location(report),
        "Message": str(report.details.get("message", "")),
    }
    facts = []
    for label, value in named.items():
        line = clean_line(value, VALUE_CHARS)
        if line:
            facts.append(Fact(label, line))
    return tuple(facts)


def _location(report: BugReport) -> str:
    if report.frames:
        frame = report.frames[-1]
        return f"{frame.filename}:{frame.lineno} in {frame.function}"
    return report.view


def _links(report: BugReport) -> tuple[Link, ...]:
    named = {
        "Bug": report.admin_url,
        "Issue": report.issue_url,
        "Bug file": report.file_url,
    }
    return tuple(Link(label, url) for label, url in named.items() if is_web_url(url))


def is_web_url(url: str) -> bool:
    """Return whether *url* is an address that every service shows as a link."""
    return len(url) <= URL_CHARS and _WEB_URL.fullmatch(url) is not None


def markdown_link(link: Link) -> str:
    """Return *link* in Markdown, in which brackets and stars of an address are escaped."""
    url = link.url.translate(_ESCAPED_IN_URL)
    return f"[{link.label}]({url})"


def joined_links(
    links: tuple[Link, ...], render: Callable[[Link], str], limit: int
) -> str:
    """
    Return the links in one line, as many as fit.

    Args:
        links: What to link to.
        render: Returns a link in the service's own format.
        limit: In UTF-16 units.
    """
    line = ""
    for link in links:
        longer = render(link)
        if line:
            longer = f"{line} · {longer}"
        if units(longer) <= limit:
            line = longer
    return line


# Text from outside


def inert(text: str) -> str:
    """
    Return *text* so that no service finds a mention or a link in it.

    A zero-width space follows whatever would begin one.
    """
    return _ACTIVE.sub(rf"\1{ZERO_WIDTH_SPACE}", text)


def fitted(text: str, limit: int, escape: Callable[[str], str]) -> str:
    """
    Return *text*, inert and escaped, in *limit* UTF-16 units; no escape is cut.

    Args:
        text: From outside, one line.
        limit: The service's own, which most of them count in UTF-16 units.
        escape: Escapes each character by itself.
    """
    plain = inert(text)
    escaped = escape(plain)
    if units(escaped) <= limit:
        return escaped
    room = limit - 1
    pieces = []
    for character in plain:
        piece = escape(character)
        room -= units(piece)
        if room < 0:
            break
        pieces.append(piece)
    return "".join(pieces) + "…"


def units(text: str) -> int:
    """Return the length of *text* in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
