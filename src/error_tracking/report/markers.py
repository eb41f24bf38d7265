"""
Hidden lines in issues and bug files: which part is ours, and what we did last.

A marker is a line of its own; a text that only mentions one does not count. Text
from outside never contains one, because its comments are broken up (``borders``).
The bodies and files that are read here may have been edited by anybody: everything is
read line by line, in time that grows with their length only.
"""

from __future__ import annotations

import re

BEGIN, END = "<!-- error-tracking:begin -->", "<!-- error-tracking:end -->"

# GitHub's editor ends lines with \r\n, and people leave blanks at the end of a line.
_LINE_END = r"(?=[ \t\r]{0,9}$)"
_BEGIN_LINE = re.compile(rf"^{re.escape(BEGIN)}{_LINE_END}", re.MULTILINE)
_END_LINE = re.compile(rf"^{re.escape(END)}{_LINE_END}", re.MULTILINE)


# The part that is generated again


def wrap_generated(text: str) -> str:
    """Return *text* between the markers of the part that is generated again."""
    return f"{BEGIN}\n{text}\n{END}"


def parts_of(text: str) -> tuple[str, str, str] | None:
    """
    Return the text before, between and after the markers of the generated part.

    None when somebody has removed one of them.
    """
    begin = _BEGIN_LINE.search(text)
    if begin is None:
        return None
    end = _END_LINE.search(text, begin.end())
    if end is None:
        return None
    return text[: begin.start()], text[begin.end() : end.start()], text[end.end() :]


def has_marker(text: str, marker: str) -> bool:
    """Return whether *marker* is a line of *text*."""
    return any(line.strip() == marker for line in text.split("\n"))


# The state that we gave an issue

# Written in the same request as the state, so the two are never apart. The number is
# the latest activity of the bug at that time.
_STATE = re.compile(
    rf"^<!-- error-tracking:state (open|closed) ([0-9]{{1,18}}) -->{_LINE_END}",
    re.MULTILINE | re.ASCII,
)


def state_marker(state: str, activity_id: int) -> str:
    """
    Return the hidden line that records which state we gave an issue.

    Args:
        state: ``"open"`` or ``"closed"``.
        activity_id: The bug's latest activity when it was given.
    """
    return f"<!-- error-tracking:state {state} {activity_id} -->"


def pushed_state_in(body: str) -> tuple[str, int]:
    """
    Return the state that we last gave the issue with this *body*, and its activity.

    ``("", 0)`` when there is no marker: it was removed, or the issue was written
    before markers existed.
    """
    found = _STATE.search(body)
    if found is None:
        return "", 0
    return found[1], int(found[2])


def with_state_marker(body: str, state: str, activity_id: int) -> str:
    """Return *body* with its state marker replaced; unchanged when it has none."""
    return _STATE.sub(state_marker(state, activity_id), body, count=1)


# Evidence: blocks of code that are read back from an issue or a bug file

_EVIDENCE_BEGIN = re.compile(r"<!-- error-tracking:evidence ([a-z]{1,20}) -->")
_EVIDENCE_END = "<!-- error-tracking:evidence-end -->"
_FENCE_BEGIN = re.compile(r"(`{3,40})[a-z]{0,20}")
_FENCE_END = re.compile(r"`{3,}")


def wrap_evidence(name: str, block: str) -> str:
    """Return *block*, a fenced block of code, between markers that name it."""
    return f"<!-- error-tracking:evidence {name} -->\n{block}\n{_EVIDENCE_END}"


def evidence_in(text: str) -> dict[str, str]:
    """
    Return the code of each piece of evidence in *text*, by name.

    What is between the markers counts only when it is exactly one fenced block. The
    first piece of a name wins. Whoever writes the code elsewhere has to fence it.
    """
    found: dict[str, str] = {}
    name = ""
    lines: list[str] = []
    for raw_line in text.split("\n"):
        line = raw_line.rstrip("\r")
        begin = _EVIDENCE_BEGIN.fullmatch(line)
        if begin is not None:
            name = begin[1]
            lines = []
        elif line == _EVIDENCE_END:
            content = _fenced_content(lines)
            if name and name not in found and content is not None:
                found[name] = content
            name = ""
        elif name:
            lines.append(line)
    return found


def _fenced_content(lines: list[str]) -> str | None:
    """Return what one fenced block contains; None when *lines* are anything else."""
    if len(lines) < 2:
        return None
    begin = _FENCE_BEGIN.fullmatch(lines[0])
    if begin is None or lines[-1] != begin[1]:
        return None
    content = lines[1:-1]
    for line in content:
        # The block would end here, and what follows would be markup.
        stripped = line.strip()
        if _FENCE_END.fullmatch(stripped) and len(stripped) >= len(begin[1]):
            return None
    return "\n".join(content)
