"""A shop with the errors of some weeks, and its admin under a strict policy."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from pathlib import Path

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as APPS
from tests.settings import MIDDLEWARE as OTHERS

BASE_DIR = Path(os.environ.get("PAGES_DIR") or tempfile.gettempdir())
ROOT_URLCONF = "tests.browser.admin_urls"
ALLOWED_HOSTS = ["127.0.0.1"]
STATIC_URL = "/static/"
INSTALLED_APPS = [*APPS, "shop"]
MIDDLEWARE = [*OTHERS, "tests.browser.admin_urls.csp_middleware"]
ERROR_TRACKING = {
    "ENVIRONMENT": "production",
    "AUTO_CREATE_BUGS": False,
    "JOURNAL_DIR": BASE_DIR / "journals",
    "PLANNING_DIR": BASE_DIR / "planning",
    # The release that the sample data calls the newest one.
    "RELEASE": f"{dt.datetime.now(dt.UTC):%Y.%m.%d}",
}
