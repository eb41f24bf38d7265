"""The measured site for gunicorn."""

from __future__ import annotations

import logging
import os

from bench import site

if os.environ.get("BENCH_ATTACK"):
    from bench import attack

    site.configure(**attack.settings())
else:
    site.configure()
logging.disable(logging.CRITICAL)

from django.core.wsgi import get_wsgi_application  # noqa: E402  after the settings

application = get_wsgi_application()
