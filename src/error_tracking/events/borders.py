"""
One cleaner for each border that text from outside crosses.

Text from outside is whatever a visitor, another server or an edited file has written:
messages, titles, paths, names, answers. Where it leaves our hands it must stay text:
never another log line, an escape sequence, markup, a header, a marker of ours or a
path. Each function here is one border; whoever crosses it calls that function.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
import unicodedata
from typing import IO, Any

from error_tracking.utils import clean_line, clean_text, type_ids

#: A line of a log file that people still read.
LOG_CHARS = 2_000
#: A traceback in our own log: Python shortens repeated frames, messages may be long.
TRACEBACK_CHARS = 60_000
#: One line of Markdown or of a mail, such as a URL or a message.
SPAN_CHARS = 300
#: A block of Markdown. GitHub accepts 65,536 characters for a whole issue.
FENCE_CHARS = 6_000
#: GitHub accepts titles of 256 characters.
TITLE_CHARS = 200
#: File systems accept names of 255 bytes, which also have the number and the suffix.
SLUG_CHARS = 60
# Breaks an "@name" for GitHub, and is not seen.
ZERO_WIDTH_SPACE = "\u200b"

_COLOUR = re.compile(r"(\x1b\[[0-9;]{0,20}m)")
# What YAML calls printable (YAML 1.2, 5.1), without line breaks.
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BACKTICKS = re.compile(r"`+")
# Longer runs of backticks are shortened to this: the fence has to be longer still.
_BACKTICKS_IN_FENCE = 20
# What GitHub makes a link of, and so notifies people: "@name", "#1", "GH-1".
_REFERENCE = re.compile(r"([@#]|\bGH-)(?=\S)", re.IGNORECASE)
# Arguments of log records that print as one line anyway, and that "%d" needs unchanged.
_PLAIN_ARGUMENTS = type_ids(int, float, bool, type(None))


# Log lines


def log_text(text: str) -> str:
    """Return *text* for a log line: one line, without control characters."""
    return clean_line(text, LOG_CHARS)


class _LogArgument:
    """An argument of a log record that prints cleanly, however it is printed."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return log_text(str(self._value))

    def __repr__(self) -> str:
        return log_text(repr(self._value))


def clean_record(record: logging.LogRecord) -> logging.LogRecord:
    """
    Change *record* so that it prints as one record.

    Its message becomes one line, and no line of its traceback looks like a record of
    its own.
    """
    if not record.args:
        record.msg = log_text(str(record.msg))
    elif isinstance(record.args, tuple):
        record.args = tuple(_clean_argument(arg) for arg in record.args)
    else:
        # A mapping of arguments: too rare to be cleaned one by one.
        record.msg = log_text(record.getMessage())
        record.args = ()
    if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
        # A formatter that finds this text does not make one itself.
        record.exc_text = _traceback_text(record.exc_info[1])
    return record


def _clean_argument(argument: object) -> object:
    if id(type(argument)) in _PLAIN_ARGUMENTS:
        return argument
    return _LogArgument(argument)


def _traceback_text(error: BaseException | None) -> str:
    lines: list[str] = []
    for part in traceback.format_exception(error):
        first, *others = clean_text(part, TRACEBACK_CHARS).rstrip("\n").split("\n")
        lines.append(first)
        for line in others:
            # The message of an exception may have lines of its own. They must not begin
            # where records begin.
            is_indented = line[:1] in {"", " "}
            lines.append(line if is_indented else f"    {line}")
    return "\n".join(lines)[:TRACEBACK_CHARS]


class CleanLogFilter(logging.Filter):
    """Cleans every record of our own logger; lets all of them pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean *record*."""
        clean_record(record)
        return True


def install_log_filter() -> None:
    """Clean what our own logger writes from now on; may be called again."""
    logger = logging.getLogger("error_tracking")
    if not any(isinstance(each, CleanLogFilter) for each in logger.filters):
        logger.addFilter(CleanLogFilter())


# Terminals


def terminal_text(text: str, *, has_colour: bool) -> str:
    """
    Return *text* for a terminal: lines and tabs stay, no other control character does.

    Args:
        text: Any number of lines.

        has_colour: Whether our own output has colours, which then stay.
    """
    if not has_colour:
        return clean_text(text, len(text))
    pieces = _COLOUR.split(text)
    pieces[::2] = [clean_text(piece, len(piece)) for piece in pieces[::2]]
    return "".join(pieces)


class TerminalStream:
    """A text stream that cleans what is written to it; all else is the stream's own."""

    def __init__(self, stream: IO[str]) -> None:
        """Write to *stream*, without colours until ``has_colour`` is set."""
        self._stream = stream
        self.has_colour = False

    def write(self, text: str) -> None:
        """Write *text* cleanly."""
        self._stream.write(terminal_text(text, has_colour=self.has_colour))

    def write_control(self, text: str) -> None:
        """Write *text* of our own, which moves the cursor."""
        self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        """Return what the stream itself has."""
        return getattr(self._stream, name)


# Markdown: bug files, issues and comments


def without_comments(text: str) -> str:
    """
    Return *text* without the beginning of any comment.

    A comment may look like one of our markers, which are searched for.
    """
    return text.replace("<!--", "<!- -")


def markdown_span(text: str) -> str:
    """Return *text* as a code span on one line, from which no Markdown breaks out."""
    text = without_comments(clean_line(text, SPAN_CHARS)) or "-"
    ticks = "`" * (_longest_run_of_backticks(text) + 1)
    if text[0] == "`" or text[-1] == "`":
        # Markdown takes one space on each side as not being part of the code.
        text = f" {text} "
    return f"{ticks}{text}{ticks}"


def markdown_fence(text: str, language: str = "") -> str:
    """Return *text* as a fenced block, one backtick longer than any run inside."""
    text = without_comments(clean_text(text, FENCE_CHARS))
    longest = "`" * _BACKTICKS_IN_FENCE
    text = re.sub(rf"{longest}`+", longest, text)
    ticks = "`" * max(3, _longest_run_of_backticks(text) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def _longest_run_of_backticks(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


def yaml_text(text: str) -> str:
    """
    Return *text* as a quoted value of front matter.

    JSON is YAML. A less-than sign that is escaped begins no comment.
    """
    plain = _UNPRINTABLE.sub("\ufffd", clean_line(text, TITLE_CHARS))
    return json.dumps(plain, ensure_ascii=False).replace("<!--", "\\u003c!--")


# Issues and mails


def issue_title(text: str) -> str:
    """Return *text* as an issue's title: one line that mentions nobody and no issue."""
    line = without_comments(clean_line(text, TITLE_CHARS))
    broken = _REFERENCE.sub(rf"\1{ZERO_WIDTH_SPACE}", line)
    return broken[:TITLE_CHARS].rstrip()


def mail_line(text: str) -> str:
    """Return *text* as a line of a mail or its subject, which no line break ends."""
    return clean_line(text, SPAN_CHARS)


# JSON for other programs


def json_data(value: Any) -> Any:
    """Return plain *value* with all its texts clean; names of mappings are ours."""
    if isinstance(value, str):
        return clean_text(value, len(value))
    if isinstance(value, dict):
        return {name: json_data(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_data(each) for each in value]
    return value


# File names


def file_slug(text: str) -> str:
    """
    Return *text* as a part of a file name: 1 to 60 characters of ``a-z0-9-``.

    No file system and no shell takes these for anything else.
    """
    # Letters that are dropped take no room, so more is read than is kept.
    plain = unicodedata.normalize("NFKD", text[: SLUG_CHARS * 20])
    plain = plain.encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_CHARS].strip("-")
    return slug or "error"
