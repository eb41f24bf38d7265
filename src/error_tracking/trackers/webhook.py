"""
Messages to chat services and other programs when a bug is new and when it changes.

WEBHOOK_URL and each entry of WEBHOOKS are a tracker of their own, so that one that is
down holds up no other.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
import time
from typing import Any

from error_tracking.events.borders import json_data
from error_tracking.exceptions import TrackerError
from error_tracking.report.bug_report import BugReport
from error_tracking.utils import clean_line

from .base import Filed, Notifier
from .chat import PAYLOADS, message_for
from .endpoints import JSON, TELEGRAM, Endpoint
from .http import LIMITED, LONGEST_REST_SECONDS, Response, send

#: The version of our own JSON. Keys may be added to it, none is removed or renamed.
VERSION = 1
#: The part of the privacy list (``report.PUBLISHED``) that our own JSON has.
FIELDS = (
    "bug_id",
    "uuid",
    "title",
    "severity",
    "status",
    "kind",
    "environment",
    "count",
    "users",
    "first_seen",
    "last_seen",
    "first_release",
    "last_release",
    "route",
    "merged_into",
    "issue_url",
    "file_name",
    "file_url",
    "fingerprint",
)
# The prefix of a secret in base64 (Standard Webhooks, "Signature scheme").
SECRET_PREFIX = "whsec_"  # noqa: S105  no secret itself
SERVER_ERROR = 500
# Too slow, too early, too many: any other refusal needs a person. Redirects are not
# followed, so they are refusals, too.
_TEMPORARY = frozenset({408, 425, LIMITED})
# Enough of a service's answer to name the reason.
ANSWER_CHARS = 200
NOT_SENT = "nothing to send"


class WebhookTracker(Notifier):
    """
    Posts a message about each event that its endpoint wants.

    Any response of status 2xx will do. The same message may be sent twice; in our own
    JSON the header ``webhook-id`` identifies it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Post to *endpoint*."""
        self.endpoint = endpoint
        self.name = endpoint.name

    @property
    def place(self) -> str:
        """Where it posts, for people: the host alone."""
        return self.endpoint.host

    def unavailable_reason(self) -> str:
        """Return why nothing can be sent there, ``""`` when it can."""
        return self.endpoint.problem

    def file(self, report: BugReport) -> Filed:
        """Post a new bug, where that is wanted."""
        if "created" not in self.endpoint.events:
            return Filed(NOT_SENT)
        self._post(report, "created")
        return Filed("sent")

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """Post what happened to a bug, as far as that is wanted."""
        wanted = [news for news in report.news if news.verb in self.endpoint.events]
        if wanted:
            report = dataclasses.replace(report, news=tuple(wanted))
            self._post(report, wanted[-1].verb)
        return Filed(reference)

    def send_test(self, report: BugReport) -> None:
        """Post a message that says that it is a test."""
        self._post(report, "test")

    def _post(self, report: BugReport, event: str) -> None:
        reason = self.unavailable_reason()
        if reason:
            raise TrackerError(reason, is_permanent=True)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "django-error-tracking",
        }
        body = json.dumps(self._payload(report, event)).encode()
        if self.endpoint.format == JSON and self.endpoint.secret:
            message_id = _message_id(report, event)
            headers.update(signature_headers(self.endpoint.secret, message_id, body))
        try:
            response = send("POST", self.endpoint.url, headers, body)
        except TrackerError as error:
            # The message of a failed connection may quote the address, and so may the
            # exceptions that led to it.
            raise TrackerError(self.endpoint.scrubbed(str(error))) from None
        if response.status // 100 != 2:
            raise self._error_from(response)

    def _payload(self, report: BugReport, event: str) -> dict[str, Any]:
        if self.endpoint.format == JSON:
            return json_payload(report, event)
        payload = PAYLOADS[self.endpoint.format](message_for(report, event))
        if self.endpoint.format == TELEGRAM:
            payload["chat_id"] = self.endpoint.chat_id
        return payload

    def _error_from(self, response: Response) -> TrackerError:
        is_outage = response.status >= SERVER_ERROR
        is_temporary = is_outage or response.status in _TEMPORARY
        reason = f"{self.endpoint.host} answered {response.status}"
        answer = self.endpoint.scrubbed(_answer_of(response))
        if answer:
            reason = f"{reason}: {answer}"
        return TrackerError(
            reason,
            is_permanent=not is_temporary,
            retry_after=_retry_after(response),
            is_rate_limit=response.status == LIMITED,
            is_outage=is_outage,
        )


def json_payload(report: BugReport, event: str) -> dict[str, Any]:
    """Return the body of a request in our own format."""
    message = {
        "version": VERSION,
        "event": event,
        "bug": {
            **{name: getattr(report, name) for name in FIELDS},
            "admin_url": report.admin_url,
        },
        "news": [dataclasses.asdict(news) for news in report.news],
    }
    payload: dict[str, Any] = json_data(message)
    return payload


def _message_id(report: BugReport, event: str) -> str:
    """Return what a message and its repetition have in common."""
    latest = 0
    if report.news:
        latest = report.news[-1].id
    return f"msg_{report.uuid}_{event}_{latest}"


def signature_headers(
    secret: str, message_id: str, body: bytes, *, now: float | None = None
) -> dict[str, str]:
    """
    Return the headers by which a receiver knows that the message is ours.

    The scheme is that of Standard Webhooks: HMAC-SHA256 over id, time and body.

    Args:
        secret: The shared secret. What follows ``whsec_`` is base64; any other text is
            the key itself.
        message_id: The same for a message that is sent twice.
        body: The body of the request.
        now: The time, in seconds since 1970.
    """
    key = secret.encode()
    if secret.startswith(SECRET_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error:
            key = secret.encode()
    timestamp = str(int(time.time() if now is None else now))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _answer_of(response: Response) -> str:
    """Return the reason that a service gives, ``""`` when it gives none."""
    if isinstance(response.data, dict):
        for name in ("description", "message", "error"):
            reason = response.data.get(name)
            if isinstance(reason, dict):
                reason = reason.get("message")
            if isinstance(reason, str):
                return clean_line(reason, ANSWER_CHARS)
    return ""


def _retry_after(response: Response) -> float | None:
    """
    Return how long the service asks us to wait, in seconds.

    Discord (``retry_after``) and Telegram (``parameters.retry_after``) name it in the
    body.
    """
    seconds = response.retry_after
    if seconds is not None or response.status != LIMITED:
        return seconds
    data = response.data
    if not isinstance(data, dict):
        return None
    parameters = data.get("parameters")
    if isinstance(parameters, dict):
        data = parameters
    asked = data.get("retry_after")
    # bool is a subclass of int.
    if not isinstance(asked, (int, float)) or isinstance(asked, bool):
        return None
    # NaN is not at most anything.
    if not 0 <= asked <= LONGEST_REST_SECONDS:
        return None
    return float(asked)
