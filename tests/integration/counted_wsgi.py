"""The story's site with counters of its own outside: one byte per request begun, one per request answered."""

from __future__ import annotations

import os
from pathlib import Path

from tests.integration.wsgi import application as site

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
BEGUN = os.open(Path(os.environ["STORY_DIR"], "begun"), FLAGS)
ANSWERED = os.open(Path(os.environ["STORY_DIR"], "answered"), FLAGS)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/fine/":
        return site(environ, start_response)
    os.write(BEGUN, b".")
    response = site(environ, start_response)
    os.write(ANSWERED, b".")
    return response
