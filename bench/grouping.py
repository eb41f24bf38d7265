"""
How well errors are grouped, on the pairs of real tracebacks of ``tests/grouping``.

Prints JSON: precision and recall of our rules, of type and message, and of type
and innermost frame.
"""

from __future__ import annotations

import json
import sys
import warnings

RULES = {
    "ours": "django-error-tracking",
    "type_and_message": "type and message",
    "type_and_innermost_frame": "type and innermost frame",
}


def main() -> int:
    """Run the corpus and print the numbers."""
    import django  # noqa: PLC0415  settings first
    from django.conf import settings  # noqa: PLC0415

    warnings.simplefilter("ignore")
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ROOT_URLCONF="bench.grouping",
    )
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from tests.grouping import corpus  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    pairs = corpus.pairs_of(corpus.cases())
    found = {
        name: dict(zip(("precision", "recall"), corpus.quality(pairs, rule), strict=True))
        for rule, name in RULES.items()
    }
    same = sum(pair.is_same for pair in pairs)
    print(json.dumps({"pairs": len(pairs), "same": same, "rules": found}))
    return 0


urlpatterns: list[object] = []

if __name__ == "__main__":
    sys.exit(main())
