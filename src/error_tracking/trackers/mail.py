"""
Mails to ADMINS: when a bug is new, when it happens again, and when it spikes.

Never one per occurrence.
"""

from __future__ import annotations

import threading

from django.core.mail import mail_admins
from django.db import connections

from error_tracking.events.borders import mail_line
from error_tracking.exceptions import TrackerError
from error_tracking.report.bug_report import BugReport
from error_tracking.report.markdown import news_text, stack_text, times
from error_tracking.utils import clean_text

from .base import Filed, Notifier

# Django's EMAIL_TIMEOUT is unlimited by default, and a filer waits no longer than this.
ANSWER_SECONDS = 30.0
# Twenty frames and the source around the raising one need a tenth of it.
MAIL_CHARS = 20_000
# Threads that wait for a silent server; more would wait for the same one.
MOST_WAITING_THREADS = 3
# The news that are mailed, as the subject names them.
_NOTIFIED = {
    "regressed": "happened again",
    "spiking": "happens far more often than usual",
}

_waiting_threads: list[threading.Thread] = []


class MailTracker(Notifier):
    """Sends mails to ADMINS, through the project's own mail backend."""

    name = "mail"

    @property
    def place(self) -> str:
        """Where mails go."""
        return "ADMINS"

    def file(self, report: BugReport) -> Filed:
        """Send a mail about a new bug."""
        self._send(report, "new", [])
        return Filed("ADMINS")

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """Send a mail about a regression or a spike, and about nothing else."""
        notified = [news for news in report.news if news.verb in _NOTIFIED]
        if not notified:
            return None
        what = _NOTIFIED[notified[-1].verb]
        self._send(report, what, [news_text(news) for news in notified])
        return Filed(reference)

    def send_test(self, report: BugReport) -> None:
        """Send a mail that says that it is a test."""
        self._send(report, "test", [])

    @staticmethod
    def _send(report: BugReport, what: str, news: list[str]) -> None:
        send_to_admins(f"{report.safe_title} ({what})", _text_of(report, news))


def _text_of(report: BugReport, news: list[str]) -> str:
    severity = f"Severity: {report.severity}. Environment: {report.environment}."
    lines = [
        mail_line(report.title),
        f"{severity} Seen {times(report.count)}.",
        *news,
    ]
    if report.issue_url:
        lines.append(f"Issue: {report.issue_url}")
    if report.file_name:
        lines.append(f"Bug file: {report.file_url or report.file_name}")
    # Without an address of the site its end is better than nothing.
    lines.append(f"Admin: {report.admin_url or f'…/{report.admin_path}'}")
    if report.frames:
        lines += ["", stack_text(report)]
    return "\n".join(lines)


def send_to_admins(subject: str, text: str) -> None:
    """
    Send a mail to ADMINS in a thread, and wait a bounded time for it.

    Without EMAIL_TIMEOUT a silent server would hold up everything that waits to be
    filed, and each mail would leave a thread behind.

    Raises:
        TrackerError: It was not sent, or nobody knows.
    """
    failures: list[Exception] = []

    def deliver() -> None:
        try:
            mail_admins(mail_line(subject), clean_text(text, MAIL_CHARS))
        except Exception as error:  # noqa: BLE001  a backend may be the project's own
            failures.append(error)
        finally:
            # A backend that queues mails in the database has opened one.
            connections.close_all()

    _waiting_threads[:] = [each for each in _waiting_threads if each.is_alive()]
    if len(_waiting_threads) >= MOST_WAITING_THREADS:
        raise TrackerError(
            f"the mail server has not answered {MOST_WAITING_THREADS} earlier mails yet"
        )
    thread = threading.Thread(target=deliver, name="error_tracking.mail", daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if thread.is_alive():
        _waiting_threads.append(thread)
        raise TrackerError(
            f"the mail server gave no answer in {ANSWER_SECONDS:g} seconds"
        )
    if failures:
        raise _error_from(failures[0])


def _error_from(failure: Exception) -> TrackerError:
    """Return the error for a mail that was not sent."""
    # SMTP's 4xx are temporary (RFC 5321, 4.2.1).
    code = getattr(failure, "smtp_code", None)
    is_transient = isinstance(code, int) and 400 <= code < 500
    return TrackerError(
        f"the mail could not be sent: {type(failure).__name__}: {failure}",
        is_outage=is_transient,
    )
