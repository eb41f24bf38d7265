"""What of a secret is in an event, and what of that would be there without it."""

from __future__ import annotations

import collections
import html
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = "whole"
PART = "part"
GONE = "gone"
# Six characters of a password help whoever guesses the rest; shorter runs are in
# ordinary words.
RUN = 6


def texts(value: Any) -> Iterator[str]:
    """Yield every text of *value*: those of mappings with their keys."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from texts(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from texts(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def readings(events: list[dict[str, Any]]) -> list[str]:
    """Return the texts of *events*, as they stand and without each kind of escape."""
    text = "\n".join(each for event in events for each in texts(event))
    plain = _without_backslashes(text)
    return [
        text,
        plain,
        _without_backslashes(plain),
        unquote_plus(text),
        unquote_plus(text.replace("+", "%2B")),
        html.unescape(text),
        text.replace("''", "'").replace('""', '"'),
    ]


def _without_backslashes(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        return {"n": "\n", "r": "\r", "t": "\t"}.get(code, code)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", character, text)


def verdict(
    secret: str, events: list[dict[str, Any]], without: list[dict[str, Any]]
) -> tuple[str, str]:
    """
    Return whether *events* have *secret* whole, a part of it or nothing, and what.

    *without* are the events of the same failure with another secret: what stands in
    them is not a trace of this one.
    """
    found = readings(events)
    surroundings = readings(without)
    if _has(secret, found) and not _has(secret, surroundings):
        return WHOLE, secret
    longest = ""
    for start in range(len(secret) - RUN + 1):
        end = start + RUN
        while end <= len(secret) and _is_new(secret[start:end], found, surroundings):
            longest = max(longest, secret[start:end], key=len)
            end += 1
    return (PART, longest) if longest else (GONE, "")


def _has(secret: str, found: list[str]) -> bool:
    if len(secret) > RUN:
        return any(secret in text for text in found)
    # A short one is found where no longer number or word goes on around it.
    pattern = re.compile(rf"(?<![\w.]){re.escape(secret)}(?!\w)")
    return any(pattern.search(text) for text in found)


def _is_new(run: str, found: list[str], surroundings: list[str]) -> bool:
    if len(run) == RUN and run.isdigit():
        return _has(run, found) and not _has(run, surroundings)
    return any(run in text for text in found) and not any(
        run in text for text in surroundings
    )


def has_text(text: str, events: list[dict[str, Any]]) -> bool:
    """Return whether *text* is in *events*, however its white space is written."""
    wanted = " ".join(text.split())
    return any(wanted in " ".join(found.split()) for found in readings(events))


def twin(secret: str) -> str:
    """Return another secret of the same form: digits for digits, letters for letters."""
    return "".join(map(_other, secret))


def _other(character: str) -> str:
    # Letters of hex remain hex, so that UUIDs are still read as such.
    for letters in ("0123456789", "abcdef", "ABCDEF", "ghijklmnopqrstuvwxyz"):
        if character in letters:
            return letters[(letters.index(character) + 3) % len(letters)]
    if character in "GHIJKLMNOPQRSTUVWXYZ":
        return _other(character.lower()).upper()
    return character


def counts(results: dict[str, Any]) -> dict[str, int]:
    """Return how many plants are kept, and how many harmless texts are changed."""
    by_result = collections.Counter(each["result"] for each in results["plants"])
    changed = [each for each in results["harmless"] if each["changed in"]]
    return {
        "plants": len(results["plants"]),
        WHOLE: by_result[WHOLE],
        PART: by_result[PART],
        GONE: by_result[GONE],
        "harmless": len(results["harmless"]),
        "changed": len(changed),
    }


def table(numbers: dict[str, dict[str, int]]) -> str:
    """Return the counts of each tracker as Markdown."""
    lines = [
        "| | plants | kept whole | kept in part | gone | harmless texts | changed |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for tracker, values in numbers.items():
        cells = " | ".join(map(str, values.values()))
        lines.append(f"| {tracker} | {cells} |")
    return "\n".join(lines)
