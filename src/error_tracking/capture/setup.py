"""
Reads who asked, and with what: the kind of user, names of credentials, the session.

For the set-up of generated tests. Nothing lazy is read, and no value is kept.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from error_tracking import conf
from error_tracking.events.plain_data import tree_reader
from error_tracking.report.graphql_document import QUERY_CHARS
from error_tracking.report.placeholders import kind_of, placeholder_for, shape_of
from error_tracking.scrubbing.descriptions import full_name, instance_dict
from error_tracking.scrubbing.scrubber import MAX_STRING

from .request_context import JSON_BODY_BYTES, guarded, loaded_user

if TYPE_CHECKING:
    from django.http import HttpRequest

    from error_tracking.events.size_budget import Share

HEADERS = 60
HEADER_CHARS = 40
SCRIPT_CHARS = 200
CREDENTIALS = 3
SESSION_KEYS = 10
ANONYMOUS = "django.contrib.auth.models.AnonymousUser"
# What is stored of one text of a body, without the note on the rest.
STORED_CHARS = MAX_STRING - 40
# Comments, texts and whole numbers in a GraphQL query.
_LITERAL = re.compile(
    r"#[^\n]*+"
    r'|"""(?:[^"\\]|\\.|"(?!""))*+"""'
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|(?<![\w.])-?\d{1,18}+(?![\w.])",
    re.DOTALL,
)
# Their values are no credentials of a client that a test could supply.
_OTHER_SECRETS = frozenset({"HTTP_COOKIE", "HTTP_X_CSRFTOKEN", "HTTP_X_CSRF_TOKEN"})


def setup_for(
    request: HttpRequest | None, rows: list[dict[str, Any]], share: Share
) -> dict[str, Any]:
    """Return what a test of this failure needs, as plain data; what is empty is left out."""
    found: dict[str, Any] = {"rows": rows}
    if request is not None:
        script_name = request.META.get("SCRIPT_NAME")
        if script_name:
            found["script_name"] = conf.get_scrubber().line(
                str(script_name)[:SCRIPT_CHARS], SCRIPT_CHARS
            )
        found["user"] = guarded(_user_kind, request, default="")
        found["credentials"] = guarded(_credential_names, request, default=[])
        found["session"] = guarded(_session_shape, request, share, default={})
        found["query"] = guarded(_long_query, request, share, default="")
    return {name: value for name, value in found.items() if value}


def _user_kind(request: HttpRequest) -> str:
    user = loaded_user(request)
    if user is None:
        return ""
    if full_name(type(user)) == ANONYMOUS:
        return "anonymous"
    own = instance_dict(user)
    if own.get("is_superuser") is True:
        return "superuser"
    if own.get("is_staff") is True:
        return "staff"
    return "plain"


def _credential_names(request: HttpRequest) -> list[str]:
    """Return the names of headers whose values are secrets."""
    is_secret = conf.get_scrubber().is_secret_key
    found: list[str] = []
    for key in islice(request.META, HEADERS * 2):
        if not key.startswith("HTTP_") or key in _OTHER_SECRETS:
            continue
        name = key[5:].replace("_", "-").title()
        if len(name) > HEADER_CHARS or not is_secret(name):
            continue
        found.append(name)
        if len(found) == CREDENTIALS:
            break
    return found


def _session_shape(request: HttpRequest, share: Share) -> dict[str, Any]:
    """Return the kinds of what the session has, if it was loaded."""
    session = request.__dict__.get("session")
    loaded = instance_dict(session).get("_session_cache")
    if type(loaded) is not dict:
        return {}
    scrubber = conf.get_scrubber()
    values: dict[str, Any] = {}
    for key in islice(loaded, SESSION_KEYS):
        is_name = type(key) is str and not key.startswith("_")
        if is_name and not scrubber.is_secret_key(key):
            values[key] = loaded[key]
    if not values:
        return {}
    plain = tree_reader(share, scrubber).read_mapping(values)
    shape = shape_of(plain, lambda _name: True)
    return dict(shape) if isinstance(shape, dict) else {}


def _long_query(request: HttpRequest, share: Share) -> str:
    """
    Return a GraphQL query that is longer than the texts of a body that are stored.

    Without the values of its literals: only their kinds count.
    """
    raw = request.__dict__.get("_body")
    if type(raw) is not bytes or not STORED_CHARS < len(raw) <= JSON_BODY_BYTES:
        return ""
    if b'"query"' not in raw or b"{" not in raw[1:]:
        return ""
    data = json.loads(raw)
    text = data.get("query") if type(data) is dict else None
    if type(text) is not str or not STORED_CHARS < len(text) <= QUERY_CHARS:
        return ""
    if not share.take_characters(len(text)):
        return ""
    shown = _LITERAL.sub(lambda match: _literal_like(match[0]), text)
    return conf.get_scrubber().text(shown, QUERY_CHARS)


def _literal_like(source: str) -> str:
    """Return a literal of the same kind; a comment is left out."""
    if source.startswith("#"):
        return " "
    if source.startswith('"'):
        value: object = source.strip('"')
    else:
        value = int(source)
    return json.dumps(placeholder_for(kind_of("", value)), ensure_ascii=False)
