"""
Finds the secrets of command lines: ``--password x``, and short options.

A short option is secret only for the command that it belongs to: ``mysql -px``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .ends import end_of_unquoted, read_opened
from .keys import AS_KEY, Names
from .values import FILTERED, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long a command is read for its options, and how far its parameters stand from a
# statement.
COMMAND_CHARS = 1_000

_OPTION = re.compile(
    r"(-(?<![\w-]-)-?[A-Za-z][\w-]*+)(?:[ \t]++|\\*[\"'],\s{0,40}+(?=\\*[\"']))(?!-)(?=\S)"
)


def options(text: str, names: Names) -> Iterator[Span]:
    """Yield the values of options of commands: ``--password x``."""
    for option in _OPTION.finditer(text):
        if names.level(option[1]) >= AS_KEY:
            start = option.end()
            found = read_opened(text, start) if text[start] in "\"'\\" else None
            if found is None:
                found = start, end_of_unquoted(text, start)
            value = text[found[0] : found[1]].strip("[]<>").lower()
            is_usage = (
                value.isidentifier() and value in option[1].replace("-", "_").lower()
            )
            if found[1] > found[0] and not is_usage:
                yield (*found, FILTERED)


MAY_BE_SHORT_OPTION = re.compile(r"[ '\"]-(?:[pPuUawAXbkKo]|-user|-proxy-user|-auth)")

_COMMAND = re.compile(
    r"\b(mysql\w{0,10}|mariadb(?:-\w{1,10})?|sshpass|mongo\w{0,8}|7za?|zip|unzip|curl"
    r"|rar|unrar|pdftotext|pdftoppm|pdfinfo|wget|http|redis-cli|"
    r"ldap\w{1,8}|docker|htpasswd|smbclient|svn|ftp|rabbitmqctl|ipmitool|sqlcmd|bcp"
    r"|isql|snmp\w{1,5}|"
    r"ansible\w{0,12}|openssl|keytool|psql|az(?= login))(?=[ '\"\\])"
)

# Between two words of a command, which may be a list of Python or JSON, on one line or
# several, in any escape.
_NEXT_ITEM = r"\\*+[\"'],\s{0,40}+\\*+[\"']"
_GAP = rf"(?:[ ]|{_NEXT_ITEM})"
# A word of a command, in the quotes that were opened right before it, or in none.
_WORD = (
    r"(?:(?<=')(?:[^'\n\\]|\\(?!\\{0,8}'))++"
    r"|(?<=\")(?:[^\"\n\\]|\\(?!\\{0,8}\"))++"
    r"|[^\s\"']++)"
)
# Where a list ends that has a command's words: an item that nothing follows.
_LIST_BEGINS = re.compile(rf"(?={_NEXT_ITEM})")
_LIST_ENDS = re.compile(r"[\"']\s{0,40}+[\])]")

_SHORT_PASSWORD = re.compile(
    rf"(?<=[ '\"])-[pPw](?:{_NEXT_ITEM}(?!-)({_WORD})"
    rf"|[ =]?(?!-)([^\s\"'\\]{{2,}}+|'(?!,)[^'\n]*+'|\"(?!,)[^\"\n]*+\"))"
)
_AFTER_P = re.compile(rf"(?<=[ '\"])-P{_GAP}?[\"']?({_WORD})")

_LOGIN_OF_USER = (
    r"(?:(?<=')[^':\n]{1,100}:[^'\n]++|(?<=\")[^\":\n]{1,100}:[^\"\n]++|"
    r"[^\s\"':]{1,100}:[^\s\"']++)"
)
_SHORT_USER = re.compile(
    r"(?<=[ '\"])(?:-u|-U|--user|--proxy-user|-a|--auth)"
    rf"{_GAP}?=?[\"']?({_LOGIN_OF_USER})"
)
_SNMP = re.compile(rf"(?<=[ '\"])-[AX]{_GAP}?[\"']?({_WORD})")

_PDF_PASSWORD = re.compile(rf"(?<=[ '\"])-[uo]pw{_GAP}[\"']?({_WORD})")

# By how the command's name begins.
_SHORT_OPTIONS = {
    "curl": _SHORT_USER,
    "http": _SHORT_USER,
    "wget": _SHORT_USER,
    "smbclient": re.compile(
        rf"(?<=[ '\"])-U{_GAP}?[\"']?([^\s\"'%]{{1,100}}%[^\s\"']++)"
    ),
    "redis-cli": re.compile(rf"(?<=[ '\"])-a{_GAP}[\"']?({_WORD})"),
    "htpasswd": re.compile(
        r"-\w{0,9}?b\w{0,9}"
        rf"(?:(?:\s++|{_NEXT_ITEM})[^\s\"'\\]++){{2}}(?:\s++|{_NEXT_ITEM})({_WORD})"
    ),
    "openssl": re.compile(rf"(?:pass:|(?<=[ '\"])-[kK]{_GAP}[\"']?)([^\s\"'\\]++)"),
    "pdftotext": _PDF_PASSWORD,
    "pdftoppm": _PDF_PASSWORD,
    "pdfinfo": _PDF_PASSWORD,
    "psql": re.compile(r"(?!)"),
    "docker": re.compile(
        rf"\blogin(?=[ '\"\\])(?s:.){{0,200}}?(?<=[ '\"])-p{_GAP}[\"']?({_WORD})"
    ),
    "sqlcmd": _AFTER_P,
    "unzip": _AFTER_P,
    "zip": _AFTER_P,
}
_NET_USE = re.compile(
    r"\bnet use (?:\S{1,10}+ )?\\\\\S++ (?:(\S++) /user:|/user:\S++ (?!/)(\S++))",
    re.IGNORECASE,
)


def short_options(text: str) -> Iterator[Span]:
    """
    Yield the passwords in short options of known commands.

    ``-px`` of MySQL, ``-u name:x`` of curl.
    """
    position = 0
    while command := _COMMAND.search(text, position):
        position = _end_of_command(text, command.end())
        for option in _options_of(command[1]).finditer(text, command.end(), position):
            group = option.lastindex or 0
            yield option.start(group), option.end(group), FILTERED


def _end_of_command(text: str, start: int) -> int:
    """Return where the words of a command end: with its line, or its list."""
    last = min(len(text), start + COMMAND_CHARS)
    if _LIST_BEGINS.match(text, start):
        closing = _LIST_ENDS.search(text, start, last)
        return closing.end() if closing else last
    end = text.find("\n", start, last)
    return last if end < 0 else end


def _options_of(command: str) -> re.Pattern[str]:
    name = command.lower()
    if name.startswith("snmp"):
        return _SNMP
    return _SHORT_OPTIONS.get(name, _SHORT_PASSWORD)


def windows_shares(text: str) -> Iterator[Span]:
    """Yield the passwords of ``net use X: share x /user:ann``, as Windows has it."""
    for command in _NET_USE.finditer(text):
        group = 1 if command[1] else 2
        yield command.start(group), command.end(group), FILTERED


NEXT_WORD = "next"


def short_option_value(command: str, word: str) -> str:
    """
    Return *word*, an option of *command*, without its password.

    Returns:
        ``NEXT_WORD`` if the password follows, ``""`` if there is none.
    """
    if not _COMMAND.match(f"{command} ") or command.startswith("psql"):
        return ""
    is_of_user = _options_of(command) is _SHORT_USER
    options = (
        {"-u", "-U", "--user", "--proxy-user"}
        if is_of_user
        else {"-p", "-P", "-a", "-w"}
    )
    if word in options:
        return NEXT_WORD
    name, equals, _value = word.partition("=")
    if equals and name in options and name[:2] == "--":
        return f"{name}={FILTERED}"
    if word[:2] in options and word[:2] != "-a" and len(word) > 3 and word[:3] != "--p":
        return f"{word[:2]}{FILTERED}"
    return ""
