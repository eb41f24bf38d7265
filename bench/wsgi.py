"""The measured site for gunicorn."""

from __future__ import annotations

import logging

from bench import site

site.configure()
logging.disable(logging.CRITICAL)

from django.core.wsgi import get_wsgi_application  # noqa: E402  after the settings

application = get_wsgi_application()
