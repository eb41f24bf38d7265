"""The request that the doctor's own test error belongs to."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory


def post_request(accept: str, secret: str = "") -> WSGIRequest:
    """
    Return a request that was read, with *secret* in each place where people send one.

    Args:
        accept: The value of its ``Accept`` header.
        secret: A made-up password.
    """
    headers = {"Accept": accept, "Authorization": f"Bearer {secret}"}
    factory = RequestFactory(headers=headers, SERVER_NAME="localhost")
    factory.cookies[django_settings.SESSION_COOKIE_NAME] = secret
    body = {"amount": 7, "password": secret}
    request = factory.post(f"/?token={secret}", body)
    # Only what a view has read is captured.
    request.POST  # noqa: B018
    return request
