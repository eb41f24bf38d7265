"""
How good generated tests are, on the bugs of ``tests/fixes``.

Prints a table: how many fail for the right reason and pass with the fix, beside what
the rule "the status is below 500" would make of the same requests.
"""

from __future__ import annotations

import sys

from tests.fixes import runner


def main() -> int:
    """Run all cases and print the table."""
    results = runner.measure()
    old = runner.measure(rule="status")
    print(runner.table({"these tests": results, "“status below 500”": old}))
    for result in results:
        if result.outcome != runner.RIGHT:
            print(f"{result.case.name}: {result.outcome}: {result.detail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
