"""
Decides which names may leave the site: those that the project's own code has.

Whoever sends a request chooses the names of its fields. Fifty names of sixty
characters can contain whole sentences, which a coding agent that reads the issue might
follow as instructions. So a name only leaves if the project knows it; all others become
``field_1``, ``field_2``, …
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.urls import URLPattern, URLResolver, get_resolver

from error_tracking import conf
from error_tracking.events.source_names import FIELD_NAME, SourceNames, names_in_file

from .graphql_query import PublicQuery, QueryNames, public_query
from .placeholders import Kind, choice_of, kind_of, known_text
from .thresholds import NO_LIMITS, Limits, kind_beside, limits_of_fields

# A report has at most twenty frames; each folder has a few of the files named below.
FILES = 60
# Routes of the whole project, with those of the admin.
PATTERNS = 10_000
# "items-0-product" and "author.name" are two words. With each additional one a stranger
# could write another word of a sentence.
COMPOUND_WORDS = 2
# With the words of formsets and lookups: "author__born__year__gte".
COMPOUND_PIECES = 4
# Digits of the number of a form or an item. With more of them it is data.
NUMBER_DIGITS = 3

# Where projects declare what a view of the same folder takes.
_BESIDE = (
    "forms",
    "serializers",
    "schemas",
    "schema",
    "models",
    "filters",
    "viewsets",
    "types",
    "inputs",
    "enums",
    "choices",
    "constants",
    "urls",
    "api",
    "views",
)
# Names that Django, its admin and its common companions read themselves. They are names
# of fields and nothing else: no value and no word of a message is known because of them.
_FRAMEWORK = frozenset(
    {
        *("action", "args", "cursor", "data", "format", "id", "kwargs", "limit"),
        *("next", "offset", "operationName", "ordering", "page", "page_size", "pk"),
        *("q", "query", "search", "select_across", "variables", "_method", "arg"),
        *("csrfmiddlewaretoken", "_selected_action", "_save", "_continue"),
    }
)
# Pieces of composite names: formsets, the ORM's lookups as filters use them, widgets of
# several inputs.
_PIECES = frozenset(
    {
        *("form", "TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS"),
        *("DELETE", "ORDER", "exact", "iexact", "contains", "icontains", "in", "gt"),
        *("gte", "lt", "lte", "startswith", "istartswith", "endswith", "iendswith"),
        *("range", "isnull", "regex", "iregex", "date", "year", "month", "day"),
        *("hour", "minute", "second", "week", "week_day", "quarter", "time"),
    }
)
_SEPARATORS = re.compile(r"[.\[\]-]+|__")
_PART_OF_WIDGET = re.compile(r"_(?:\d{1,3}|year|month|day)$", re.ASCII)
_NAME_PARTS = re.compile(r"[^a-z]+")
# Special categories of personal data (GDPR, article 9), and what is close to them.
_PERSONAL = frozenset(
    {
        *("sex", "gender", "orientation", "ethnicity", "race", "nationality", "skin"),
        *("religion", "faith", "denomination", "politics", "political", "party"),
        *(
            "union",
            "health",
            "disease",
            "illness",
            "diagnosis",
            "disability",
            "symptom",
        ),
        *("symptoms", "blood", "allergy", "allergies", "medication", "pregnancy"),
        *("pregnant", "hiv", "marital", "addiction", "conviction", "convictions"),
        *("geschlecht", "konfession", "gesundheit", "krankheit", "diagnose", "genre"),
        *("behinderung", "sexe", "sexo", "genero", "salud", "sante", "partei"),
    }
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclasses.dataclass(frozen=True, slots=True)
class KnownNames:
    """
    The names that the project knows, as far as one error is concerned.

    Attributes:
        words: Names of the project's models and URLs, and of the given source files.

        sensitive: Names below which nothing is known, besides the scrubbed keys.
        personal: Choices that say something about a person, each with how many there
            are to choose from.
        schema: Names of the GraphQL schema of the route, for queries only.
        limits: Numbers that the failing code compares with.
        limits_by_field: Bounds that forms and serializers declare.

    """

    words: frozenset[str]
    sensitive: frozenset[str] = frozenset()
    personal: Mapping[str, int] = dataclasses.field(default_factory=dict)
    schema: frozenset[str] = frozenset()
    limits: Limits = NO_LIMITS
    limits_by_field: Mapping[str, Limits] = dataclasses.field(default_factory=dict)

    def is_known(self, name: str) -> bool:
        """
        Return whether *name* may leave.

        It is a known word, or a few of them as forms and filters join them.
        """
        if FIELD_NAME.fullmatch(name) is None:
            return False
        if conf.get_scrubber().text(name) != name:
            return False
        if name in _FRAMEWORK or self._has(name):
            return True
        return self._is_known_compound(name)

    def _is_known_compound(self, name: str) -> bool:
        pieces = 0
        words = 0
        for piece in _SEPARATORS.split(name):
            # The number of a form in a formset, of an item in a list.
            is_number = piece.isdecimal() and len(piece) <= NUMBER_DIGITS
            if not piece or is_number:
                continue
            pieces += 1
            if piece in _PIECES:
                continue
            words += 1
            if piece not in _FRAMEWORK and not self._has(piece):
                return False
        return 0 < pieces <= COMPOUND_PIECES and words <= COMPOUND_WORDS

    def has_text(self, text: str) -> bool:
        """Return whether *text*, a value or a word of a message, is a known name."""
        return text in self.words and self.is_known(text)

    def hides_below(self, name: str) -> bool:
        """Return whether nothing is known below *name*: it may contain a secret."""
        return name in self.sensitive or conf.get_scrubber().is_secret_key(name)

    def kind_of(self, name: str, value: object) -> str:
        """
        Return the kind of *value*, which is sent as *name*.

        A text that the project's code has is kept: it may decide how the code goes on.
        """
        if isinstance(value, Kind):
            return str(value)
        if is_personal(name) or self.hides_below(name):
            return kind_of(name, value)
        if isinstance(value, str):
            if value in self.personal:
                return choice_of(self.personal[value])
            if self.has_text(value):
                return known_text(value)
        limits = self.limits | self.limits_by_field.get(name, NO_LIMITS)
        return kind_beside(kind_of(name, value), value, limits)

    def is_in_schema(self, name: str) -> bool:
        """Return whether *name* may leave as the name of a field in a GraphQL query."""
        return name in self.schema or self.is_known(name)

    def _has(self, word: str) -> bool:
        plain = _PART_OF_WIDGET.sub("", word)
        # Serializers with camelCase in JSON have snake_case in Python.
        snake = _CAMEL.sub("_", word).lower()
        return word in self.words or plain in self.words or snake in self.words


class PublicNames:
    """
    Gives each name the form in which it may leave, the same one wherever it occurs.

    Args:
        known: What the project knows.

    """

    def __init__(self, known: KnownNames) -> None:
        #: Kinds of the literals in GraphQL queries, by the names of their arguments.
        self.query_arguments: dict[str, str] = {}
        self._known = known
        self._aliases: dict[str, str] = {}
        self._count = 0

    def name(self, name: str, *, is_hidden: bool = False) -> str:
        """Return *name* if it is known, else its alias; if *is_hidden*, always one."""
        if name in self._aliases:
            return self._aliases[name]
        if not is_hidden and self._known.is_known(name):
            return name
        alias = self._next_alias()
        while alias in self._known.words:
            alias = self._next_alias()
        self._aliases[name] = alias
        return alias

    def knows(self, name: str) -> bool:
        """Return whether *name* may leave as it is."""
        return self._known.is_known(name)

    def knows_header(self, name: str) -> bool:
        """Return whether the project's code has the header *name*, in any spelling."""
        spellings = {name.lower(), "http_" + name.lower().replace("-", "_")}
        return any(word.lower() in spellings for word in self._known.words)

    def _next_alias(self) -> str:
        self._count += 1
        return f"field_{self._count}"

    def kinds(self, value: Any, *, name: str = "", is_hidden: bool = False) -> Any:
        """Return *value*, which is plain JSON, with public names and kinds as values."""
        if isinstance(value, list):
            return [self.kinds(each, name=name, is_hidden=is_hidden) for each in value]
        if isinstance(value, dict):
            public = {}
            query = None if is_hidden else self._query_in(value)
            for key, item in value.items():
                hides_below = is_hidden or self._known.hides_below(key)
                # Named before what is below it, so that names are numbered in order.
                name_shown = self.name(key, is_hidden=is_hidden)
                if query is not None:
                    item = self._of_query(key, item, query)  # noqa: PLW2901
                public[name_shown] = self.kinds(item, name=key, is_hidden=hides_below)
            return public
        if is_hidden:
            return Kind(kind_of(name, value))
        return Kind(self._known.kind_of(name, value))

    def _query_in(self, fields: dict[str, Any]) -> PublicQuery | None:
        """Return the GraphQL query that a request with *fields* sends, if it does."""
        text = fields.get("query")
        if not isinstance(text, str) or "{" not in text:
            return None
        names = QueryNames(self._known.is_in_schema, self.name, self._known.kind_of)
        query = public_query(text, names)
        if query is not None:
            self.query_arguments |= query.arguments
        return query

    def _of_query(self, key: str, item: Any, query: PublicQuery) -> Any:
        """Return the kind of what a request with *query* sends as *key*."""
        if key == "query":
            return query.kind
        if key == "operationName" and item in query.operations:
            return known_text(self.name(item))
        return item

    def tree(self, value: Any, *, is_hidden: bool = False) -> Any:
        """Return *value*, which is plain JSON, with public names; values stay."""
        if isinstance(value, list):
            return [self.tree(item, is_hidden=is_hidden) for item in value]
        if not isinstance(value, dict):
            return value
        public = {}
        for key, item in value.items():
            name = self.name(key, is_hidden=is_hidden)
            hides_below = is_hidden or self._known.hides_below(key)
            public[name] = self.tree(item, is_hidden=hides_below)
        return public


