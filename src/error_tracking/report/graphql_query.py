"""
A GraphQL query as it may leave the site: its structure, with placeholders for values.

Fields, arguments and types are named where the project's code or schema has the name.
What a client chose (aliases, names of operations, fragments and variables) becomes an
alias of ours unless it is known, and so do literals: they become placeholders of their
kind. Values in, text out.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable

from .graphql_document import (
    Argument,
    Definition,
    Directive,
    Field,
    Inline,
    InputObject,
    Literal,
    MalformedError,
    Selection,
    Spread,
    Variable,
    VariableDefinition,
    Word,
    parse_document,
)
from .placeholders import HIDDEN, PREFIX_OF_GRAPHQL, Kind, placeholder_for

#: Valid where any field is: stands for one whose name is unknown.
ANY_FIELD = "__typename"
# What a client that scrubbing has met wrote without quotes.
_HIDDEN_WORD = HIDDEN[0].strip("[]")
_CONSTANTS = frozenset({"true", "false", "null"})
# Of the specification, and of Relay's for lists, which libraries add to any schema.
_SPECIFIED = frozenset(
    {
        *("__typename", "__schema", "__type", "include", "skip", "if"),
        *("Int", "Float", "String", "Boolean", "ID"),
        *("node", "nodes", "edges", "cursor", "pageInfo", "PageInfo", "totalCount"),
        *("hasNextPage", "hasPreviousPage", "startCursor", "endCursor"),
        *("first", "last", "before", "after", "id", "input", "clientMutationId"),
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class QueryNames:
    """
    What decides the names and values of a public query.

    Attributes:
        is_known: Whether the project has a field, an argument or a type of this name.
        public: Returns the form in which a name that a client chose may leave.
        kind: Returns the kind of a literal, by the name of its argument.

    """

    is_known: Callable[[str], bool]
    public: Callable[[str], str]
    kind: Callable[[str, object], str]

    def knows(self, name: str) -> bool:
        """Return whether *name* may leave as the name of a field or type."""
        return name in _SPECIFIED or self.is_known(name)


@dataclasses.dataclass(frozen=True, slots=True)
class PublicQuery:
    """
    What may leave of a query.

    Attributes:
        kind: Stands for the query in a shape; its placeholder is the query itself.
        arguments: The kinds of literals by the names of their arguments.
        operations: The names of operations as they were sent.

    """

    kind: Kind
    arguments: dict[str, str]
    operations: frozenset[str]


def public_query(text: str, names: QueryNames) -> PublicQuery | None:
    """Return what may leave of the query *text*, None where it is no GraphQL."""
    try:
        definitions = parse_document(text)
    except MalformedError:
        return None
    writer = _Writer(names)
    source = writer.document(definitions)
    if not source:
        return None
    operations = frozenset(each.name for each in definitions if each.kind != "fragment")
    return PublicQuery(Kind(PREFIX_OF_GRAPHQL + source), writer.literals, operations)


@dataclasses.dataclass(slots=True)
class _Written:
    """A definition as text, and what it needs of the others."""

    selections: str
    fragments: set[str] = dataclasses.field(default_factory=set)
    variables: set[str] = dataclasses.field(default_factory=set)


class _Writer:
    """Writes definitions with public names and placeholders."""

    def __init__(self, names: QueryNames) -> None:
        self.literals: dict[str, str] = {}
        self._names = names
        # What the definition that is written now uses.
        self._now = _Written("")

    def document(self, definitions: Iterable[Definition]) -> str:
        """Return the document, ``""`` where a name that it cannot be without is unknown."""
        operations: list[tuple[Definition, _Written]] = []
        fragments: dict[str, tuple[Definition, _Written]] = {}
        for definition in definitions:
            self._now = _Written("")
            directives = self._directives(definition.directives)
            selections = self._selections(definition.selections)
            self._now.selections = f"{directives} {selections}".strip()
            if definition.kind == "fragment":
                fragments[definition.name] = definition, self._now
            else:
                operations.append((definition, self._now))
        used: set[str] = set()
        parts = []
        for definition, written in operations:
            reached = _reached(written, fragments)
            used |= reached
            variables = set(written.variables)
            for name in reached:
                variables |= fragments[name][1].variables
            parts.append(self._operation(definition, written, variables))
        parts += [
            self._fragment(*fragments[name]) for name in fragments if name in used
        ]
        return " ".join(parts) if all(parts) else ""

    def _operation(
        self, definition: Definition, written: _Written, used: set[str]
    ) -> str:
        variables = []
        for each in definition.variables:
            # A variable that is not used makes a query invalid.
            if each.name in used:
                source = self._variable(each)
                if not source:
                    return ""
                variables.append(source)
        head = definition.kind
        if definition.name:
            head += f" {self._names.public(definition.name)}"
        if variables:
            head += f"({', '.join(variables)})"
        if head == "query":
            return written.selections
        return f"{head} {written.selections}"

    def _variable(self, definition: VariableDefinition) -> str:
        """Return the definition, ``""`` where its type is unknown."""
        if not self._names.knows(definition.type.strip("[]!")):
            return ""
        source = f"${self._names.public(definition.name)}: {definition.type}"
        if definition.default is None:
            return source
        default = self._literal(definition.name, definition.default)
        return f"{source} = {default}" if default else source

    def _fragment(self, definition: Definition, written: _Written) -> str:
        if not self._names.knows(definition.type):
            return ""
        name = self._names.public(definition.name)
        return f"fragment {name} on {definition.type} {written.selections}"

    def _selections(self, selections: tuple[Selection, ...]) -> str:
        found = dict.fromkeys(self._selection(each) for each in selections)
        return "{ " + " ".join(found) + " }"

    def _selection(self, selection: Selection) -> str:
        if isinstance(selection, Field):
            return self._field(selection)
        if isinstance(selection, Spread):
            self._now.fragments.add(selection.name)
            name = self._names.public(selection.name)
            return f"...{name}" + self._directives(selection.directives)
        return self._inline(selection)

    def _inline(self, inline: Inline) -> str:
        head = "..."
        if inline.type:
            if not self._names.knows(inline.type):
                return ANY_FIELD
            head += f" on {inline.type}"
        directives = self._directives(inline.directives)
        return f"{head}{directives} {self._selections(inline.selections)}"

    def _field(self, field: Field) -> str:
        if not self._names.knows(field.name):
            return ANY_FIELD
        source = field.name
        if field.alias:
            source = f"{self._names.public(field.alias)}: {source}"
        arguments = self._arguments(field.arguments)
        if arguments:
            source += f"({arguments})"
        source += self._directives(field.directives)
        if field.selections:
            source += f" {self._selections(field.selections)}"
        return source

    def _directives(self, directives: tuple[Directive, ...]) -> str:
        source = ""
        for each in directives:
            if not self._names.knows(each.name):
                continue
            arguments = self._arguments(each.arguments)
            source += f" @{each.name}" + (f"({arguments})" if arguments else "")
        return source

    def _arguments(self, arguments: tuple[Argument, ...]) -> str:
        found = []
        for each in arguments:
            if self._names.knows(each.name):
                value = self._literal(each.name, each.value)
                if value:
                    found.append(f"{each.name}: {value}")
        return ", ".join(found)

    def _literal(self, name: str, value: Literal) -> str:
        """Return a placeholder of *value*, ``""`` for an unknown value of an enum."""
        if isinstance(value, Variable):
            self._now.variables.add(value.name)
            return f"${self._names.public(value.name)}"
        if isinstance(value, InputObject):
            return "{" + self._arguments(value.fields) + "}"
        if isinstance(value, tuple):
            if value == (Word(_HIDDEN_WORD),):
                return self._scalar(name, HIDDEN[0])
            items = [self._literal(name, each) for each in value]
            return "[" + ", ".join(item for item in items if item) + "]"
        if isinstance(value, Word):
            is_kept = value.name in _CONSTANTS or self._names.knows(value.name)
            return value.name if is_kept else ""
        return self._scalar(name, value)

    def _scalar(self, name: str, value: str | float) -> str:
        kind = self._names.kind(name, value)
        self.literals.setdefault(name, kind)
        return json.dumps(placeholder_for(kind), ensure_ascii=False)


def _reached(
    written: _Written, fragments: dict[str, tuple[Definition, _Written]]
) -> set[str]:
    """Return the fragments that *written* uses, and those that they use."""
    found: set[str] = set()
    waiting = set(written.fragments)
    while waiting:
        name = waiting.pop()
        if name in fragments and name not in found:
            found.add(name)
            waiting |= fragments[name][1].fragments
    return found
