"""The stories' site with the URLs of the story of units."""

from __future__ import annotations

from tests.integration.site_settings import *  # noqa: F403  only the URLs differ

ROOT_URLCONF = "tests.integration.units_urls"
ERROR_TRACKING = {**ERROR_TRACKING, "EVENTS_PER_MINUTE": 1_000}  # noqa: F405
