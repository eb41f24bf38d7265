"""Settings of the site with every library, and with another tracker beside ours."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

from tests.integration.site_settings import *  # noqa: F403

ROOT_URLCONF = "tests.integration.failures.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
MIDDLEWARE = [
    *MIDDLEWARE,  # noqa: F405
    "tests.integration.failures.urls.answering_middleware",
]
TEMPLATES = [
    {
        **TEMPLATES[0],  # noqa: F405
        "DIRS": [str(Path(__file__).parent / "templates")],
        "OPTIONS": {
            **TEMPLATES[0].get("OPTIONS", {}),  # noqa: F405
            "libraries": {"failing": "tests.integration.failures.failing_tags"},
        },
    }
]

if importlib.util.find_spec("sentry_sdk"):
    import sentry_sdk

    def _count(event, hint):
        """Note the event in a file instead of sending it."""
        values = event.get("exception", {}).get("values", [])
        line = json.dumps([each.get("type") for each in values])
        path = Path(os.environ["STORY_DIR"], "others.jsonl")
        with path.open("a") as file:
            file.write(line + "\n")

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        before_send=_count,  # returns None: nothing is sent
        shutdown_timeout=0,
    )
