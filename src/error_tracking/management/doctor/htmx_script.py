"""
Whether a project that uses htmx loads our script.

htmx shows no answer with an error status. Without the script the visitor sees nothing
when a request of htmx's fails.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings as django_settings
from django.template import engines

from error_tracking import utils

APP = "django_htmx"
SCRIPT = "error_tracking/htmx.js"
ADVICE = (
    "Visitors do not see failed htmx requests. Load this script after htmx, "
    f"<script src=\"{{% static '{SCRIPT}' %}}\" defer></script>, and the style sheet "
    "htmx.css. Ignore this if you bundle the script."
)
# A template is text that people write; what is larger is data.
LARGEST_TEMPLATE_BYTES = 500_000
# A project of a thousand templates takes a tenth of a second.
SECONDS = 1.0

_OWN_FOLDER = Path(utils.__file__).parent


def is_missing() -> bool:
    """
    Return whether the project uses django-htmx, and no template of it has our script.

    False where that could not be found out in ``SECONDS``.
    """
    middleware = f"{APP}.middleware.HtmxMiddleware"
    if not apps.is_installed(APP) and middleware not in django_settings.MIDDLEWARE:
        return False
    deadline = time.monotonic() + SECONDS
    for path in _templates():
        if time.monotonic() > deadline:
            return False
        if _has_script(path):
            return False
    return True


def _templates() -> Iterator[Path]:
    """Yield the files in the template folders of the project and its apps."""
    for engine in engines.all():
        for folder in getattr(engine, "template_dirs", ()):
            if Path(folder).is_relative_to(_OWN_FOLDER):
                continue
            for parent, _folders, names in os.walk(folder):
                for name in names:
                    yield Path(parent, name)


def _has_script(path: Path) -> bool:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_TEMPLATE_BYTES:
            return False
        return SCRIPT.encode() in path.read_bytes()
    except OSError:
        return False