def known_names(paths: Iterable[str]) -> KnownNames:
    """
    Return the names in the source files at *paths*, beside them, in models and URLs.

    A name is a string constant, keyword, parameter or attribute of a source file, or a
    field, column, choice or URL name of the project. Files are read once until they
    change, at most ``FILES`` of them. For filing bugs only: too slow for a request.

    Args:
        paths: Absolute paths of the in-app frames, the innermost first. A file that
            this machine does not have adds no name.
    """
    is_secret = conf.get_scrubber().is_secret_key
    found = SourceNames()
    files = _with_neighbours(paths)
    for path in files:
        found |= names_in_file(path, is_secret)
    # A project of workers alone has no URLs.
    urlconf = getattr(django_settings, "ROOT_URLCONF", "")
    words = found.words | _names_of_project(urlconf)
    return KnownNames(
        words,
        found.sensitive,
        _personal_choices(),
        limits_by_field=limits_of_fields(files),
    )


def is_personal(name: str) -> bool:
    """Return whether *name* is that of a person's attribute, such as their religion."""
    words = _NAME_PARTS.split(_CAMEL.sub("_", name).lower())
    return not _PERSONAL.isdisjoint(words)


def _personal_choices() -> dict[str, int]:
    """Return the choices of the project's fields that say something about a person."""
    found: dict[str, int] = {}
    for model in apps.get_models():
        for field in model._meta.get_fields():
            choices = getattr(field, "flatchoices", None) or ()
            if choices and is_personal(field.name):
                found.update({str(value): len(choices) for value, _label in choices})
    return found


