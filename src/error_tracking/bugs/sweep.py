"""
One round of everything that is not an event: gate, bugs, outbox, retention.

Run by the leader of each machine, by ``error_tracking_sync`` and by Celery beat. Two
rounds at the same time are harmless: conditional updates decide which one does what.
"""

from __future__ import annotations

import dataclasses

from error_tracking import conf
from error_tracking.filing import allowance, runner
from error_tracking.filing.outbox import Outcome, Result
from error_tracking.models import DailyCount, Journal, Release

from . import gate, known, maintenance, retention
from .public_states import public_states
from .spikes import note_spikes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """
    What one round did in this process.

    Attributes:
        new: Ids of the bugs that were created.
        outcomes: Attempts to file bugs; empty if a thread or Celery does it later.
        followed: Number of bugs that changed because their issue did.
        issues_problem: Why the issues could not be read, ``""`` if they were.
        adopted: Number of journals of dead processes that were stored.
        has_more: Whether another round is needed within seconds, because errors are
            held for a moment or more groups wait than one round decides on.

    """

    new: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    followed: int = 0
    issues_problem: str = ""
    adopted: int = 0
    has_more: bool = False

    @property
    def failures(self) -> list[str]:
        """What went wrong, one line each."""
        lines = [outcome.line for outcome in self.with_result(Result.FAILED)]
        if self.issues_problem:
            lines.append(f"the issues could not be read: {self.issues_problem}")
        return lines

    def with_result(self, result: Result) -> list[Outcome]:
        """Return the attempts that led to *result*."""
        return [outcome for outcome in self.outcomes if outcome.result == result]

    def summary(self) -> str:
        """Return the numbers in one line, for a log."""
        filed = len(self.with_result(Result.FILED))
        updated = len(self.with_result(Result.UPDATED))
        return (
            f"adopted={self.adopted} new={len(self.new)} filed={filed} "
            f"updated={updated} followed={self.followed} failed={len(self.failures)}"
        )


def sweep(*, waits_for_filing: bool = False) -> Round:
    """
    Do one round.

    Args:
        waits_for_filing: File what is due and read the issues back before returning,
            in this thread. Otherwise RUNNER decides where and when that is done.

    Returns:
        What was done.

    Raises:
        Exception: A step failed. Nothing is lost: each step is a condition on rows,
            which the next round checks again.

    """
    decisions = _decide()
    maintenance.run()
    work = runner.work_here() if waits_for_filing else runner.start_work()
    known.publish(public_states())
    _prune()
    return Round(
        new=decisions.new,
        outcomes=work.outcomes,
        followed=work.followed,
        issues_problem=work.issues_problem,
        has_more=decisions.has_more,
    )


def hand_over() -> None:
    """
    Decide on what is new, for a process that is about to end.

    It files and prunes nothing itself, but gives Celery what is due.
    """
    _decide()
    maintenance.run()
    runner.publish_due()


def _decide() -> gate.Decisions:
    """Create the bugs of groups about which something is new."""
    settings = conf.get_settings()
    if settings.release:
        # Its first sight is its place in the order, also if it never has an error.
        Release.objects.see(settings.release)
    decisions = gate.Decisions()
    if settings.creates_bugs:
        decisions = gate.sweep()
    spiking = note_spikes()
    return dataclasses.replace(decisions, new=(*decisions.new, *spiking))


def _prune() -> None:
    Journal.objects.prune()
    pruned = retention.schedule.run()
    if pruned is not None:
        allowance.forget()
        DailyCount.objects.correct_recent()
