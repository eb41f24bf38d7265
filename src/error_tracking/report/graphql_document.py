"""
Reads a GraphQL document: its operations, fragments, fields and literals.

Only the syntax, as the GraphQL specification (October 2021, section 2) has it for
requests. Nothing is evaluated, and no library is needed. What is longer or deeper than
queries that people write, or no GraphQL at all, is refused at the first sign of it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

# Queries that clients generate have some thousand characters.
QUERY_CHARS = 8_000
TOKENS = 2_000
# Selections and literals inside each other.
DEPTH = 20

# Possessive: what is never closed is refused without reading the text again.
_TOKEN = re.compile(
    r"(?P<ignored>[\s,\ufeff]++|\#[^\n\r]*+)"
    r'|(?P<block>"""(?:[^"\\]|\\.|"(?!""))*+""")'
    r'|(?P<text>"(?:[^"\\\n\r]|\\.)*+")'
    r"|(?P<number>-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?)"
    r"|(?P<name>[A-Za-z_]\w*+)"
    r"|(?P<sign>\.\.\.|[!$&()\[\]{}:=@|])",
    re.ASCII | re.DOTALL,
)
_OPERATIONS = frozenset({"query", "mutation", "subscription"})

_Item = TypeVar("_Item")


class MalformedError(ValueError):
    """The text is no GraphQL document, or one that is too long."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """A variable where it is used."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Word:
    """``true``, ``false``, ``null`` or a value of an enum."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Argument:
    """A name with its value: an argument, or a field of an input object."""

    name: str
    value: Literal


@dataclasses.dataclass(frozen=True, slots=True)
class InputObject:
    """A literal in braces."""

    fields: tuple[Argument, ...]


Literal = str | int | float | Variable | Word | InputObject | tuple["Literal", ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Directive:
    """Such as ``@include(if: $full)``."""

    name: str
    arguments: tuple[Argument, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A field that is asked for, with what is asked of it."""

    name: str
    alias: str
    arguments: tuple[Argument, ...]
    directives: tuple[Directive, ...]
    selections: tuple[Selection, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """``...name``, the use of a fragment."""

    name: str
    directives: tuple[Directive, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Inline:
    """``... on Type { }``, with ``""`` for no type."""

    type: str
    directives: tuple[Directive, ...]
    selections: tuple[Selection, ...]


Selection = Field | Spread | Inline


@dataclasses.dataclass(frozen=True, slots=True)
class Definition:
    """
    An operation or a fragment.

    Attributes:
        kind: ``query``, ``mutation``, ``subscription`` or ``fragment``.
        name: ``""`` where an operation has none.
        type: Of a fragment, what it is on.
        variables: Of an operation, with their types and defaults.

    """

    kind: str
    name: str
    type: str
    variables: tuple[VariableDefinition, ...]
    directives: tuple[Directive, ...]
    selections: tuple[Selection, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class VariableDefinition:
    """
    A variable of an operation.

    Attributes:
        name: Without the dollar.
        type: As it is written, such as ``[ID!]!``.
        default: None for none.

    """

    name: str
    type: str
    default: Literal | None


def parse_document(text: str) -> tuple[Definition, ...]:
    """
    Return the definitions of a GraphQL document.

    Raises:
        MalformedError: *text* is none, or longer or deeper than queries are.
    """
    if len(text) > QUERY_CHARS or "}" not in text:
        raise MalformedError
    return _Parser(tuple(_tokens(text))).document()


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    count = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or count == TOKENS:
            raise MalformedError
        position = match.end()
        if match.lastgroup != "ignored":
            count += 1
            yield match.lastgroup or "", match[0]


class _Parser:
    """Recursive descent, one method for each thing that a document has."""

    def __init__(self, tokens: tuple[tuple[str, str], ...]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    def document(self) -> tuple[Definition, ...]:
        found = []
        while self._position < len(self._tokens):
            found.append(self._definition())
        if not found:
            raise MalformedError
        return tuple(found)

    def _definition(self) -> Definition:
        if self._next() == "{":
            return Definition("query", "", "", (), (), self._selections())
        kind = self._name()
        if kind == "fragment":
            name = self._name()
            self._expect("on")
            type_name = self._name()
            variables: tuple[VariableDefinition, ...] = ()
        elif kind in _OPERATIONS:
            name = "" if self._next() in {"{", "(", "@"} else self._name()
            type_name = ""
            variables = self._in_brackets("(", ")", self._variable_definition)
        else:
            raise MalformedError
        directives = self._directives()
        selections = self._selections()
        return Definition(kind, name, type_name, variables, directives, selections)

    def _variable_definition(self) -> VariableDefinition:
        self._expect("$")
        name = self._name()
        self._expect(":")
        type_name = self._type()
        default = self._literal() if self._take("=") else None
        self._directives()
        return VariableDefinition(name, type_name, default)

    def _type(self) -> str:
        with_brackets = self._take("[")
        if with_brackets:
            self._go_deeper()
            found = f"[{self._type()}]"
            self._expect("]")
            self._depth -= 1
        else:
            found = self._name()
        return found + ("!" if self._take("!") else "")

    def _selections(self) -> tuple[Selection, ...]:
        found = self._in_brackets("{", "}", self._selection)
        if not found:
            raise MalformedError
        return found

    def _selection(self) -> Selection:
        if not self._take("..."):
            return self._field()
        if self._next_kind() == "name" and self._next() != "on":
            return Spread(self._name(), self._directives())
        type_name = self._name() if self._take("on") else ""
        return Inline(type_name, self._directives(), self._selections())

    def _field(self) -> Field:
        name, alias = self._name(), ""
        if self._take(":"):
            name, alias = self._name(), name
        arguments = self._in_brackets("(", ")", self._argument)
        directives = self._directives()
        selections: tuple[Selection, ...] = ()
        if self._next() == "{":
            selections = self._selections()
        return Field(name, alias, arguments, directives, selections)

    def _directives(self) -> tuple[Directive, ...]:
        found = []
        while self._take("@"):
            name = self._name()
            arguments = self._in_brackets("(", ")", self._argument)
            found.append(Directive(name, arguments))
        return tuple(found)

    def _argument(self) -> Argument:
        name = self._name()
        self._expect(":")
        return Argument(name, self._literal())

    def _literal(self) -> Literal:
        if self._next() == "[":
            return self._in_brackets("[", "]", self._literal)
        if self._next() == "{":
            return InputObject(self._in_brackets("{", "}", self._argument))
        if self._take("$"):
            return Variable(self._name())
        kind, text = self._advance()
        if kind == "name":
            return Word(text)
        if kind == "number":
            return float(text) if set(text) & set(".eE") else int(text)
        if kind == "block":
            return text[3:-3]
        if kind == "text":
            return text[1:-1]
        raise MalformedError

    def _in_brackets(
        self, begin: str, end: str, item: Callable[[], _Item]
    ) -> tuple[_Item, ...]:
        """Return the items between *begin* and *end*, none where there is no *begin*."""
        found: list[_Item] = []
        if not self._take(begin):
            return ()
        self._go_deeper()
        while not self._take(end):
            found.append(item())
        self._depth -= 1
        return tuple(found)

    def _go_deeper(self) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise MalformedError

    def _name(self) -> str:
        kind, text = self._advance()
        if kind != "name":
            raise MalformedError
        return text

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise MalformedError

    def _take(self, text: str) -> bool:
        """Go past the next token if it is *text*."""
        if self._next() != text:
            return False
        self._position += 1
        return True

    def _advance(self) -> tuple[str, str]:
        if self._position == len(self._tokens):
            raise MalformedError
        self._position += 1
        return self._tokens[self._position - 1]

    def _next(self) -> str:
        if self._position == len(self._tokens):
            return ""
        return self._tokens[self._position][1]

    def _next_kind(self) -> str:
        if self._position == len(self._tokens):
            return ""
        return self._tokens[self._position][0]
