"""``error_tracking_sync``: do everything that can be done now, in this process."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from error_tracking import conf
from error_tracking.bugs.sweep import Round
from error_tracking.filing.outbox import Result
from error_tracking.management import base
from error_tracking.models import Filing
from error_tracking.sync import sync


class Command(base.Command):
    """Runs :func:`error_tracking.sync.sync` and shows its result."""

    help = (
        "Runs the periodic work once: stores the events that killed processes "
        "left, creates and files bugs, updates filed bugs, and reads which "
        "issues people have changed. The site does this automatically. Run the "
        "command from cron if no process of the site runs, or to see what waits. "
        "You can run it while the site is running. Exit status 1 if something "
        "failed in this round."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Do one round, and show what it did and what waits."""
        with self._shown_log():
            done = sync()
        result = _result_of(done)
        self.answer(result, _lines(result))
        if done.failures:
            steps = base.counted(len(done.failures), "step")
            raise CommandError(f"{steps} of this round failed.")

    @contextlib.contextmanager
    def _shown_log(self) -> Iterator[None]:
        """Show our log on a terminal meanwhile: one line per bug that is filed."""
        logger = logging.getLogger("error_tracking")
        handler = logging.StreamHandler(self.stderr)
        level = logger.level
        if self.shows_progress:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


def _result_of(done: Round) -> dict[str, Any]:
    """Return what was done and what waits, as plain data."""
    filed = done.with_result(Result.FILED)
    updated = done.with_result(Result.UPDATED)
    unfinished = _unfinished()
    state = Filing.State
    return {
        "adopted": done.adopted,
        "new": list(done.new),
        "filed": [outcome.line for outcome in filed],
        "updated": [f"{outcome.bug_id} {outcome.tracker}" for outcome in updated],
        "waiting": unfinished[state.PENDING] + unfinished[state.CLAIMED],
        "paused": unfinished[state.PAUSED],
        "given up": unfinished[state.FAILED],
        "failed": done.failures,
        "followed": done.followed,
        "has_more": done.has_more,
    }


def _unfinished() -> dict[str, list[str]]:
    """Return what is not filed, by state: how many with which tracker, and why."""
    lines: dict[str, list[str]] = {state: [] for state in Filing.State}
    rows = Filing.objects.wanted(conf.get_settings().environment)
    for state, tracker, reason, count in rows.unfinished():
        line = f"{count} {tracker}"
        if reason:
            line = f"{line}: {reason}"
        lines[state].append(line)
    return lines


def _lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the *result* for a person."""
    for name, value in result.items():
        if name == "has_more" or not value:
            continue
        if isinstance(value, list):
            yield f"{name.capitalize()}: {len(value)}"
            for line in value:
                yield f"  {line}"
        else:
            yield f"{name.capitalize()}: {value}"
    if not any(result.values()):
        yield "Nothing to do."
    if result["has_more"]:
        yield (
            "Some errors wait a few seconds, in case others have the same "
            "cause. Run the command again then."
        )
