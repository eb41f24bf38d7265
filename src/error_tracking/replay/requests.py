"""Sends a recorded request again, through the test client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import get_script_prefix, set_script_prefix

from error_tracking import conf

from .failure import Failure, failing_as


def replay(
    client: Client,
    method: str,
    path: str,
    data: Any = None,
    *,
    failure: Failure,
    user: Any = None,
    headers: Mapping[str, str] | None = None,
    credentials: Sequence[str] = (),
    session: Mapping[str, Any] | None = None,
    content_type: str = "",
    host: str = "",
    secure: bool = False,
    script_name: str = "",
) -> Any:
    """
    Send a request as it was recorded, and expect *failure* until it is fixed.

    Args:
        client: The client of the test.
        method: The HTTP method.
        path: With its query.
        data: What is sent in the body.
        failure: What was recorded.
        user: Who is signed in, None for nobody.
        headers: With their values.
        credentials: Headers by name whose values no bug file has. The function that
            the setting ``TEST_CREDENTIALS`` names supplies them; others are left out.
        session: What the session had.
        content_type: Of the body, ``""`` for a form.
        host: The recorded host where the project has several.
        secure: Whether the request came with HTTPS.
        script_name: What the server has in front of the project's paths.

    Returns:
        The response, once the failure is fixed.

    Raises:
        Exception: The recorded one, as long as the bug is there.
        AssertionError: The recorded error, where the project handles it; or
            "Not reproduced: …", with where the request stopped.
    """
    if user is not None:
        backend = django_settings.AUTHENTICATION_BACKENDS[0]
        client.force_login(user, backend=backend)
    if session:
        _fill_session(client, session)
    supplied = supplied_credentials(credentials, user)
    sent = {**(headers or {}), **supplied}
    if host:
        sent["host"] = host
    arguments: dict[str, Any] = {"headers": sent, "secure": secure}
    if data is not None:
        arguments["data"] = data
    if content_type:
        arguments["content_type"] = content_type
    if script_name:
        arguments["SCRIPT_NAME"] = script_name
    with failing_as(failure) as attempt, _below(script_name):
        attempt.request = _request_text(user, credentials, supplied, session)
        attempt.response = _send(client, method, path, arguments)
        if attempt.response.streaming:
            b"".join(attempt.response)
    return attempt.response


@contextmanager
def _below(script_name: str) -> Iterator[None]:
    """Have ``reverse()`` put *script_name* in front, as a server does."""
    before = get_script_prefix()
    set_script_prefix(f"{script_name}/" if script_name else before)
    try:
        yield
    finally:
        set_script_prefix(before)


def _send(client: Client, method: str, path: str, arguments: dict[str, Any]) -> Any:
    send = getattr(client, method.lower(), None)
    if send is None:
        arguments.pop("data", None)
        return client.generic(method, path, **arguments)
    if method != "POST" and "data" in arguments and "content_type" not in arguments:
        # Django's client encodes only the data of a POST as a form.
        arguments["data"] = encode_multipart(BOUNDARY, arguments["data"])
        arguments["content_type"] = MULTIPART_CONTENT
    return send(path, **arguments)


def _fill_session(client: Client, values: Mapping[str, Any]) -> None:
    session = client.session
    session.update(values)
    session.save()
    client.cookies[django_settings.SESSION_COOKIE_NAME] = session.session_key or ""


def supplied_credentials(names: Sequence[str], user: Any) -> dict[str, str]:
    """Return the headers with *names* that the project supplies for its tests."""
    if not names:
        return {}
    supply = conf.test_credentials()
    found: dict[str, str] = {}
    if supply is not None:
        found = dict(supply(tuple(names), user))
    if "Authorization" in names and "Authorization" not in found:
        token = _token_of(user)
        if token:
            found["Authorization"] = f"Token {token}"
    return found


def _token_of(user: Any) -> str:
    """Return a token of REST framework for *user*, where the project has them."""
    if user is None or not apps.is_installed("rest_framework.authtoken"):
        return ""
    token_model: Any = apps.get_app_config("authtoken").get_model("Token")
    token, _created = token_model.objects.get_or_create(user=user)
    return str(token.key)


def _request_text(
    user: Any,
    credentials: Sequence[str],
    supplied: Mapping[str, str],
    session: Mapping[str, Any] | None,
) -> str:
    """Return what the recorded request had that a repetition may lack."""
    facts = []
    if user is not None:
        facts.append("a signed-in user")
    for name in credentials:
        if name in supplied:
            facts.append(f"the header {name}")
        else:
            facts.append(
                f"the header {name}, whose value is missing here: supply it with "
                "ERROR_TRACKING['TEST_CREDENTIALS']"
            )
    if session:
        facts.append(f"the session keys {', '.join(session)}")
    if not facts:
        return ""
    return f"The recorded request had {'; '.join(facts)}."
