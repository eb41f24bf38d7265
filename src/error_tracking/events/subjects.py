"""
Finds what an error message names: a column, table, host, template, module or setting.

Those are names of the project's code or set-up, never values of a request. A title
shows them, and many errors that name the same thing have one cause.
"""

from __future__ import annotations

import re
from functools import lru_cache

MESSAGE_CHARS = 1_000

_PATH = re.compile(r"[\w.@+-]{1,80}(?:/[\w.@+-]{1,80}){0,12}")
# Words in capitals are also abbreviations, such as URL and JSON: a setting has an
# underscore, or is one of Django's own of one word.
_SETTING = re.compile(
    r"\b(?:[A-Z][A-Z0-9]{1,40}(?:_[A-Z0-9]{1,40}){1,8}|ADMINS|CACHES|DATABASES|DEBUG"
    r"|LOGGING|MANAGERS|MIDDLEWARE|STORAGES|TASKS|TEMPLATES)\b"
)
_NAME = r"[\w.$-]{1,128}"
#: Messages of SQLite, PostgreSQL, MySQL, MariaDB, Python and Django that name a thing,
#: by the kind of thing. The first pattern that is found decides.
_MESSAGES = {
    "column": (
        rf"no such column: ({_NAME})",
        rf"table {_NAME} has no column named ({_NAME})",
        rf"column \"?({_NAME})\"? (?:of relation \S+ )?does not exist",
        rf"Unknown column '({_NAME})'",
    ),
    "table": (
        rf"no such table: ({_NAME})",
        rf"relation \"({_NAME})\" does not exist",
        rf"Table '({_NAME})' doesn't exist",
        rf"permission denied for (?:table|relation) \"?({_NAME})",
        rf"command denied to user .{{1,100}} for table [`'\"]?({_NAME})",
        rf"database table is locked: ({_NAME})",
    ),
    "host": (
        rf"could not translate host name \"({_NAME})\"",
        rf"failed to resolve host '({_NAME})'",
        rf"connection to server at \"({_NAME})\"",
        rf"(?:Can't|Could not) connect to (?:MySQL |MariaDB )?server on '({_NAME})'",
        rf"\bhost=['\"]?({_NAME})['\"]?,? port",
        rf"Error \d+ connecting to ({_NAME}(?::\d+)?)",
    ),
    "database": (
        rf"database \"({_NAME})\" does not exist",
        rf"Unknown database '({_NAME})'",
    ),
    "module": (rf"No module named '({_NAME})'",),
    "name": (
        rf"cannot import name '({_NAME})'",
        rf"Module \"{_NAME}\" does not define a \"({_NAME})\" attribute",
    ),
    "URL name": (r"Reverse for '([\w.:-]{1,128})'(?: not found| with )",),
    "namespace": (rf"'({_NAME})' is not a registered namespace",),
    "tag library": (rf"'({_NAME})' is not a registered tag library",),
    "tag": (rf"Invalid block tag on line \d+: '({_NAME})'",),
    "filter": (rf"Invalid filter: '({_NAME})'",),
}
_PATTERNS = {
    kind: [re.compile(message) for message in messages]
    for kind, messages in _MESSAGES.items()
}

#: Classes whose messages are worth reading for a title, by name: each database library
#: has its own.
CLASSES = frozenset(
    {
        "DatabaseError",
        "ImportError",
        "ImproperlyConfigured",
        "IntegrityError",
        "InternalError",
        "ModuleNotFoundError",
        "NoReverseMatch",
        "OperationalError",
        "ProgrammingError",
        "TemplateDoesNotExist",
        "TemplateNotFound",
        "TemplateSyntaxError",
        "UndefinedColumn",
        "UndefinedTable",
    }
)


@lru_cache(maxsize=1_024)
def subject_of(type_name: str, message: str) -> str:
    """
    Return what *message* names as missing or wrong, ``""`` for nothing.

    Args:
        type_name: The exception's class, without its module.

        message: Its message, without secrets.

    Returns:
        The kind and the name: ``"column shop_order.total"``.
    """
    message = message[:MESSAGE_CHARS]
    if type_name in {"TemplateDoesNotExist", "TemplateNotFound"}:
        name = message.strip().removesuffix(" not found").strip("'")
        return f"template {name}" if _PATH.fullmatch(name) else ""
    for kind, patterns in _PATTERNS.items():
        for pattern in patterns:
            found = pattern.search(message)
            if found:
                return f"{kind} {found[1]}"
    if type_name == "ImproperlyConfigured":
        found = _SETTING.search(message)
        return f"setting {found[0]}" if found else ""
    return ""
