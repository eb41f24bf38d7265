"""
How well errors are grouped, on the pairs of real tracebacks of ``tests/grouping``.

Prints JSON: precision and recall of our rules, of type and message, of type and
innermost frame, with the normalised URL and without, and of type, route and status.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings


def main() -> int:
    """Run the corpus and print the numbers."""
    import django

    warnings.simplefilter("ignore")
    logging.disable(logging.NOTSET)
    logging.getLogger("django").setLevel(logging.CRITICAL)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.core.management import call_command

    from error_tracking.recorder import nothing_stored
    from tests.grouping import corpus

    call_command("migrate", verbosity=0)
    with nothing_stored():
        pairs = corpus.pairs_of(corpus.cases())
    found = {
        name: dict(
            zip(("precision", "recall"), corpus.quality(pairs, rule), strict=True)
        )
        for rule, name in corpus.RULES.items()
    }
    same = sum(pair.is_same for pair in pairs)
    print(json.dumps({"pairs": len(pairs), "same": same, "rules": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
