"""
Collects what may be shown of a stored error: names, constants and words of its code.

Reads the source files of the error's frames, and the project's models and URLs. For
filing bugs only: too slow for a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps

from error_tracking import conf

from .known_names import KnownNames, module_path
from .public_message import Vocabulary, public_message
from .source_texts import NO_TEXTS, Sentence, SourceTexts, texts_in_file

# The innermost functions of a library wrote the message, or what it was made of.
LIBRARY_FILES = 4
# With the project's own files: a deep stack of them has other errors' messages.
FILES = 16
#: Modules whose messages reach a project through exceptions that others raise.
_WRITERS = (
    "django.contrib.auth.password_validation",
    "django.contrib.auth.validators",
    "django.core.exceptions",
    "django.core.validators",
    "django.core.signing",
    "django.db.models.base",
    "django.db.models.deletion",
    "django.db.models.fields",
    "django.db.models.fields.related",
    "django.db.models.fields.related_descriptors",
    "django.db.models.query",
    "django.db.models.sql.query",
    "django.forms.fields",
    "django.forms.formsets",
    "django.forms.models",
    "django.http.request",
    "django.template.base",
    "django.template.defaulttags",
    "django.template.loader_tags",
    "django.urls.resolvers",
    "django.utils.datastructures",
    "rest_framework.exceptions",
    "rest_framework.fields",
    "rest_framework.relations",
    "rest_framework.serializers",
    "rest_framework.validators",
)


def vocabulary_for(
    exceptions: Iterable[Mapping[str, Any]],
    known: KnownNames,
    *,
    reads_libraries: bool = True,
) -> Vocabulary:
    """
    Return what may be shown of the messages of a chain of *exceptions*.

    Args:
        exceptions: A stored stacktrace.
        known: The names that the project knows.
        reads_libraries: Whether the words of Django's and its REST framework's own
            messages are looked for in their sources, which takes seconds of CPU when a
            process does it first.
    """
    own_paths, library_paths = _paths_of(exceptions)
    texts = _texts_in(own_paths)
    scrubber = conf.get_scrubber()

    def knows(text: str) -> bool:
        is_known = text in texts.names or text in texts.constants
        if not is_known and not known.has_text(text):
            return False
        # A constant of the source may be a secret all the same.
        return bool(scrubber.text(text) == text)

    return Vocabulary(
        knows=knows,
        hides_below=known.hides_below,
        # Of a library only its messages count, never its names or constants: a
        # visitor's word may be any of them.
        sentences=texts.sentences | _texts_in(library_paths).messages,
        more_sentences=_sentences_of_libraries if reads_libraries else frozenset,
        tables=_tables(),
        apps=frozenset(apps.app_configs),
    )


def public_messages(
    exceptions: Iterable[Mapping[str, Any]],
    known: KnownNames,
    *,
    reads_libraries: bool = True,
) -> list[str]:
    """Return the public message of each of *exceptions*, a stored stacktrace."""
    vocabulary = vocabulary_for(exceptions, known, reads_libraries=reads_libraries)
    messages = []
    for each in exceptions:
        message = str(each.get("message") or "")
        messages.append(public_message(str(each.get("type")), message, vocabulary))
    return messages


def _texts_in(paths: Iterable[str]) -> SourceTexts:
    is_secret = conf.get_scrubber().is_secret_key
    texts = NO_TEXTS
    for path in paths:
        texts |= texts_in_file(path, is_secret)
    return texts


def _paths_of(exceptions: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """
    Return the files of the frames, each once: the project's own, and libraries'.

    The innermost come first.
    """
    own: dict[str, None] = {}
    library: dict[str, None] = {}
    for each in exceptions:
        of_exception: dict[str, None] = {}
        for frame in reversed(each.get("frames") or ()):
            path = str(frame.get("abs_path") or "")
            if frame.get("in_app"):
                own[path] = None
            elif len(of_exception) < LIBRARY_FILES:
                of_exception[path] = None
        library |= of_exception
    own_paths = list(own)[:FILES]
    return own_paths, list(library)[: FILES - len(own_paths)]


def _sentences_of_libraries() -> frozenset[Sentence]:
    """Return the texts of Django and its REST framework that messages are made of."""
    found: set[Sentence] = set()
    for name in _WRITERS:
        path = module_path(name)
        # A module that is not imported has raised nothing; its package may be.
        if path.endswith((f"{name.rpartition('.')[2]}.py", "__init__.py")):
            found |= texts_in_file(path, _nothing_is_secret).messages
    return frozenset(found)


def _nothing_is_secret(_name: str) -> bool:
    return False


def _tables() -> frozenset[str]:
    models = apps.get_models(include_auto_created=True)
    return frozenset(model._meta.db_table for model in models)
