"""
The message of an exception as far as it is code: fixed words and known names.

``KeyError: 'too_short'`` says which key is missing, and ``Order […] has no owner`` what
was checked. Whatever else a message has may be a visitor's, and becomes ``[…]``. So a
message that somebody else chose as a whole shows at most words which the project's code
or a library has anyway.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import itertools
import re
import sys
import types
from collections.abc import Callable, Iterable
from encodings.aliases import aliases
from functools import lru_cache
from typing import Any

from error_tracking.utils import clean_line

from .fixed_messages import DATABASES, OPERATORS, PYTHON, FixedMessage
from .source_texts import Sentence

#: What stands in the place of anything that is not known.
LEFT_OUT = "[…]"
MESSAGE_CHARS = 4_000
# What people read of a message; a longer one is a list.
PUBLIC_CHARS = 300
# Of a message with more lines the others are data, or a traceback.
LINES = 10
# Values and names that are shown of one list.
ITEMS = 20
# Messages in messages, lists in lists.
DEPTH = 4
TYPE_CHARS = 200

_LETTER = re.compile(r"[^\W\d_]")
_NUMBER = re.compile(r"-?\d{1,6}")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,100}", re.ASCII)
_DOTTED = re.compile(r"[A-Za-z_]\w{0,99}(?:\.[A-Za-z_]\w{0,99}){0,20}", re.ASCII)
_ONLY_COLUMNS = re.compile(r"(?:[A-Za-z_]\w*+|[.,`\"() -])++", re.ASCII)
_CLASS = re.compile(r"<class '([\w.]{1,200})'>", re.ASCII)
# The code and the text of an error of MySQL and MariaDB.
_CODE_AND_TEXT = re.compile(r"\((\d{1,5}), (['\"])(.*)\2\)", re.DOTALL)
# "'a', 'b', and 'c'", as Python lists the arguments that are missing.
_QUOTED = re.compile(r"'(\w{1,100})'", re.ASCII)
_QUOTED_NAMES = re.compile(r"'\w{1,100}'(?:(?:,|,? and) '\w{1,100}'){0,50}", re.ASCII)
_ERROR_DETAIL = re.compile(
    r"ErrorDetail\(string=('(?:[^'\\]|\\.){0,1000}'|\"(?:[^\"\\]|\\.){0,1000}\"), "
    r"code='\w{0,60}'\)"
)
_REPEATED = re.compile(rf"{re.escape(LEFT_OUT)}(?:,? ?{re.escape(LEFT_OUT)})+")
_EMPTY = frozenset({"None", "True", "False", "''", '""', "[]", "{}", "()"})
# Ends of sentences, which some messages have in a gap.
_SIGNS = frozenset(".,:;!?")
_DETAIL = re.compile(r"DETAIL: {1,3}")
_PATH_SIGNS = re.compile(r"[/._:-]+")
# Of the templates that Django's generic views look for.
_TEMPLATE_WORDS = frozenset(
    {
        *("html", "txt", "xml", "list", "detail", "form", "confirm", "delete"),
        *("archive", "year", "month", "week", "day", "today"),
    }
)
# Names that begin a generated name are followed by these, and by a hash.
_GENERATED_END = re.compile(
    r"(?:_[0-9a-f]{6,10})?(?:_(?:uniq|key|fk|pkey|pk|check|idx|like|[0-9a-f]{8}))*"
)
_CODECS = frozenset(aliases) | frozenset(aliases.values()) | {"charmap", "utf8"}
_PYTHON_OWNERS = (object, type, int, str, list, dict, set, types.FunctionType)
#: What Python calls itself, as its own messages about a call name it.
_PYTHON_FUNCTIONS = frozenset(
    {
        *("__enter__", "__exit__", "__aenter__", "__aexit__", "__await__", "__bool__"),
        *dir(builtins),
        *itertools.chain.from_iterable(map(dir, _PYTHON_OWNERS)),
    }
)
#: Types that have no name in any module.
_PYTHON_TYPES = frozenset(
    {
        *("NoneType", "function", "method", "module", "generator", "coroutine", "code"),
        *("builtin_function_or_method", "dict_keys", "dict_values", "dict_items"),
        *(
            "method_descriptor",
            "wrapper_descriptor",
            "ellipsis",
            "cell",
            "mappingproxy",
        ),
        *("str_iterator", "list_iterator", "dict_keyiterator", "async_generator"),
        *("getset_descriptor", "frame", "traceback", "odict_keys", "odict_values"),
    }
)
_SQL = frozenset(
    {
        *("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE TABLE", "ALTER TABLE"),
        *("SELECT FOR UPDATE", "TRUNCATE TABLE", "NO", "YES", "CASCADE", "SET NULL"),
        *("where clause", "field list", "on clause", "order clause", "group statement"),
        *("having clause", "NO ACTION", "RESTRICT", "SET DEFAULT", "nextval()"),
    }
)
_SQL_TYPES = frozenset(
    {
        *("integer", "bigint", "smallint", "uuid", "date", "time", "timestamp", "json"),
        *("timestamp with time zone", "boolean", "numeric", "jsonb", "interval", "int"),
        *("double precision", "inet", "cidr", "bytea", "datetime", "decimal", "string"),
        *("double", "character varying", "INTEGER", "DOUBLE", "DECIMAL", "float"),
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class Vocabulary:
    """
    What may be shown of the message of one error.

    Attributes:
        knows: Whether a name or a whole string constant is known.
        hides_below: Whether nothing is known under a name.
        sentences: Texts of the source files of its frames, in any order.
        more_sentences: Gives texts of files that many messages come from, which are
            read only where the others do not help.
        tables: Names of database tables, with which generated names begin.
        apps: Labels of the project's apps.

    """

    knows: Callable[[str], bool]
    hides_below: Callable[[str], bool] = lambda _name: False
    sentences: Iterable[Sentence] = ()
    more_sentences: Callable[[], Iterable[Sentence]] = tuple
    tables: frozenset[str] = frozenset()
    apps: frozenset[str] = frozenset()


def public_message(exception_type: str, message: str, vocabulary: Vocabulary) -> str:
    """
    Return what of *message* is code, on one line; ``""`` if there is no message.

    Args:
        exception_type: Name of the exception's class, with its module.
        message: Its message, without secrets.
        vocabulary: What is known.
    """
    text = message[:MESSAGE_CHARS].strip()
    if not text:
        return ""
    reader = _Reader(vocabulary)
    if exception_type.endswith("KeyError"):
        # The message of a KeyError is the key.
        shown = reader.part(text)
    elif exception_type.endswith("TemplateDoesNotExist") and reader.knows_path(text):
        shown = text
    else:
        shown = reader.whole(text)
    return _REPEATED.sub(LEFT_OUT, clean_line(shown, MESSAGE_CHARS))[:PUBLIC_CHARS]


def public_name(name: str, vocabulary: Vocabulary) -> str:
    """Return *name*, of a column, a template or a URL, if it is known; else ``[…]``."""
    reader = _Reader(vocabulary)
    if reader.knows_path(name):
        return name
    return reader.columns(name) or LEFT_OUT


class _Reader:
    """Reads one message."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._messages = (*PYTHON, *DATABASES, *_as_messages(vocabulary.sentences))
        self._more_messages: list[FixedMessage] | None = None
        self._checks: dict[str, Callable[[str, int], str | None]] = {
            "any": self._any,
            "codec": _codec,
            "columns": self._columns,
            "count": _count,
            "function": self._function,
            "name": self._name,
            "operator": _operator,
            "pgtype": _sql_type,
            "sql": _sql,
            "type": _type,
            "value": _value,
        }

    def whole(self, text: str) -> str:
        """Return the public form of a message."""
        text = _ERROR_DETAIL.sub(r"\1", text)
        found = None
        if text[0] in "[{":
            # What a serializer or a form has found wrong with each field.
            found = self._literal(text, DEPTH)
        if found is None:
            found = self._sentence(text, DEPTH)
        if found is not None:
            return found
        if "\n" in text:
            return self._lines(text)
        return self.part(text)

    def part(self, text: str, depth: int = DEPTH) -> str:
        """Return the public form of a part of a message: a name, a value or a text."""
        inner = text.strip()
        if not inner:
            return text
        before, _, after = text.partition(inner)
        return before + self._inner_part(inner, depth) + after

    def _inner_part(self, text: str, depth: int) -> str:
        if text in _EMPTY or text in _SIGNS:
            return text
        if self._knows(text):
            return text
        if _CLASS.fullmatch(text):
            return _CLASS.sub(_class_or_left_out, text)
        if depth == 0:
            return LEFT_OUT
        code_and_text = _CODE_AND_TEXT.fullmatch(text)
        if code_and_text is not None:
            code, quote, inner = code_and_text[1], code_and_text[2], code_and_text[3]
            return f"({code}, {quote}{self._text(inner, depth - 1)}{quote})"
        literal = self._literal(text, depth)
        if literal is not None:
            return literal
        if _QUOTED_NAMES.fullmatch(text):
            return _QUOTED.sub(lambda match: f"'{self._name(match[1], 0)}'", text)
        if ", " in text:
            return self._list(text, depth)
        found = self._sentence(text, depth)
        return LEFT_OUT if found is None else found

    def _literal(self, text: str, depth: int) -> str | None:
        """Return the public form of a text that is a value in Python, else None."""
        if text[0] not in "'\"[({":
            return None
        try:
            value = ast.literal_eval(text)
        except (
            *(ValueError, SyntaxError, TypeError, MemoryError, RecursionError),
            SystemError,  # as in source_texts
        ):
            return None
        return self._value(value, depth - 1)

    def _lines(self, text: str) -> str:
        """Return the lines that are known, with one mark for the others in a row."""
        shown = []
        for line in text.split("\n")[:LINES]:
            # PostgreSQL writes what is wrong first, then which row it was.
            plain = _DETAIL.sub("", line.strip())
            if plain:
                shown.append(self._text(plain, DEPTH))
        return " ".join(shown)

    def _text(self, text: str, depth: int) -> str:
        found = self._sentence(text, depth)
        return self.part(text, depth) if found is None else found

    def _sentence(self, text: str, depth: int) -> str | None:
        """Return *text* with the fixed words that fit it best, None where none fit."""
        if depth == 0:
            return None
        found = self._best(self._messages, text, depth)
        if found is not None:
            return found
        if self._more_messages is None:
            self._more_messages = _as_messages(self._vocabulary.more_sentences())
        return self._best(self._more_messages, text, depth)

    def _best(
        self, messages: Iterable[FixedMessage], text: str, depth: int
    ) -> str | None:
        fitting: list[tuple[int, FixedMessage, list[str]]] = []
        for message in messages:
            gaps = gaps_in(text, message.words)
            if gaps is not None:
                fitting.append((_letters(message.words), message, gaps))
        # The most fixed words leave the least to guess.
        fitting.sort(key=lambda each: each[0], reverse=True)
        for _score, message, gaps in fitting:
            shown = self._filled(message, gaps, depth)
            if shown is not None:
                return shown
        return None

    def _filled(self, message: FixedMessage, gaps: list[str], depth: int) -> str | None:
        """Return *message* with what may be shown of *gaps*; None if one does not fit."""
        pieces = [message.words[0]]
        for kind, gap, words in zip(
            message.kinds, gaps, message.words[1:], strict=True
        ):
            shown = self._checks[kind](gap, depth - 1)
            if shown is None:
                return None
            pieces += (shown, words)
        return "".join(pieces)

    # What may stand in a gap

    def _any(self, text: str, depth: int) -> str:
        return self.part(text, depth)

    def _name(self, text: str, _depth: int) -> str:
        if self._knows(text) or self._knows_parts(text) or self._is_generated(text):
            return text
        return LEFT_OUT

    def _function(self, text: str, _depth: int) -> str:
        """Return the name of a function that was called, of Python or the project."""
        names = text.replace(".<locals>", "").split(".")
        if all(name in _PYTHON_FUNCTIONS or self._knows(name) for name in names):
            return text
        return LEFT_OUT

    def _columns(self, text: str, _depth: int) -> str | None:
        return self.columns(text)

    def columns(self, text: str) -> str | None:
        """Return columns, tables and constraints as the database writes them."""
        if _ONLY_COLUMNS.fullmatch(text) is None:
            return None
        names = _IDENTIFIER.findall(text)
        if all(self._name(name, 0) == LEFT_OUT for name in names):
            # Its signs say nothing, and a visitor may have chosen them.
            return LEFT_OUT
        return _IDENTIFIER.sub(lambda match: self._name(match[0], 0), text)

    def _list(self, text: str, depth: int) -> str:
        """Return names with commas between them."""
        items = text.split(", ")
        shown = [self.part(item, depth - 1) for item in items[:ITEMS]]
        if len(items) > ITEMS:
            shown.append(LEFT_OUT)
        if all(item == LEFT_OUT for item in shown):
            return LEFT_OUT
        return ", ".join(shown)

    def _value(self, value: Any, depth: int) -> str:
        """Return a value that the message has as Python writes it."""
        if value is None or isinstance(value, bool):
            return repr(value)
        if isinstance(value, str):
            return self._string(value, depth)
        if isinstance(value, dict):
            items = [
                f"{self._value(key, depth)}: {self._below(key, item, depth)}"
                for key, item in list(value.items())[:ITEMS]
            ]
            return "{" + ", ".join(items) + "}"
        brackets = _BRACKETS.get(type(value))
        if brackets is None:
            return LEFT_OUT
        items = [self._value(item, depth) for item in list(value)[:ITEMS]]
        return brackets[0] + ", ".join(items) + brackets[1]

    def _string(self, value: str, depth: int) -> str:
        if not value or self._knows(value):
            return repr(value)
        if depth <= 0:
            return f"'{LEFT_OUT}'"
        return f"'{self._text(value, depth - 1)}'"

    def _below(self, key: object, value: Any, depth: int) -> str:
        if self._vocabulary.hides_below(str(key)):
            return LEFT_OUT
        return self._value(value, depth)

    # Names

    def knows_path(self, path: str) -> bool:
        """
        Return whether *path* is known, of a template or a URL's name.

        Django makes ``shop/order_detail.html`` of an app, a model and its own words.
        """
        if self._knows(path):
            return True
        words = [word for word in _PATH_SIGNS.split(path) if word]
        return bool(words) and all(self._knows_path_word(word) for word in words)

    def _knows_path_word(self, word: str) -> bool:
        is_of_django = word in _TEMPLATE_WORDS or word in self._vocabulary.apps
        return is_of_django or self._knows(word)

    def _knows(self, text: str) -> bool:
        return self._vocabulary.knows(text)

    def _knows_parts(self, text: str) -> bool:
        """Return whether each part of a dotted name is known: ``Order.pay``."""
        text = text.replace(".<locals>", "")
        if _DOTTED.fullmatch(text) is None or "." not in text:
            return False
        return all(self._knows(part) for part in text.split("."))

    def _is_generated(self, name: str) -> bool:
        """
        Return whether *name* is one that Django or a database made for a constraint.

        It has the name of the table, then names of columns, a hash and what it is:
        ``shop_order_customer_id_0f2b6a4c_fk_shop_customer_id``.
        """
        if _IDENTIFIER.fullmatch(name) is None:
            return False
        for table in self._vocabulary.tables:
            if not name.startswith(table):
                continue
            rest = name.removeprefix(table)
            if _GENERATED_END.fullmatch(rest) or self._is_of_columns(rest):
                return True
        return False

    def _is_of_columns(self, rest: str) -> bool:
        """Return whether *rest* has known names and endings, each after an underscore."""
        if not rest.startswith("_"):
            return False
        # Names have underscores themselves: pieces are joined until they are known.
        word = ""
        for piece in rest.split("_")[1:]:
            word = f"{word}_{piece}" if word else piece
            is_end = _GENERATED_END.fullmatch(f"_{word}") is not None
            if is_end or word.isdigit() or self._knows(word):
                word = ""
        return not word


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
}


