"""Settings of the site that fails in every way a server's request can."""

from __future__ import annotations

from .site_settings import *  # noqa: F403  the story's site with other URLs

ROOT_URLCONF = "tests.integration.sources_urls"
ALLOWED_HOSTS = ["127.0.0.1"]
