"""Runs what every commit must pass: lints, types, contracts, migrations and a part of the suite, on SQLite."""

from __future__ import annotations

import os
import sys

from steps import Step, main_python, quality_steps, run_all

#: With it the command takes two to three minutes on two cores. Which tests belong to the
#: share changes from run to run; `make test` has all of them.
SHARE = "0.1"


def main() -> int:
    """Run the steps; return the exit status."""
    python = main_python()
    share = os.environ.get("TEST_SHARE", SHARE)
    suite = Step(
        f"{float(share):.0%} of the suite, SQLite",
        [python, "-m", "pytest", "-q", "-m", "not integration"],
        {"TEST_SHARE": share},
    )
    failed = run_all(quality_steps(python), [suite])
    if not failed:
        print("Next: make test runs everything.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