def gaps_in(text: str, words: Sentence) -> list[str] | None:
    """
    Return what stands between the fixed *words* in *text*, None if they do not fit.

    Takes the first place where the next words are found, so it never goes back.
    """
    first, last = words[0], words[-1]
    if not text.startswith(first):
        return None
    if len(words) == 1:
        return [] if text == first else None
    end = len(text) - len(last)
    if end < len(first) or not text.endswith(last):
        return None
    gaps = []
    position = len(first)
    for piece in words[1:-1]:
        found = text.find(piece, position, end)
        if found < 0:
            return None
        gaps.append(text[position:found])
        position = found + len(piece)
    gaps.append(text[position:end])
    return gaps


def _as_messages(sentences: Iterable[Sentence]) -> list[FixedMessage]:
    """Return *sentences* as messages whose gaps may have anything that is known."""
    return [FixedMessage(words, ("any",) * (len(words) - 1)) for words in sentences]


def _letters(words: Sentence) -> int:
    return sum(len(_LETTER.findall(each)) for each in words)


def _class_or_left_out(match: re.Match[str]) -> str:
    if is_class(match[1]):
        return match[0]
    return f"<class '{LEFT_OUT}'>"


@lru_cache(maxsize=1_024)
def is_class(name: str) -> bool:
    """Return whether *name* is that of a class of Python, or of any loaded module."""
    if name in _PYTHON_TYPES or isinstance(vars(builtins).get(name), type):
        return True
    if _DOTTED.fullmatch(name) is None:
        return False
    module, _, rest = name.rpartition(".")
    if not module:
        return any(isinstance(each.get(name), type) for each in _namespaces())
    outer = [rest]
    while module and module not in sys.modules:
        module, _, last = module.rpartition(".")
        outer.insert(0, last)
    found: object = sys.modules.get(module)
    for part in outer:
        # Not getattr(): a module's own __getattr__ would import something.
        found = getattr(found, "__dict__", {}).get(part)
    return isinstance(found, type)


def _namespaces() -> list[dict[str, Any]]:
    found = []
    for module in list(sys.modules.values()):
        if type(module) is types.ModuleType:
            found.append(module.__dict__)  # noqa: PERF401  reads better than a list
    return found


def _type(text: str, _depth: int) -> str | None:
    if len(text) > TYPE_CHARS or not _DOTTED.fullmatch(text):
        return None
    return text if is_class(text) else LEFT_OUT


def _value(_text: str, _depth: int) -> str:
    return LEFT_OUT


def _count(text: str, _depth: int) -> str | None:
    return text if _NUMBER.fullmatch(text) else None


def _operator(text: str, _depth: int) -> str | None:
    return text if text in OPERATORS else None


def _codec(text: str, _depth: int) -> str:
    plain = text.lower().replace("-", "_")
    return text if plain in _CODECS else LEFT_OUT


def _sql(text: str, _depth: int) -> str:
    return text if text in _SQL else LEFT_OUT


def _sql_type(text: str, _depth: int) -> str:
    return text if text in _SQL_TYPES else LEFT_OUT
