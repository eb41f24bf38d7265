"""
Says which arguments of a format are secret, by the names that the format has for them.

``"password %s"`` and ``"%(password)s was seen"`` name their arguments only here: in
the finished text nobody can tell where the value ends, or that it is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .keys import ALWAYS, AS_KEY, Names
from .prose import SENTENCE
from .values import FILTERED

if TYPE_CHECKING:
    from collections.abc import Callable

    Note = Callable[[object], None]

# A longer one is a text from outside that has no arguments of its own.
FORMAT_CHARS = 4_000
_CONVERSION = re.compile(
    r"%(?:\(([^()]{1,100})\))?[#0\- +]{0,5}(\*|\d{0,4})(?:\.(\*"
    r"|\d{0,4}))?[hlL]?[a-zA-Z%]"
)
# The last words before a conversion, and what stands between.
_NAME_BEFORE = re.compile(r"([\w' -]{1,60}?)(\s?(?:=>|[:=])\s?|\s)[\"'`]?\Z")
NAME_BEFORE_CHARS = 80
# With nothing but a space between, "token %s" and "key %s" may stand before a name as
# well.
_LOCKS = re.compile(
    r"(?:pass(?:word|wd|code|phrase|wort)?|pwd|kennwort|contrase[nñ]a|senha|wachtwoord|"
    r"mot de passe|parola|clave|geheimzahl|pincode|pin|otp|cvv|cvc)\Z",
    re.IGNORECASE,
)
# A password is a text, a code may be a number; an exception or a form says something
# else.
_VALUES = (str, int, bytes)


def without_secrets(
    template: str, arguments: Any, names: Names, note: Note
) -> tuple[str, Any]:
    """
    Return a %-format and its arguments, those that are secret written out as filtered.

    Args:
        template: The format, as ``logging`` has it.

        arguments: A tuple, or a dict where the format has names.

        names: Says which names are secret.

        note: Is called with each value that was taken out.
    """
    if "%" not in template or len(template) > FORMAT_CHARS:
        return template, arguments
    if type(arguments) is dict:
        return _named(template, arguments, names, note), arguments
    if type(arguments) is tuple and arguments:
        return _in_order(template, arguments, names, note)
    return template, arguments


def _named(template: str, arguments: dict[Any, Any], names: Names, note: Note) -> str:
    def written(conversion: re.Match[str]) -> str:
        name = conversion[1]
        if name is None or names.level(name) < AS_KEY:
            return conversion[0]
        value = arguments.get(name)
        if not _may_be_secret(value):
            return conversion[0]
        note(value)
        return FILTERED

    return _CONVERSION.sub(written, template)


def _in_order(
    template: str, arguments: tuple[Any, ...], names: Names, note: Note
) -> tuple[str, tuple[Any, ...]]:
    kept: list[Any] = []
    pieces: list[str] = []
    position = number = 0
    for conversion in _CONVERSION.finditer(template):
        if conversion[0].endswith("%"):
            continue
        if conversion[1] or "*" in {conversion[2], conversion[3]}:
            return template, arguments
        if number >= len(arguments):
            return template, arguments  # logging says so itself
        value = arguments[number]
        number += 1
        if _may_be_secret(value) and _is_named(template, conversion.start(), names):
            note(value)
            pieces += (template[position : conversion.start()], FILTERED)
            position = conversion.end()
        else:
            kept.append(value)
    if not pieces:
        return template, arguments
    pieces.append(template[position:])
    return "".join(pieces), (*kept, *arguments[number:])


def _may_be_secret(value: Any) -> bool:
    kind = type(value)
    if kind not in _VALUES:
        return False
    is_sentence = kind is str and value.count(" ") > 1 and SENTENCE.fullmatch(value)
    return bool(value) and not is_sentence


def _is_named(template: str, end: int, names: Names) -> bool:
    """
    Return whether the words before *end* name a secret.

    ``password=``, ``API key:``, ``password``.
    """
    before = _NAME_BEFORE.search(template, max(0, end - NAME_BEFORE_CHARS), end)
    if before is None:
        return False
    if before[2].isspace():
        return _LOCKS.search(before[1]) is not None
    parts = before[1].split()[-3:]
    return bool(parts) and names.level("_".join(parts)) >= ALWAYS
