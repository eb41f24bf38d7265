"""
Sends a test error through everything, step by step, and leaves nothing behind.

The test error is stored in a transaction that is rolled back, so that no sweep of
the site ever sees it, also when this process is killed. No step shows a secret.

The steps, in the order in which an error meets them: ``site_steps`` (settings and
what Django does), ``capture_steps``, ``storage_steps``, ``filing_steps``.
"""

from __future__ import annotations

import dataclasses
import functools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import connections

from error_tracking import conf, trackers
from error_tracking.database_problems import problem_for
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias
from error_tracking.trackers import Notifier
from error_tracking.utils import clean_line

from . import capture_steps, filing_steps, site_steps, storage_steps
from .findings import Answer, Conclusion, Finding, State, conclude, fail

__all__ = [
    "STEPS",
    "Conclusion",
    "Finding",
    "Limits",
    "State",
    "Step",
    "conclude",
    "examine",
    "notify_steps",
]

# As much of a driver's or a server's text as a line of a terminal can show.
REASON_CHARS = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """
    How long the doctor waits, in seconds.

    Attributes:
        step: For one step. Most servers that answer at all answer within it.

        total: For all steps together, so that a deployment can wait for the doctor.

        least: For a step that begins when ``total`` is over; enough without a network.

    """

    step: float = 5.0
    total: float = 14.0
    least: float = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """
    One step: its name, what it does, and whose values it needs.

    Attributes:
        needs: Names of earlier steps. Their values are the arguments, None where a
            step has given none.

    """

    name: str
    run: Callable[..., Answer]
    needs: tuple[str, ...] = ()


STEPS = (
    Step("settings", site_steps.check_settings),
    Step("middleware", site_steps.check_middleware, needs=("settings",)),
    Step("capture", capture_steps.capture_test_error),
    Step("site_request", capture_steps.send_site_request),
    Step("journal_file", storage_steps.write_journal, needs=("settings", "capture")),
    Step("database", storage_steps.store, needs=("capture", "journal_file")),
    Step("gate", filing_steps.ask_gate),
    Step("bug_file", filing_steps.check_bug_files),
    Step("github", filing_steps.ask_github),
    Step("notices", filing_steps.check_notices),
    Step("broker", filing_steps.ask_broker),
    Step("page", site_steps.render_page, needs=("capture",)),
    Step("release", site_steps.check_release),
    Step("links", site_steps.check_links),
    Step("mail", site_steps.check_mail, needs=("settings",)),
    Step("leader", storage_steps.find_leader, needs=("database",)),
    Step("outbox", filing_steps.check_outbox, needs=("database",)),
    Step("size", storage_steps.measure_size, needs=("database",)),
)


def examine(
    steps: Iterable[Step] = STEPS, limits: Limits = Limits()
) -> Iterator[Finding]:
    """
    Yield what each step found, as soon as it is found.

    Only this function passes values from step to step. A step that answers too late
    is abandoned on its thread: nobody reads its answer any more.
    """
    values: dict[str, Any] = {}
    deadline = time.monotonic() + limits.total
    for step in steps:
        arguments = [values.get(name) for name in step.needs]
        seconds_left = deadline - time.monotonic()
        seconds = max(limits.least, min(limits.step, seconds_left))
        answer = answer_within(seconds, step, arguments)
        values[step.name] = answer.value
        yield Finding(
            step.name,
            answer.state,
            answer.found,
            answer.advice,
            answer.unknown_reason,
        )


def notify_steps() -> tuple[Step, ...]:
    """Return a step for each place that a test message can be sent to."""
    return tuple(
        Step("notify", functools.partial(filing_steps.send_test, tracker))
        for tracker in trackers.configured().values()
        if isinstance(tracker, Notifier)
    )


def answer_within(seconds: float, step: Step, arguments: list[Any]) -> Answer:
    """Return the answer of *step*, run on a thread of its own for as long as this."""
    # Of this call alone, so that a late answer goes nowhere.
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def run() -> None:
        answer = safe_answer(step, arguments)
        connections.close_all()  # those of this thread
        answers.put(answer)

    thread = threading.Thread(target=run, name="error_tracking.doctor", daemon=True)
    thread.start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return fail(
            f"no answer in {seconds:.1f} seconds",
            "Check that the services this step uses can be reached.",
        )


def safe_answer(step: Step, arguments: list[Any]) -> Answer:
    """Return the answer of *step*; an exception becomes one, without secrets."""
    try:
        return step.run(*arguments)
    except Exception as error:  # noqa: BLE001  broken parts are what the doctor is for
        scrubber = conf.get_scrubber()
        problem = problem_for(error, write_alias(ErrorLog))
        if problem is not None:
            return fail(scrubber.text(problem.what, REASON_CHARS), problem.remedy)
        reason = scrubber.text(clean_line(str(error), REASON_CHARS), REASON_CHARS)
        return fail(
            f"{type(error).__name__}: {reason}",
            "Fix this first: other steps may depend on it.",
        )
