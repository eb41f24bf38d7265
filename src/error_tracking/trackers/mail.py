"""Mails to ADMINS: one when a bug is new, one when it comes back, one when it spikes; never one per occurrence."""

from __future__ import annotations

import threading

from django.core.mail import mail_admins
from django.db import connections

from error_tracking.exceptions import TrackerError
from error_tracking.report import BugReport
from error_tracking.wording import news_text, stack_text

from .base import Filed, Tracker

ANSWER_SECONDS = 30.0
NOTICED = {"regressed": "came back", "spiking": "happens far more often than usual"}


class MailTracker(Tracker):
    """Tells the people in ADMINS, through the project's own mail backend."""

    name = "mail"

    def file(self, report: BugReport) -> Filed:
        """Tell of a new bug."""
        self._send(report, "new")
        return Filed("ADMINS")

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """Tell of a regression or a spike; of nothing else."""
        noticed = [news for news in report.news if news.verb in NOTICED]
        if not noticed:
            return None
        self._send(report, NOTICED[noticed[-1].verb], *map(news_text, noticed))
        return Filed(reference)

    @staticmethod
    def _send(report: BugReport, what: str, *lines: str) -> None:
        times = "once" if report.count == 1 else f"{report.count} times"
        facts = [
            f"{report.title}",
            f"Severity: {report.severity}. Environment: {report.environment}. Seen {times}.",
            *lines,
            *([f"Issue: {report.issue_url}"] if report.issue_url else []),
            *([f"Bug file: {report.file_name}"] if report.file_name else []),
            f"Admin: …/{report.admin_path}",
        ]
        text = "\n".join(facts) + (f"\n\n{stack_text(report)}" if report.frames else "")
        failures: list[Exception] = []

        def deliver() -> None:
            try:
                mail_admins(f"{report.safe_title} ({what})", text)
            except Exception as error:  # noqa: BLE001  a backend may be the project's own, and SMTP has many errors
                failures.append(error)
            finally:
                connections.close_all()  # a backend that queues mails in the database has opened one

        # Without EMAIL_TIMEOUT a silent server would hold up everything that waits to be filed.
        thread = threading.Thread(target=deliver, name="error_tracking.mail", daemon=True)
        thread.start()
        thread.join(ANSWER_SECONDS)
        if thread.is_alive():
            raise TrackerError(f"the mail server gave no answer in {ANSWER_SECONDS:g} seconds")
        if failures:
            raise TrackerError(f"the mail could not be sent: {type(failures[0]).__name__}: {failures[0]}")
