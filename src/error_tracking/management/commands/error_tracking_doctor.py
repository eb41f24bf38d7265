"""``error_tracking_doctor``: send a test error through the whole line and say what each step found."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import CommandError

from error_tracking.doctor import FAIL, OK, SKIP, WARN, Doctor
from error_tracking.management import base


class Command(base.Command):
    """The command."""

    help = (
        "Walks the whole line with a test error, from the settings to GitHub, and says of each step what was found "
        "and what to do. Leaves nothing behind. Exit status 1 when a step has failed."
    )
    requires_system_checks = []  # what is wrong is a step of its own, and the others follow

    def handle(self, *_args: Any, **_options: Any) -> None:  # noqa: ANN401  Django's signature
        """Look, and say what was found as it is found."""
        styles = {OK: self.style.SUCCESS, WARN: self.style.WARNING, FAIL: self.style.ERROR, SKIP: self.style.NOTICE}
        findings = []
        for finding in Doctor().examine():
            findings.append(finding)
            if not self.is_json:
                advice = f" -> {finding.advice}" if finding.advice else ""
                state = styles[finding.state](f"{finding.state:4}")
                self.stdout.write(f"{state}  {finding.step:12}  {finding.found}{advice}")
                self.stdout.flush()
        failed = [finding.step for finding in findings if finding.state == FAIL]
        self.answer({"is_ok": not failed, "steps": [dataclasses.asdict(each) for each in findings]})
        if failed:
            raise CommandError(f"Failed: {', '.join(failed)}.")
