"""Every text that people read in the admin and on pages is in each catalog that ships."""

from __future__ import annotations

import ast
import io
import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages import extract, pofile
from django.utils.translation.template import templatize

import error_tracking

PACKAGE = Path(error_tracking.__file__).parent
LANGUAGES = sorted(path.name for path in (PACKAGE / "locale").iterdir())
KEYWORDS = {
    **dict.fromkeys(["_", "gettext", "gettext_lazy", "gettext_noop"]),
    **dict.fromkeys(["ngettext", "ngettext_lazy"], (1, 2)),
    **dict.fromkeys(["pgettext", "pgettext_lazy"], ((1, "c"), 2)),
    **dict.fromkeys(["npgettext", "npgettext_lazy"], ((1, "c"), 2, 3)),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|%[sd]|\{\w*\}")


def sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, path.read_text()
    for path in sorted((PACKAGE / "templates").rglob("*.*")):
        yield path, templatize(path.read_text(), origin=str(path))


@cache
def texts():
    """Return what is translated as pairs of context and text, a plural as both its forms."""
    found = {}
    for path, source in sources():
        file = io.BytesIO(source.encode())
        for _line, message, _comments, context in extract.extract(
            "python", file, KEYWORDS
        ):
            found[context or "", message] = path.name
    return found


@cache
def catalog(language):
    source = (PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po").read_bytes()
    return pofile.read_po(io.BytesIO(source), locale=language)


def test_texts_are_found_in_code_and_templates():
    assert ("", "Resolve") in texts()
    assert ("", "Something went wrong") in texts()
    assert len(texts()) > 400


def test_no_text_hides_in_an_f_string():
    """Neither makemessages nor Babel before Python 3.12 would find it."""
    hidden = [
        f"{path.name}:{call.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in ast.walk(ast.parse(path.read_text()))
        if isinstance(text, ast.JoinedStr)
        for call in ast.walk(text)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in KEYWORDS
    ]
    assert hidden == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language):
    known = {
        (message.context or "", message.id)
        for message in catalog(language)
        if message.id and all([message.string, *_forms(message.string)])
    }
    missing = {text: name for text, name in texts().items() if text not in known}
    assert missing == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_placeholders(language):
    for message in catalog(language):
        allowed = [sorted(PLACEHOLDER.findall(each)) for each in _forms(message.id)]
        for text in _forms(message.string):
            assert not message.id or sorted(PLACEHOLDER.findall(text)) in allowed


def _forms(text):
    return text if isinstance(text, tuple | list) else (text,)