def module_path(dotted: str) -> str:
    """Return the file of the imported module with the object *dotted*, else ``""``."""
    name = dotted
    while name and name not in sys.modules:
        name = name.rpartition(".")[0]
    module = sys.modules.get(name)
    path = getattr(module, "__file__", None)
    return path if isinstance(path, str) else ""


def _with_neighbours(paths: Iterable[str]) -> list[str]:
    """Return *paths* and the files beside them that declare fields, each once."""
    # A dict has an order, which a set has not.
    own = dict.fromkeys(path for path in paths if path)
    found = list(own)
    for path in own:
        if not path.endswith(".py"):
            continue
        for name in _BESIDE:
            neighbour = Path(path).with_name(f"{name}.py")
            if str(neighbour) not in found and neighbour.is_file():
                found.append(str(neighbour))
    return found[:FILES]


def _names_of_project(urlconf: str) -> frozenset[str]:
    names = _names_by_urlconf(None)
    try:
        return names | _names_by_urlconf(urlconf)
    except Exception:  # noqa: BLE001  perhaps the first import of the project's URLs
        return names


# The models, and the URLs of one ROOT_URLCONF; tests have others. A failure is not
# cached.
@lru_cache(maxsize=4)
def _names_by_urlconf(urlconf: str | None) -> frozenset[str]:
    if urlconf is None:
        names = _names_of_models()
    else:
        names = _names_of_urls()
    return frozenset(name for name in names if FIELD_NAME.fullmatch(name))


def _names_of_models() -> Iterator[str]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.model_name:
            yield model._meta.model_name
        for field in model._meta.get_fields(include_hidden=True):
            yield from _names_of_field(field)


def _names_of_field(field: Any) -> Iterator[str]:
    yield field.name
    # Relations to this model have it.
    get_accessor_name = getattr(field, "get_accessor_name", None)
    if get_accessor_name is not None:
        yield get_accessor_name() or ""
    for attribute in ("attname", "column"):
        yield str(getattr(field, attribute, None) or "")
    for value, _label in getattr(field, "flatchoices", None) or ():
        yield str(value)


def _names_of_urls() -> Iterator[str]:
    waiting: list[Any] = list(get_resolver().url_patterns)
    for _ in range(PATTERNS):
        if not waiting:
            return
        entry = waiting.pop()
        # path() has converters, re_path() a regular expression with named groups.
        yield from getattr(entry.pattern, "converters", ())
        regex = getattr(entry.pattern, "regex", None)
        yield from getattr(regex, "groupindex", ())
        if isinstance(entry, URLResolver):
            waiting += entry.url_patterns
        elif isinstance(entry, URLPattern):
            yield str(entry.name or "")
            yield from map(str, entry.default_args)


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting in {"ROOT_URLCONF", "INSTALLED_APPS"}:
        _names_by_urlconf.cache_clear()


setting_changed.connect(_forget, dispatch_uid="error_tracking.known_names")
