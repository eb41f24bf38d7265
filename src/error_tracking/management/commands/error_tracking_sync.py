"""``error_tracking_sync``: do one round of everything that is not an event, now and in this process."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from error_tracking import conf, following, sweep
from error_tracking.exceptions import TrackerError
from error_tracking.management import base
from error_tracking.models import Activity, Filing


class Command(base.Command):
    """The command."""

    help = (
        "Makes bugs of what waits, files them, brings filed ones up to date and reads back what people did to the "
        "issues. The site does so by itself; run it from cron where no process of it runs, or to see what waits. "
        "Safe beside a running site. Exit status 1 when something failed in this round."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:  # noqa: ANN401  Django's signature
        """Do the round, and say what was done in this time, also by others."""
        started, followed, unread = timezone.now(), 0, []
        last = Activity.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        with self._logged():
            has_more = sweep.run(is_waiting=True)
            try:
                followed = following.follow()
            except TrackerError as error:
                unread.append(f"the issues could not be read: {error}")
        result = {**_result(started, last), "followed": followed, "has_more": has_more}
        result["failed"] += unread
        self.answer(result, _lines(result))
        if result["failed"]:
            raise CommandError(f"{len(result['failed'])} failed in this round.")

    @contextlib.contextmanager
    def _logged(self) -> Iterator[None]:
        """Show what is logged meanwhile, a line per bug that is made or filed."""
        logger = logging.getLogger("error_tracking")
        handler, level = logging.StreamHandler(self.stderr), logger.level
        if self.shows_progress:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


def _lines(result: dict[str, Any]) -> Iterator[str]:
    for name, value in result.items():
        if isinstance(value, list) and value:
            yield "\n  ".join([f"{name.capitalize()}: {len(value)}", *value])
        elif value and name != "has_more":
            yield f"{name.capitalize()}: {value}"
    if not any(result.values()):
        yield "Nothing to do."
    if result["has_more"]:
        yield "Some errors are held for a few seconds: run it again then."


def _result(started: dt.datetime, last: int) -> dict[str, Any]:
    """Return what has happened since, and what waits."""
    environment, state = conf.get_settings().environment, Filing.State
    verb = Activity.Verb
    activities = Activity.objects.filter(pk__gt=last, bug__environment=environment).order_by("pk")
    done = list(activities.values_list("verb", "bug__bug_id", "text"))
    rows = Filing.objects.filter(bug__environment=environment)
    touched = rows.filter(modified__gte=started).order_by("bug__number", "tracker")
    refused = touched.filter(state=state.FAILED) | touched.filter(state=state.PENDING, attempts__gt=0)
    updated = touched.filter(state__in=(state.FILED, state.LOCAL), filed_at__lt=started)
    names = ("bug__bug_id", "tracker", "reason")
    unfinished: dict[str, list[str]] = {name: [] for name in state}
    for name, tracker, reason, count in Filing.objects.wanted(environment).unfinished():
        unfinished[name].append(f"{count} {tracker}" + (f": {reason}" if reason else ""))
    return {
        "new": [bug_id for what, bug_id, _ in done if what == verb.CREATED],
        "filed": [f"{bug_id} {text}" for what, bug_id, text in done if what == verb.FILED],
        "updated": [f"{bug_id} {tracker}" for bug_id, tracker, _ in updated.values_list(*names)],
        "waiting": unfinished[state.PENDING] + unfinished[state.CLAIMED],
        "paused": unfinished[state.PAUSED],
        "given up": unfinished[state.FAILED],
        "failed": [f"{bug_id} {tracker}: {reason}" for bug_id, tracker, reason in refused.values_list(*names)],
    }
