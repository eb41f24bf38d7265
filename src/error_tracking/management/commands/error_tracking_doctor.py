"""``error_tracking_doctor``: send a test error through everything, and report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser

from error_tracking.management import base, doctor
from error_tracking.management.doctor import Finding, State
from error_tracking.recorder.health_report import acknowledge, health

# The longest name of a step, so that all findings begin in the same column.
STEP_WIDTH = 12
# A service may take as long as a tracker waits for it, and there are a few of them.
NOTIFY_LIMITS = doctor.Limits(step=35.0, total=120.0)


class Command(base.Command):
    """The command."""

    help = (
        "Tests the whole installation with a real error, from the settings to "
        "GitHub. Reports for each step what was found and what to do. Leaves "
        "nothing behind. The last line says whether errors are captured, stored "
        "and filed. Exit status 1 if a step has failed or nothing is captured. "
        "With --acknowledge: checks nothing, and marks the lost events and "
        "internal errors of this environment as known, so that health() no "
        "longer reports them. With --notify: also sends a test message to ADMINS "
        "and to each webhook."
    )
    needs_tables = False
    # What is wrong is reported as a step, and the others follow.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--acknowledge",
            action="store_true",
            help="mark all lost events and internal errors as known; check nothing",
        )

        parser.add_argument(
            "--notify",
            action="store_true",
            help="also send a test message to ADMINS and to each webhook",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Examine, and show what is found as soon as it is found."""
        if options["acknowledge"]:
            self._acknowledge()
            return
        findings = []
        for finding in self._findings(sends_test=options["notify"]):
            findings.append(finding)
            if not self.is_json:
                self._show(finding)
        conclusion = doctor.conclude(findings)
        failed = [each.step for each in findings if each.state == State.FAIL]
        result = {
            "is_ok": not failed,
            "steps": [finding.as_dict() for finding in findings],
            "captured": conclusion.captured,
            "stored": conclusion.stored,
            "filed": conclusion.filed,
            "reasons": conclusion.reasons,
        }
        self.answer(result, [str(conclusion)])
        if failed:
            raise CommandError(f"Failed: {', '.join(failed)}.")

    @staticmethod
    def _findings(*, sends_test: bool) -> Iterator[Finding]:
        yield from doctor.examine()
        if sends_test:
            yield from doctor.examine(doctor.notify_steps(), NOTIFY_LIMITS)

    def _show(self, finding: Finding) -> None:
        styles = {
            State.OK: self.style.SUCCESS,
            State.WARN: self.style.WARNING,
            State.FAIL: self.style.ERROR,
            State.SKIP: self.style.NOTICE,
        }
        state = styles[finding.state](f"{finding.state.value:4}")
        line = f"{state}  {finding.step:{STEP_WIDTH}}  {finding.found}"
        if finding.advice:
            line = f"{line} -> {finding.advice}"
        self.stdout.write(line)
        # A step may take seconds, and people watch.
        self.stdout.flush()

    def _acknowledge(self) -> None:
        before = health()
        acknowledge()
        problems = health().problems
        result = {
            "lost": before.lost,
            "failures": before.failures,
            "problems": list(problems),
        }
        lost = base.counted(before.lost, "lost event")
        failures = base.counted(before.failures, "internal error")
        acknowledged = f"Acknowledged: {lost}, {failures} in 30 days."
        remaining = [f"Still a problem: {problem}" for problem in problems]
        self.answer(result, [acknowledged, *remaining])
